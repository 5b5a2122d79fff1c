"""A shell as somebody at the board has it: one session, with sudo and the programs of rkd."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from queue import Queue
from typing import Self

BOUND_S = 60.0


class Session:
    """
    One shell that reads what is typed; use it as a context manager.

    Args:
        command: starts it.
        folder: where; the running process's own when None.
        environment: all of it; this process's when None.
    """

    def __init__(
        self,
        command: Sequence[str],
        folder: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._command = command
        self._folder = folder
        self._environment = environment
        self._lines: Queue[str | None] = Queue()
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self._command,
            cwd=self._folder,
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            bufsize=1,
        )
        threading.Thread(target=self._read, args=(self._process,), daemon=True).start()
        return self

    def _read(self, process: subprocess.Popen[str]) -> None:
        for line in process.stdout or ():
            self._lines.put(line)
        self._lines.put(None)

    def run(self, line: str, *, bound_s: float = BOUND_S) -> tuple[int, str]:
        """Type *line*; returns its exit code and what it printed on both streams."""
        assert self._process is not None
        assert self._process.stdin is not None
        mark = secrets.token_hex(8)
        # In braces: variables set by the line stay, and nothing of it reads the next line.
        self._process.stdin.write(f"{{ {line}\n}} </dev/null; printf '\\n%s %s\\n' {mark} $?\n")
        printed = ""
        while (said := self._lines.get(timeout=bound_s)) is not None:
            if said.startswith(mark):
                return int(said.split()[1]), printed.removesuffix("\n")
            printed += said
        raise AssertionError(f"the shell ended at {line!r}: {printed}")

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()


class Shell(Session):
    """
    One bash on this machine, with sudo and the programs of rkd.

    Args:
        home: its HOME; it starts there.
        environment: on top of a plain one.
    """

    def __init__(self, home: Path, environment: Mapping[str, str]) -> None:
        programs = home / "bin"
        programs.mkdir()
        self._program(programs / "sudo", 'exec "$@"')
        self._program(programs / "rkctl", f'exec {sys.executable} -m rkctl "$@"')
        self._program(programs / "rkd", f'exec {sys.executable} -m rkd "$@"')
        own = {
            "HOME": str(home),
            "PATH": f"{programs}{os.pathsep}/usr/bin{os.pathsep}/bin",
            "COLUMNS": "100",
        }
        super().__init__(["/bin/bash", "--norc", "--noprofile"], home, {**environment, **own})

    @staticmethod
    def _program(path: Path, line: str) -> None:
        path.write_text(f"#!/bin/sh\n{line}\n", encoding="utf-8")
        path.chmod(0o755)
