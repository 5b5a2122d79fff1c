"""What is published as a whole: built twice the same, complete, with nothing known to be broken."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from tests.packages.conftest import EPOCH_S, build_debs, run
from tests.packages.test_container import why_no_container
from tests.system.machine import CACHE, ROOT

UNREACHABLE = "advisories cannot be had here, nothing is known of"


def digests(folder: Path) -> dict[str, str]:
    """Return the digest of every file."""
    return {file.name: sha256(file.read_bytes()).hexdigest() for file in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def committed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository of its own whose last commit is this tree."""
    folder = tmp_path_factory.mktemp("repository") / "rkd"
    ignored = shutil.ignore_patterns(".git", ".cache", "*_cache", "__pycache__", "node_modules")
    shutil.copytree(ROOT, folder, ignore=ignored)
    us = ("-c", "user.name=us", "-c", "user.email=us@example.org")
    for words in (("init", "-q"), ("add", "-A"), (*us, "commit", "-q", "-m", "all")):
        run("git", "-C", folder, *words)
    return folder


@pytest.fixture(scope="module")
def released(committed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A release without packages and images, which others build; signed with a key made for it."""
    base = tmp_path_factory.mktemp("released")
    ring = base / "gnupg"
    ring.mkdir(mode=0o700)
    if shutil.which("gpg") is None:
        pytest.skip("gpg is not installed (apt-get install gnupg)")
    keys = {"GNUPGHOME": str(ring)}
    make = ("gpg", "--batch", "--passphrase", "", "--quick-generate-key", "us@example.org")
    run(*make, "default", "default", "never", **keys)
    release = (sys.executable, committed / "packaging" / "release.py", "--only", "sbom")
    for name in ("one", "two"):
        run(*release, "--out", base / name, "--sign", "us@example.org", **keys)
    yield base
    run("gpgconf", "--kill", "all", **keys)


def test_two_builds_are_the_same(released: Path) -> None:
    """Source archive, wheel and list, byte for byte; a signature has its own time."""
    one, two = digests(released / "one"), digests(released / "two")
    one.pop("SHA256SUMS.asc")
    two.pop("SHA256SUMS.asc")

    assert one == two
    assert {Path(name).suffix for name in one} == {".gz", ".whl", ".json", ""}


def test_the_sums_hold_and_are_signed(released: Path) -> None:
    """As somebody who downloaded it would look."""
    folder = released / "one"
    run("sh", "-c", 'cd "$0" && sha256sum --check --strict SHA256SUMS', folder)
    run(
        *("gpg", "--verify", folder / "SHA256SUMS.asc", folder / "SHA256SUMS"),
        GNUPGHOME=str(released / "gnupg"),
    )


def test_the_list_names_everything_inside(released: Path) -> None:
    """Every package of the lock, with its digests, as CycloneDX."""
    (path,) = (released / "one").glob("*.cdx.json")
    told = json.loads(path.read_text())
    names = {part["name"] for part in told["components"]}

    assert told["bomFormat"] == "CycloneDX"
    assert told["metadata"]["component"]["name"] == "rkd-llm"
    assert {"grpcio", "xllamacpp", "numpy", "starlette"} <= names
    for part in told["components"]:
        assert part["externalReferences"][0]["hashes"], part["name"]


def test_debian_packages_are_built_the_same_twice(
    tmp_path_factory: pytest.TempPathFactory, wheelhouse: Path
) -> None:
    """The client's and one of the daemon's, byte for byte."""
    bases = [tmp_path_factory.mktemp("twice") for _ in range(2)]
    one, two = (digests(build_debs(b, "0.0.1", wheelhouse, "arm64", "all").folder) for b in bases)

    assert one == two
    assert len(one) == 2


@pytest.mark.skipif(bool(why_no_container()), reason=why_no_container())
def test_the_image_is_built_the_same_twice(
    released: Path, wheelhouse: Path, tmp_path: Path
) -> None:
    """Over the same Debian, byte for byte."""
    (wheel,) = (released / "one").glob("*.whl")
    build = (sys.executable, ROOT / "packaging" / "container" / "build.py", wheel)
    kept = f"--debian={CACHE / 'container-debian.tar'}"
    for name in ("one", "two"):
        run(
            *(*build, tmp_path / name, f"--wheelhouse={wheelhouse}", kept),
            SOURCE_DATE_EPOCH=EPOCH_S,
        )

    assert digests(tmp_path / "one") == digests(tmp_path / "two")


def test_what_cannot_be_built_is_named(committed: Path, tmp_path: Path) -> None:
    """The rest is built, and the end is not a success."""
    python = Path(sys.executable).parent
    (tmp_path / "bin").mkdir()
    for tool in ("git", "sha256sum"):
        (tmp_path / "bin" / tool).symlink_to(str(shutil.which(tool)))
    release = (sys.executable, str(committed / "packaging" / "release.py"), "--only=image-amd64")
    done = subprocess.run(
        [*release, f"--out={tmp_path / 'out'}"],
        env={**os.environ, "PATH": f"{tmp_path / 'bin'}:{python}"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert done.returncode == 1
    assert "left out: image-amd64: not installed: mmdebstrap" in done.stderr
    assert len([*(tmp_path / "out").iterdir()]) == 3


@pytest.mark.parametrize("extra", sorted(file.stem for file in (ROOT / "packaging/lock").iterdir()))
def test_no_package_has_a_known_vulnerability(extra: str) -> None:
    """By pip-audit; where its service is out of reach that is said, and is no success."""
    command = [
        *(sys.executable, "-m", "pip_audit", "--require-hashes", "--disable-pip"),
        *("--progress-spinner=off", "--format=json", "--timeout=20"),
        *("--requirement", str(ROOT / "packaging" / "lock" / f"{extra}.txt")),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    if not done.stdout.startswith("{"):
        last = done.stderr.strip().splitlines()[-1:]
        pytest.skip(f"{UNREACHABLE} {extra}: {last}")
    told = json.loads(done.stdout)["dependencies"]
    found = [f"{one['name']}: {hit['id']}" for one in told for hit in one.get("vulns", [])]
    unknown = [one["name"] for one in told if "skip_reason" in one]

    assert found == []
    if unknown:
        pytest.skip(f"{UNREACHABLE} {len(unknown)} of {len(told)} packages of {extra}")


def test_the_release_environment_is_asked_for_in_one_place() -> None:
    """What packaging/release installs is the extra `release`."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = {need.partition(">")[0] for need in extras["optional-dependencies"]["release"]}

    assert wanted == {"cyclonedx-bom", "hatchling", "packaging", "pip-audit", "uv"}
