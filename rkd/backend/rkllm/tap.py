"""
What the library prints, read along on its way out.

The runtime writes its log to stdout, and what it prints is often the only evidence: `rkllm_init`
may return 0 for a model it did not load. Lines go on to where stdout went before, so the daemon's
log has them as well; stderr is left alone, a dying library's last words stay direct.
"""

from __future__ import annotations

import ctypes
import itertools
import os
import threading
from collections import deque

KEPT_LINES = 400
MAX_LINE_BYTES = 4096
"""A longer line is read in pieces of this size."""
SETTLE_BOUND_S = 2.0
"""How long to wait for lines under way; the reading thread needs microseconds."""

_LINE_BUFFERED = 1  # _IOLBF of glibc's stdio.h
_SETTLED = b"\x00rkd-settled-"


class Tap:
    """
    Reads along on file descriptor *fd*; one thread, alive until `close`.

    Args:
        fd: the descriptor the library prints to.
    """

    def __init__(self, fd: int = 1) -> None:
        self._fd = fd
        self._lines: deque[str] = deque(maxlen=KEPT_LINES)
        self._serials = itertools.count()
        self._settled: dict[bytes, threading.Event] = {}
        self._libc = ctypes.CDLL(None)
        self._flush()
        self._original = os.dup(fd)
        reading, self._writing = os.pipe()
        os.dup2(self._writing, fd)
        # Into a pipe, C would hold lines back until 4096 bytes are together, or the crash.
        if fd == 1:
            stream = ctypes.c_void_p.in_dll(self._libc, "stdout")
            self._libc.setvbuf(stream, None, _LINE_BUFFERED, ctypes.c_size_t(0))
        self._thread = threading.Thread(
            target=self._read, args=(reading,), name="rkllm-log", daemon=True
        )
        self._thread.start()

    def take(self) -> tuple[str, ...]:
        """Return the lines printed since the last call, all that are under way included."""
        mark = _SETTLED + str(next(self._serials)).encode()
        arrived = self._settled[mark] = threading.Event()
        self._hold()
        self._flush()
        os.write(self._writing, b"\n" + mark + b"\n")
        arrived.wait(SETTLE_BOUND_S)
        self._settled.pop(mark, None)
        lines = []
        while self._lines:
            lines.append(self._lines.popleft())
        return tuple(lines)

    def forget(self) -> None:
        """Drop what was printed up to now."""
        self._hold()
        self._lines.clear()

    def close(self) -> None:
        """Put the descriptor back as it was; the thread ends with the last writer."""
        if self._original < 0:
            return
        self._flush()
        if os.path.sameopenfile(self._fd, self._writing):
            os.dup2(self._original, self._fd)
        os.close(self._writing)
        self._thread.join(SETTLE_BOUND_S)
        os.close(self._original)
        self._original = -1

    def _hold(self) -> None:
        """Take the descriptor again when somebody swapped it (test runners do, between phases)."""
        if os.path.sameopenfile(self._fd, self._writing):
            return
        os.dup2(self._fd, self._original)
        os.dup2(self._writing, self._fd)

    def _flush(self) -> None:
        self._libc.fflush(None)

    def _read(self, reading: int) -> None:
        with os.fdopen(reading, "rb") as stream:
            while raw := stream.readline(MAX_LINE_BYTES):
                line = raw.rstrip(b"\r\n")
                settled = self._settled.get(line)
                if settled is not None:
                    settled.set()
                elif line:
                    self._lines.append(line.decode("utf-8", "replace"))
                    self._forward(line + b"\n")

    def _forward(self, line: bytes) -> None:
        try:
            os.write(self._original, line)
        except OSError:
            # Nobody reads the log any more: the answer matters more than its log.
            return
