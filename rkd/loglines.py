"""
Lines of the log on their way out: never waited for, no error of who logs; dropped and counted.

A log's reader may be gone, or alive and not reading; its disk may be full.
"""

from __future__ import annotations

import io
import json
import os
import select
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final, TextIO

PIECE_BYTES: Final = 4096
"""PIPE_BUF: what poll(2) promises can be written to a pipe without waiting."""

MAX_LINE_BYTES: Final = 64 << 10
"""Longer lines are cut, whatever a traceback holds."""

REPEATS_ALLOWED: Final = 10
REPEATS_WINDOW_S: Final = 10.0
KINDS_REMEMBERED: Final = 1024
"""The same warning about the same caller, model or network is said so often, then counted."""


class LineWriter:
    """
    Writes lines to *stream* if that needs no waiting; any thread.

    Args:
        stream: its descriptor is written to directly; one without is written to as it is.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._torn = False
        self.dropped = 0
        """Lines lost since the last that was written."""
        try:
            self._descriptor = stream.fileno()
        except (OSError, ValueError, io.UnsupportedOperation):
            self._descriptor = -1
        self._poll = select.poll()
        if self._descriptor >= 0:
            self._poll.register(self._descriptor, select.POLLOUT)

    def write(self, line: str) -> None:
        """Write *line*, which ends in a newline, or drop it."""
        data = line.encode(errors="backslashreplace")
        if len(data) > MAX_LINE_BYTES:
            data = data[:MAX_LINE_BYTES].decode(errors="ignore").encode() + b"\n"
        with self._lock:
            if self.dropped and self._put(self._gap()):
                self.dropped = 0
            if self.dropped or not self._put(data):
                self.dropped += 1

    def flush(self) -> None:
        """Do nothing: nothing is held back."""

    def _gap(self) -> bytes:
        told = json.dumps({"event": "log.dropped", "lines": self.dropped, "level": "warning"})
        return f"{told}\n".encode()

    def _put(self, data: bytes) -> bool:
        """Write all of *data* or tell that it could not be; a torn line is ended by the next."""
        if self._descriptor < 0:
            return self._put_plain(data)
        if self._torn:
            data = b"\n" + data
        left = memoryview(data)
        try:
            while left:
                if not any(ready & select.POLLOUT for _, ready in self._poll.poll(0)):
                    break
                left = left[os.write(self._descriptor, left[:PIECE_BYTES]) :]
        except OSError:
            pass  # nobody reads any more, or no room
        if len(left) < len(data):
            self._torn = bool(left)
        return not left

    def _put_plain(self, data: bytes) -> bool:
        try:
            self._stream.write(data.decode())
            self._stream.flush()
        except (OSError, ValueError):
            return False
        return True


class Repeats:
    """
    How often the same was said lately.

    Args:
        clock: seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: OrderedDict[tuple[str, ...], tuple[float, int]] = OrderedDict()
        self._lock = threading.Lock()

    def count(self, kind: tuple[str, ...]) -> int | None:
        """
        Count one more of *kind*; None when it should not be said.

        Returns how many were not said in the window before, to be told with this one.
        """
        now = self._clock()
        with self._lock:
            since, count = self._seen.pop(kind, (now, 0))
            unsaid = 0
            if now - since >= REPEATS_WINDOW_S:
                unsaid, since, count = max(0, count - REPEATS_ALLOWED), now, 0
            self._seen[kind] = (since, count + 1)
            if len(self._seen) > KINDS_REMEMBERED:
                self._seen.popitem(last=False)
        return unsaid if count < REPEATS_ALLOWED else None
