"""
What a worker prints: one pipe for both its streams, read as it comes, the last lines kept.

Engines say why they fail on stdout or stderr and nowhere else; those lines become part of errors.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections import deque
from collections.abc import Callable

KEPT_LINES = 200
SHOWN_LINES = 2
MAX_LINE_BYTES = 4096
"""A longer line is cut: engines print whole templates."""
_READ_BYTES = 65536
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

    def close_writer(self) -> None:
        """Leave the writing end to the child alone."""
        os.close(self.writer)

    def listen(self, on_line: Callable[[str], None]) -> None:
        """Read from now on and hand every line to *on_line*."""
        self._on_line = on_line
        asyncio.get_running_loop().add_reader(self._reader, self.drain)

    def drain(self) -> None:
        """Read everything the child has written so far."""
        while self._open:
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
                self._lines.append(text)
                self._on_line(text)

    def note(self, line: str) -> None:
        """Add a line of the daemon's own."""
        self._lines.append(line)
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
