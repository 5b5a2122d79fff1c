"""A real console in a process of its own, before a daemon."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.integration.daemon_process import wait_for

_SAID = re.compile(r"listens on (\S+)\n")


@contextlib.contextmanager
def console(
    environment: Mapping[str, str], folder: Path, settings: Mapping[str, str] | None = None
) -> Iterator[str]:
    """
    Run `rkd-console` and yield its address.

    Args:
        environment: with RKD_ENDPOINT and PYTHONPATH, as a daemon's process has it.
        folder: for its log.
        settings: RKD_CONSOLE_* variables besides.
    """
    log = folder / "console.log"
    own = {**environment, "RKD_CONSOLE_LISTEN": "127.0.0.1:0", **(settings or {})}
    with log.open("wb") as stderr:
        command = [sys.executable, "-m", "rkd_console"]
        process = subprocess.Popen(command, env=own, stdout=stderr, stderr=stderr, cwd=folder)
    try:
        wait_for(
            lambda: process.poll() is not None or _SAID.search(log.read_text()),
            "the console to listen",
            60.0,
        )
        found = _SAID.search(log.read_text())
        assert found is not None, log.read_text()
        yield found.group(1)
    finally:
        process.terminate()
        code = process.wait(60)
    assert code == 0, log.read_text()
    assert "Traceback" not in log.read_text(), log.read_text()
