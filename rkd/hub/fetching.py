"""The mover's asyncio side: files fetched in a bounded set of threads, stopped by cancelling."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import Callable, Sequence
from pathlib import Path

from rkd.hub.mover import Mover, Wanted
from rkd.hub.stop import StoppedError, StopSign
from rkd.hub.threads import STALL_S, Moved, in_thread, left_behind

FILES_AT_ONCE = 4
"""Connections at once: one rarely fills a line to a CDN, more than four gain nothing at home."""

_STOP_WAIT_S = 2.0
"""How long a cancelled fetch is waited for; one that waits for an answer's first byte ends later by
itself, and writes nothing any more."""


class Fetching:
    """
    Runs a mover in threads of its own.

    Args:
        mover: does the work.
        files_at_once: bound of all fetches together.
        stall_s: see `STALL_S`.
    """

    def __init__(
        self, mover: Mover, *, files_at_once: int = FILES_AT_ONCE, stall_s: float = STALL_S
    ) -> None:
        self._mover = mover
        self._stall_s = stall_s
        self._slots = asyncio.Semaphore(files_at_once)

    async def fetch(self, wanted: Wanted, target: Path, *, progress: Callable[[int], None]) -> None:
        """Fetch as `Mover.fetch` does; cancelling stops it and keeps the part."""
        stop, moved = StopSign(), Moved()
        told = moved.noting(progress)

        def work() -> None:
            # What a stop leaves is the canceller's business.
            with contextlib.suppress(StoppedError):
                stop.check()
                self._mover.fetch(wanted, target, progress=told, stop=stop)

        async with self._slots:
            fetching = asyncio.ensure_future(in_thread(work, name="rkd-fetch"))
            try:
                await moved.ended(fetching, within_s=self._stall_s, what=str(wanted))
            except BaseException:
                stop.set()
                await left_behind(fetching, within_s=_STOP_WAIT_S)
                raise

    async def fetch_all(
        self, files: Sequence[tuple[Wanted, Path]], *, progress: Callable[[str, int], None]
    ) -> None:
        """
        Fetch several files, as many at once as there are threads; the first failure stops all.

        Args:
            files: what, and where to.
            progress: told path and bytes, from the fetching threads.
        """
        tasks = [
            asyncio.create_task(
                self.fetch(wanted, target, progress=functools.partial(progress, wanted.path))
            )
            for wanted, target in files
        ]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            if tasks:
                await asyncio.wait(tasks)
