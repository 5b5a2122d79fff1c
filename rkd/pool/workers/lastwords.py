"""
What a worker prints: one pipe for both its streams, read as it comes, the last lines kept.

Engines say why they fail on stdout or stderr and nowhere else; those lines become part of errors.
"""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections import deque
from collections.abc import Callable

KEPT_LINES = 200
SHOWN_LINES = 2
MAX_LINE_BYTES = 4096
"""A longer line is cut: engines print whole templates."""
_READ_BYTES = 65536
READS = 4
"""Reads in a row before the loop does something else: a child that prints without end stays behind
a full pipe, which slows it and nobody else."""
LINES_A_SECOND = 100
MOST_LINES = 1000
"""Lines handed on at once; further ones at the rate above, and how many were left out is said."""
_STAMP = re.compile(r"^[0-9.]+ [DIWE] ")
"""Time and level before each line of llama.cpp."""
_MARKS = ("error", "failed", " E ", "E rkllm", "E RKNN", "assert", "abort", "invalid", "terminate")


class LastWords:
    """A pipe for a child's stdout and stderr; read on the event loop."""

    def __init__(self) -> None:
        self._reader, self.writer = os.pipe()
        os.set_blocking(self._reader, False)
        self._rest = b""
        self._lines: deque[str] = deque(maxlen=KEPT_LINES)
        self._on_line: Callable[[str], None] = lambda _line: None
        self._open = True
        self._allowed = float(MOST_LINES)
        self._counted_s = time.monotonic()
        self._left_out = 0

    def close_writer(self) -> None:
        """Leave the writing end to the child alone."""
        os.close(self.writer)

    def listen(self, on_line: Callable[[str], None]) -> None:
        """Read from now on and hand every line to *on_line*; the last one given."""
        self._on_line = on_line
        if self._open:
            asyncio.get_running_loop().add_reader(self._reader, self.drain)

    def drain(self) -> None:
        """Read what the child has written so far, or much of it."""
        for _ in range(READS):
            if not self._open:
                return
            try:
                data = os.read(self._reader, _READ_BYTES)
            except BlockingIOError:
                return
            if not data:
                self._take(b"\n" if self._rest else b"")
                self.close()
                return
            self._take(data)

    def _take(self, data: bytes) -> None:
        *whole, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > MAX_LINE_BYTES:
            whole.append(self._rest)
            self._rest = b""
        for line in whole:
            text = line[:MAX_LINE_BYTES].decode(errors="replace").rstrip()
            if text:
                self.note(text)

    def note(self, line: str) -> None:
        """Keep a line, and hand it on unless there were too many."""
        self._lines.append(line)
        now_s = time.monotonic()
        earned = (now_s - self._counted_s) * LINES_A_SECOND
        self._allowed = min(MOST_LINES, self._allowed + earned)
        self._counted_s = now_s
        if self._allowed < 1:
            self._left_out += 1
            return
        self._allowed -= 1
        if self._left_out:
            self._on_line(f"({self._left_out} lines left out)")
            self._left_out = 0
        self._on_line(line)

    def lines(self) -> tuple[str, ...]:
        """The last lines, oldest first."""
        return tuple(self._lines)

    def evidence(self) -> str:
        """
        What looks like the reason of a failed load, as one line.

        The first lines that look like one: engines name the cause first and then what follows
        from it. Without any, the very last lines.
        """
        lines = [line for line in self._lines if any(mark in line for mark in _MARKS)]
        shown = lines[:SHOWN_LINES] if lines else list(self._lines)[-SHOWN_LINES:]
        return " | ".join(_STAMP.sub("", line) for line in shown)

    def close(self) -> None:
        """Stop reading."""
        if self._open:
            self._open = False
            asyncio.get_running_loop().remove_reader(self._reader)
            os.close(self._reader)
