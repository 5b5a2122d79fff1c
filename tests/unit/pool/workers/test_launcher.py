"""What a launcher finds of a life before."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

from rkd.pool.workers.launcher import Launcher


def test_a_stopped_worker_of_an_earlier_life_is_ended(tmp_path: Path) -> None:
    """It works below the folder and hears nothing; a process elsewhere is left alone."""
    private = tmp_path / "workers" / "w1"
    private.mkdir(parents=True)
    left = subprocess.Popen(["/bin/sleep", "60"], cwd=private)
    other = subprocess.Popen(["/bin/sleep", "60"], cwd=tmp_path)
    try:
        os.kill(left.pid, signal.SIGSTOP)

        Launcher(tmp_path / "workers", {}, lambda *_: None)

        assert left.wait(30) == -signal.SIGKILL
        assert other.poll() is None
        assert list((tmp_path / "workers").iterdir()) == []
    finally:
        for process in (left, other):
            process.kill()
            process.wait()
