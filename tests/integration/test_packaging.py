"""What is published: the wheel and the source archive, installed into environments of their own."""

from __future__ import annotations

import subprocess
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

from tests.system.machine import build_wheel, copy_of_the_source

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

CLIENT_BYTES = 40_000_000
"""What the client may take on a laptop, without pip: 38 MB, of which grpc 19."""
DAEMON_ONLY = {"numpy", "xllamacpp", "structlog", "cryptography", "tokenizers", "huggingface_hub"}


def python_of(folder: Path) -> Path:
    """Make an environment and return its python."""
    venv.create(folder, with_pip=True)
    return folder / "bin" / "python"


def run(*command: object) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, timeout=500, check=False
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the source archive: what is left out of that is missed here."""
    base = tmp_path_factory.mktemp("packaging")
    source = copy_of_the_source(base / "source", "0.0.9")
    python = python_of(base / "build")
    assert run(python, "-m", "pip", "install", "-q", "hatchling>=1.27,<2").returncode == 0
    built = subprocess.run(
        [str(base / "build/bin/hatchling"), "build", "-t", "sdist"], cwd=source, check=True
    )
    assert built.returncode == 0
    (archive,) = (source / "dist").glob("rkd_llm-*.tar.gz")
    with tarfile.open(archive) as packed:
        packed.extractall(base / "unpacked", filter="data")
    return build_wheel(base / "unpacked" / "rkd_llm-0.0.9", base / "wheel")


def test_the_wheel_holds_what_install_puts_in_place(wheel: Path) -> None:
    """The units and the default configuration; no tests, no caches."""
    names = zipfile.ZipFile(wheel).namelist()

    assert any(name.endswith("share/rkd/systemd/rkd.service") for name in names)
    assert any(name.endswith("share/rkd/systemd/rkd.toml") for name in names)
    assert any(name.endswith("share/rkd/packaging/lock/daemon.txt") for name in names)
    assert not [name for name in names if "tests/" in name or "__pycache__" in name]


def test_the_client_alone_is_light_and_works(wheel: Path, tmp_path: Path) -> None:
    """No daemon package comes along; rkctl works, and rkd says what is missing."""
    python = python_of(tmp_path / "client")
    installed = run(python, "-m", "pip", "install", "-q", wheel)
    assert installed.returncode == 0, installed.stderr
    listed = run(python, "-m", "pip", "list", "--format=freeze").stdout.lower().splitlines()
    packages = {line.partition("==")[0].replace("-", "_") for line in listed}
    version = run(tmp_path / "client/bin/rkctl", "--version")
    token = run(tmp_path / "client/bin/rkctl", "token", "create", "--file", tmp_path / "tokens")
    daemon = run(tmp_path / "client/bin/rkd", "--version")
    run(python, "-m", "pip", "uninstall", "-q", "-y", "setuptools", "pip")
    (used, *_) = run("du", "-sB1", tmp_path / "client").stdout.split()

    assert int(used) <= CLIENT_BYTES
    assert not packages & DAEMON_ONLY
    assert version.stdout.strip() == "rkctl 0.0.9"
    assert token.returncode == 0
    assert daemon.returncode == 78
    assert "pip install '.[daemon]'" in daemon.stderr


def test_the_daemon_extra_starts(wheel: Path, tmp_path: Path) -> None:
    """Everything the daemon imports at start is named in the extra."""
    python = python_of(tmp_path / "daemon")
    installed = run(
        python, "-m", "pip", "install", "-q", f"rkd-llm[daemon,metrics] @ file://{wheel}"
    )
    assert installed.returncode == 0, installed.stderr
    version = run(tmp_path / "daemon/bin/rkd", "--version")

    assert version.stdout.strip() == "rkd 0.0.9", version.stderr
