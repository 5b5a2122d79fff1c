"""
What a runner tells of its progress: stages, files, verified bytes, speed.

The numbers may come from worker threads; the operation itself changes on the event loop only.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace

from rkd.operations.operation import FileProgress, Progress

INTERVAL_S = 0.1
"""Watchers are woken at most ten times a second: as often as a bar can be read."""

_WINDOW_S = 5.0
"""The speed is that of the last seconds: enough to be read, few enough to notice a stall."""

_NOTHING = Progress()


class Report:
    """
    Collects progress from any thread and announces it on the loop, never too often.

    Args:
        loop: where *changed* is called.
        changed: takes the news in; called on the loop.
        known: how far an earlier run of the same operation was told to be.
        interval_s: between two announcements of counted bytes.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        changed: Callable[[], None],
        *,
        known: Progress = _NOTHING,
        interval_s: float = INTERVAL_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._loop = loop
        self._changed = changed
        self._clock = clock
        self._interval_s = interval_s
        self._lock = threading.Lock()
        self._stage = known.stage
        self._files = {file.name: file for file in known.files}
        self._detail: dict[str, str] = {}
        self._arrived_bytes = 0
        self._begun_s = clock()
        self._samples: deque[tuple[float, int]] = deque()
        self._announced_s = float("-inf")
        self._flush_is_due = False

    def stage(self, text: str) -> None:
        """Say what is being done now; told at once."""
        with self._lock:
            self._stage = text
        self._announce()

    def tell(self, key: str, value: str) -> None:
        """Add a fact a client may see (`license`, `commit` …); told at once."""
        with self._lock:
            self._detail[key] = value
        self._announce()

    def begin(self, name: str, total_bytes: int, *, resumed_bytes: int = 0) -> None:
        """Name a file (or any work counted in bytes) and how much of it was there already."""
        with self._lock:
            known = self._files.get(name)
            before = known.completed_bytes if known else 0
            self._files[name] = FileProgress(
                name, max(before, resumed_bytes), total_bytes, resumed_bytes
            )
            self._begun_s = self._clock()
        self._announce()

    def advance(self, name: str, completed_bytes: int) -> None:
        """
        Say how many bytes of *name* are safe; any thread, as often as one likes.

        A smaller number than before is kept back: a file that has to be fetched again stands
        still until it is as far as it was.
        """
        with self._lock:
            known = self._files[name]
            if completed_bytes <= known.completed_bytes:
                return
            if not self._samples:  # what came before the first byte was no transfer
                self._samples.append((self._begun_s, 0))
            self._arrived_bytes += completed_bytes - known.completed_bytes
            self._files[name] = replace(known, completed_bytes=completed_bytes)
            due = not self._flush_is_due
            self._flush_is_due = True
        if due and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._flush_soon)

    @property
    def detail(self) -> dict[str, str]:
        """A copy of the facts told so far."""
        with self._lock:
            return dict(self._detail)

    def progress(self) -> Progress:
        """Sum up, with the speed as of now; call on the loop."""
        with self._lock:
            files = tuple(self._files.values())
            speed = self._speed()
            return Progress(
                stage=self._stage,
                completed_bytes=sum(file.completed_bytes for file in files),
                total_bytes=sum(file.total_bytes for file in files),
                resumed_bytes=sum(file.resumed_bytes for file in files),
                bytes_per_s=speed,
                files=files,
            )

    def _speed(self) -> float:
        if not self._samples:
            return 0.0
        now = self._clock()
        if now - self._samples[-1][0] >= self._interval_s / 2:
            self._samples.append((now, self._arrived_bytes))
        while len(self._samples) > 2 and now - self._samples[1][0] >= _WINDOW_S:  # noqa: PLR2004 - two ends
            self._samples.popleft()
        (from_s, from_bytes), (to_s, to_bytes) = self._samples[0], self._samples[-1]
        return (to_bytes - from_bytes) / (to_s - from_s) if to_s > from_s else 0.0

    def _flush_soon(self) -> None:
        """Announce what was counted: at once, or when the last time is long enough ago."""
        wait_s = self._announced_s + self._interval_s - self._clock()
        self._loop.call_later(max(0.0, wait_s), self._flush)

    def _flush(self) -> None:
        with self._lock:
            self._flush_is_due = False
        self._announced_s = self._clock()
        self._changed()

    def _announce(self) -> None:
        # A runner's thread may outlive the loop by a moment at shutdown: nobody is left to tell.
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._changed)
