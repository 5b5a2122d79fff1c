"""Whether a file has arrived whole: who still writes it, and how long it has been quiet."""

from __future__ import annotations

import enum
import fcntl
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

QUIET_S = 2.0
"""A file of which no writer is known is whole after this long without change. Source: contract."""

CLOSED_QUIET_S = 0.5
"""The same for a file that is known to be closed: tools that open, append and close in a loop."""


class Writer(enum.Enum):
    """What is known of a file's writers."""

    NONE = "none"
    SOME = "some"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Sighting:
    """
    What is known of a weights file at one moment.

    Args:
        quiet_s: how long it has not changed, as far as anybody can tell.
        closed: its writer was seen closing or renaming it, and nothing changed since.
        short: it is smaller than its own header says.
    """

    writer: Writer
    quiet_s: float
    closed: bool = False
    short: bool = False


def wait_s(sighting: Sighting) -> float | None:
    """
    Say when to look again: 0 when the file is whole now, None when its writer decides.

    1. Somebody writes it: until the close is seen, however long that takes.
    2. Shorter than its header says, or nobody knows whether somebody writes: QUIET_S.
    3. Closed, or nobody has it open: CLOSED_QUIET_S.
    """
    if sighting.writer is Writer.SOME:
        return None
    known = sighting.closed or sighting.writer is Writer.NONE
    needed_s = QUIET_S if sighting.short or not known else CLOSED_QUIET_S
    return max(0.0, needed_s - sighting.quiet_s)


def writer_of(path: Path) -> Writer:
    """
    Ask the kernel whether any process has *path* open for writing.

    A read lease is granted only while nobody does. It is given back at once; the signal a
    breaking lease would send is set to one that is ignored by default.
    Source: fcntl(2), F_SETLEASE; tried on ext4, tmpfs and overlayfs, 2026-11-21. Without the
    file's ownership (or CAP_LEASE) and on network file systems there is no lease:
    UNKNOWN.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return Writer.UNKNOWN
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except BlockingIOError:
        return Writer.SOME
    except OSError:
        return Writer.UNKNOWN
    else:
        return Writer.NONE
    finally:
        os.close(descriptor)


_Signature = tuple[int, int, int]


class Sightings:
    """
    Remembers which files were seen changing, closing and being whole.

    A file judged whole stays so under any name until its bytes change. Used from the library's
    own thread only.

    Args:
        is_short: whether a file is smaller than its own header says.
        clock: monotonic seconds.
        wall: seconds since the epoch, to compare with times of change.
    """

    def __init__(
        self,
        *,
        is_short: Callable[[Path], bool] = lambda _path: False,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        ask: Callable[[Path], Writer] | None = None,
    ) -> None:
        self._is_short = is_short
        self._clock = clock
        self._wall = wall
        self._ask = ask or writer_of
        self._whole: set[_Signature] = set()
        self._since: dict[Path, tuple[_Signature, float]] = {}
        self._closed: dict[Path, _Signature] = {}

    def trust(self, status: os.stat_result) -> None:
        """Take the file behind *status* as whole: rkd itself wrote it."""
        self._whole.add(_signature(status))

    def closed(self, path: Path) -> None:
        """Take note that the writer of *path* closed it or renamed it into place."""
        try:
            self._closed[path] = _signature(path.stat())
        except OSError:  # gone again
            self._closed.pop(path, None)

    def wait_s(self, path: Path, status: os.stat_result) -> float | None:
        """Say when to look at *path* again: 0 when it is whole, None when its writer decides."""
        signature = _signature(status)
        if signature in self._whole:
            return 0.0
        known, since_s = self._since.get(path, (None, 0.0))
        if known != signature:
            since_s = self._clock()
            self._since[path] = (signature, since_s)
        # A board without a clock battery wakes up in the past: then only our own watch counts.
        age_s = self._wall() - status.st_mtime
        quiet_s = max(self._clock() - since_s, age_s)
        short = quiet_s < QUIET_S and self._is_short(path)
        closed = self._closed.get(path) == signature
        left_s = wait_s(Sighting(self._ask(path), quiet_s, closed=closed, short=short))
        if left_s == 0.0:
            self._whole.add(signature)
            self._since.pop(path, None)
            self._closed.pop(path, None)
        return left_s


def _signature(status: os.stat_result) -> _Signature:
    return status.st_ino, status.st_size, status.st_mtime_ns
