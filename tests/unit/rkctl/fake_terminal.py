"""A pseudo-terminal with rkctl in it."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import termios
from pathlib import Path
from typing import Self

from tests.unit.rkctl.fake_board import FakeBoard

_IN_TERMINAL = """
import fcntl, runpy, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
runpy.run_module("rkctl", run_name="__main__")
"""
"""Makes the pseudo-terminal the one Ctrl-C comes from, then is `python -m rkctl`."""


class FakeTerminal:
    """A pseudo-terminal with rkctl in it."""

    def __init__(
        self, board: FakeBoard, home: Path, *arguments: str, columns: int = 80, **variables: str
    ) -> None:
        self._leader, follower = pty.openpty()
        termios.tcsetwinsize(follower, (40, columns))
        environment = board.environment(home)
        environment |= {"PYTHONPATH": ":".join(sys.path), "TERM": "dumb"} | variables
        self.child = subprocess.Popen(
            [sys.executable, "-c", _IN_TERMINAL, *arguments],
            env=environment,
            stdin=follower,
            stdout=follower,
            stderr=follower,
            start_new_session=True,
        )
        os.close(follower)
        self._seen = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.child.kill()
        self.child.wait()
        os.close(self._leader)

    def until(self, text: str) -> None:
        """Read until *text* has appeared since the last call."""
        while text not in self._seen:
            ready, _, _ = select.select([self._leader], [], [], 20)
            assert ready, f"waited for {text!r}, saw {self._seen!r}"
            self._seen += os.read(self._leader, 4096).decode("utf-8", "replace")
        self._seen = self._seen.partition(text)[2]

    def rest(self) -> str:
        """Return what comes until the program has ended."""
        seen = self._seen
        while True:
            ready, _, _ = select.select([self._leader], [], [], 20)
            assert ready, f"it does not end: {seen!r}"
            try:
                came = os.read(self._leader, 4096)
            except OSError:  # nobody holds the other end any more
                return seen
            if not came:
                return seen
            seen += came.decode("utf-8", "replace")

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self._leader, text.encode())
