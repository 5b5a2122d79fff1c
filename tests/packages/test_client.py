"""The client as people install it on a laptop."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

from tests.integration.daemon_process import DaemonProcess
from tests.models import tiny
from tests.packages.conftest import ANSWERED, ASKED, run
from tests.system.machine import copy_of_the_source


def test_installed_with_pipx_it_gets_an_answer(tmp_path: Path) -> None:
    """`pipx install ./` in a checkout, and nothing of the daemon with it."""
    venv.create(tmp_path / "venv", with_pip=True)
    run(tmp_path / "venv/bin/python", "-m", "pip", "install", "-q", "pipx>=1.7,<2")
    source = copy_of_the_source(tmp_path / "checkout", "0.0.1")
    places = {"PIPX_HOME": str(tmp_path / "pipx"), "PIPX_BIN_DIR": str(tmp_path / "bin")}
    done = subprocess.run(
        [str(tmp_path / "venv/bin/pipx"), "install", "--python", sys.executable, "./"],
        cwd=source,
        env={**os.environ, **places, "PIPX_MAN_DIR": str(tmp_path / "man")},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    rkctl = tmp_path / "bin/rkctl"

    assert run(rkctl, "--version").stdout.strip() == "rkctl 0.0.1"
    with DaemonProcess(tmp_path / "daemon") as daemon:
        folder = daemon.models / "tiny"
        folder.mkdir()
        tiny.write(folder / "tiny.gguf")
        (folder / "Modelfile").write_text("FROM ./tiny.gguf\n")
        answer = run(rkctl, "--endpoint", daemon.socket, *ASKED, HOME=str(tmp_path))

    assert ANSWERED in answer.stdout


def test_a_zip_cannot_hold_it(tmp_path: Path) -> None:
    """Why there is no rkctl.pyz, as docs/packaging.md says: gRPC's library is not found in one."""
    run(sys.executable, "-m", "pip", "install", "-q", "--target", tmp_path / "all", "grpcio")
    (tmp_path / "all/__main__.py").write_text("import grpc\n")
    run(sys.executable, "-m", "zipapp", tmp_path / "all", "-o", tmp_path / "grpc.pyz")
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(tmp_path / "grpc.pyz")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 1
    assert "cygrpc" in done.stderr
