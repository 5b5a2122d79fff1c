"""What the tier `packages` builds once and tries everywhere."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.models import tiny
from tests.system.machine import CACHE, ROOT, build_wheel, copy_of_the_source, locked

EPOCH_S = "1790000000"
TESTED_WITH = CACHE / "wheelhouse-packages"


ASKED = ("run", "tiny", "hello", "--max-tokens", "4", "--json")
ANSWERED = '"completion_tokens": 4'
"""A question to the model `tiny`, and what its last line says when it was answered."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark everything here."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.packages)
            item.add_marker(pytest.mark.timeout(1200))


def run(*command: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; a failure tells what it printed."""
    words = [str(word) for word in command]
    done = subprocess.run(
        words,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


@pytest.fixture(scope="session")
def wheelhouse() -> Path:
    """Every wheel of the lock, for every machine packages are made for; kept between runs."""
    with locked("wheelhouse-packages"):
        run(sys.executable, ROOT / "packaging" / "wheels.py", TESTED_WITH)
    return TESTED_WITH


@dataclass(frozen=True)
class Debs:
    """
    The packages of a version.

    Attributes:
        folder: where they are.
        version: theirs.
    """

    folder: Path
    version: str

    def name(self, package: str, architecture: str) -> str:
        """Return the file of a package."""
        return f"{package}_{self.version}_{architecture}.deb"


def build_debs(base: Path, version: str, house: Path, *architectures: str) -> Debs:
    """Build the packages of *version*, with a wheel of it."""
    source = copy_of_the_source(base / "source", version)
    wheel = build_wheel(source, base / "wheel")
    chosen = [f"--arch={architecture}" for architecture in architectures]
    build = (sys.executable, ROOT / "packaging" / "deb" / "build.py", wheel, base / "debs")
    run(*build, f"--wheelhouse={house}", *chosen, SOURCE_DATE_EPOCH=EPOCH_S)
    return Debs(base / "debs", version)


def architecture() -> str:
    """Return what Debian calls this machine's."""
    return run("dpkg", "--print-architecture").stdout.strip()


@pytest.fixture(scope="session")
def debs(tmp_path_factory: pytest.TempPathFactory, wheelhouse: Path) -> Debs:
    """Version 0.0.1, for both architectures and the client."""
    base = tmp_path_factory.mktemp("debs")
    base.chmod(0o755)
    return build_debs(base, "0.0.1", wheelhouse)


@pytest.fixture(scope="session")
def newer(tmp_path_factory: pytest.TempPathFactory, wheelhouse: Path) -> Debs:
    """Version 0.0.2, for this machine."""
    base = tmp_path_factory.mktemp("newer")
    base.chmod(0o755)
    return build_debs(base, "0.0.2", wheelhouse, architecture(), "all")


@pytest.fixture(scope="session")
def damaged(tmp_path_factory: pytest.TempPathFactory, newer: Debs) -> Debs:
    """Version 0.0.3: one wheel of it is not what it should be."""
    base = tmp_path_factory.mktemp("damaged")
    base.chmod(0o755)
    tree = base / "tree"
    run("dpkg-deb", "-R", newer.folder / newer.name("rkd-llm", architecture()), tree)
    (wheel,) = (tree / "usr/lib/rkd/wheels").glob("click-*.whl")
    wheel.write_bytes(wheel.read_bytes() + b"!")
    control = tree / "DEBIAN" / "control"
    control.write_text(control.read_text().replace(newer.version, "0.0.3"))
    bad = Debs(base, "0.0.3")
    run("dpkg-deb", "-Zgzip", "-z1", "-b", tree, base / bad.name("rkd-llm", architecture()))
    return bad


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a model `tiny`."""
    folder = tmp_path_factory.mktemp("models")
    folder.chmod(0o755)
    (folder / "tiny").mkdir()
    tiny.write(folder / "tiny" / "tiny.gguf")
    (folder / "tiny" / "Modelfile").write_text("FROM ./tiny.gguf\n")
    return folder
