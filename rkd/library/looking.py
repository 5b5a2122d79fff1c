"""
When the disk is looked at: at the start, when something happened, and when somebody asks.

One look at a time; a look is short, and what it has no time for is due in the next, so that
whoever waits for one model never waits for all of them. Lives on the event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import structlog

from rkd.errors import RkdError
from rkd.events import Publish
from rkd.library import changes
from rkd.library.arrival import CLOSED_QUIET_S, QUIET_S
from rkd.library.disk import Disk
from rkd.library.layout import Cause
from rkd.library.migrate import MigrationOutcome
from rkd.library.news import News
from rkd.library.snapshot import Snapshot
from rkd.library.stint import REST_ROUNDS, START_FOLDERS, START_S, STEP_S, Stint
from rkd.library.threads import Threads

_log = structlog.get_logger(__name__)
_T = TypeVar("_T")

Touch = Callable[[], frozenset[str] | None]
"""Asked when the look begins: which entries may have changed; None when any may have."""

_PASSING = frozenset({Cause.INCOMING, Cause.HIDDEN})
"""Why a file is left that somebody is still bringing: no news for the log."""

DEBOUNCE_S = 0.1
"""Events of one copy come in crowds; this long they are collected before the disk is looked at."""


class Looking:
    """
    Keeps a snapshot of one models folder true.

    Args:
        root: the models folder.
        disk: looks at it.
        threads: in which it does so.
        publish: where changes are announced.
    """

    def __init__(self, root: Path, disk: Disk, threads: Threads, publish: Publish) -> None:
        self._root = root
        self._disk = disk
        self._threads = threads
        self._publish = publish
        self.snapshot = Snapshot()
        """What the last look at the disk found."""
        self.news = News()
        self.reading = False
        """There are folders nobody has looked at since the start."""
        self._read = asyncio.Event()
        self._one = asyncio.Lock()
        self._round_s: float | None = None
        self._rest_until_s = 0.0
        self._began_s = 0.0
        self._follower: asyncio.Task[None] | None = None
        self._looks: set[asyncio.Task[Any]] = set()
        self._trouble = ""

    async def start(self) -> None:
        """Look at the first models, wait for files that were closed just now, and follow."""
        self._began_s, self.reading = time.monotonic(), True
        await self._look(lambda: None, Stint(START_FOLDERS, START_S))
        await self.settle()
        self._follower = asyncio.create_task(self._follow(), name="rkd-library-follow")

    async def close(self) -> None:
        """Stop following."""
        for task in (self._follower, *self._looks):
            if task is not None:
                task.cancel()
                await asyncio.wait({task})

    @property
    def behind(self) -> bool:
        """Whether there is something to look at, but for the first reading since the start."""
        due = bool(self.snapshot.due) and not self.reading
        return bool(self.news) or due or self._in_doubt()

    @property
    def busy(self) -> bool:
        """Whether a look is under way."""
        return bool(self._looks)

    async def refresh(self, touched: frozenset[str] | None) -> MigrationOutcome:
        """Look at *touched* now, or at every folder; see `Library.refresh`."""
        if touched is not None:
            return await self._look(lambda: touched, Stint(len(touched)))
        outcome = await self._look(lambda: None, Stint(bound_s=STEP_S))
        while self.snapshot.due:
            more = await self.step()
            outcome = replace(more, moved=outcome.moved + more.moved)
        return outcome

    async def step(self) -> MigrationOutcome:
        """Look at what was told of, and go on with what is due, for STEP_S."""
        return await self._look(self._told, Stint(bound_s=STEP_S))

    async def catch_up(self) -> None:
        """Look at everything that was told of."""
        await self.step()
        while self.behind:
            await self.step()

    async def wait_read(self, bound_s: float) -> None:
        """Wait until every folder was looked at once since the start, *bound_s* at most."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._read.wait(), bound_s)

    async def settle(self) -> None:
        """Wait for files that were closed a moment ago; twice at most, others arrive meanwhile."""
        for _ in range(2):
            wait_s = self.snapshot.recheck_s
            if wait_s is None or wait_s > CLOSED_QUIET_S:
                return
            await asyncio.sleep(wait_s)
            await self.step()

    async def within(self, bound_s: float) -> None:
        """Catch up, but wait for it no longer than *bound_s*; what fails is logged."""
        await asyncio.wait({self._owned(self.catch_up(), "rkd-library-catch-up")}, timeout=bound_s)

    async def _look(self, touch: Touch, stint: Stint) -> MigrationOutcome:
        """Look once, to the end even when nobody waits any more: what was told is taken then."""
        return await asyncio.shield(self._owned(self._looked(touch, stint), "rkd-library-look"))

    async def _looked(self, touch: Touch, stint: Stint) -> MigrationOutcome:
        async with self._one:  # two at once would each start from what was before both
            touched, closed = touch(), self.news.take_closed()
            if touched is None:
                self.news.doubt, self._round_s = False, time.monotonic()
                self.news.take_names()
            try:
                outcome, after = await self._threads.on_disk(
                    self._disk.survey, self.snapshot, touched, closed, stint
                )
            except BaseException:  # what was to be looked at has not been
                self.news.add(None, closed)
                raise
            self._take(outcome, after)
            return outcome

    def _take(self, outcome: MigrationOutcome, after: Snapshot) -> None:
        """Let *after* be what everybody sees, and tell what is new in it."""
        before, self.snapshot = self.snapshot, after
        for move in outcome.moved:
            _log.info("library.migrated", source=move.name, folder=move.folder)
            self._publish(changes.migrated(move))
        for event in () if after is before else changes.between(before, after):
            self._publish(event)
        for left in sorted(set(after.left) - set(before.left), key=lambda one: one.name):
            level = logging.DEBUG if left.cause in _PASSING else logging.WARNING
            cause = str(left.cause)
            _log.log(level, "library.left_alone", name=left.name, cause=cause, why=left.text)
        if after.due:
            self.news.woken.set()
        else:
            self._all_looked_at()

    def _all_looked_at(self) -> None:
        now_s = time.monotonic()
        if self._round_s is not None:
            took_s, self._round_s = now_s - self._round_s, None
            if took_s > STEP_S:
                self._rest_until_s = now_s + REST_ROUNDS * took_s
        if self.reading and self._follower is not None:  # the start did not get to the end
            took_ms = round((now_s - self._began_s) * 1000)
            _log.info("library.read", models=len(self.snapshot.by_key), took_ms=took_ms)
        # After whoever is woken by its last events: they tell of nothing new.
        asyncio.get_running_loop().call_soon(self._all_read)

    def _all_read(self) -> None:
        self.reading = False
        self._read.set()

    def _told(self) -> frozenset[str] | None:
        """Hand out what was told of; doubt waits until the last round is over."""
        return None if self._in_doubt() and not self.snapshot.due else self.news.take_names()

    def _in_doubt(self) -> bool:
        return self.news.doubt and time.monotonic() >= self._rest_until_s

    async def _follow(self) -> None:
        """Look at the disk whenever something happened there, or an incoming file may be whole."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._wait_s()):
                    await self.news.woken.wait()
            if not self.snapshot.due:
                await asyncio.sleep(DEBOUNCE_S)
            self.news.woken.clear()
            try:
                await self.step()
            except Exception as error:  # noqa: BLE001 - whoever follows goes on following
                self._failed(error)
                await asyncio.sleep(QUIET_S)

    def _wait_s(self) -> float | None:
        """Say when to look without being told; None when only an event can tell."""
        seen = self.snapshot
        if seen.due or not seen.whole:
            return 0.0
        waits = [seen.recheck_s or (QUIET_S if seen.incoming else None)]
        if self.news.doubt:
            waits.append(max(0.0, self._rest_until_s - time.monotonic()))
        return min((one for one in waits if one is not None), default=None)

    def _owned(self, work: Coroutine[None, None, _T], name: str) -> asyncio.Task[_T]:
        task = asyncio.create_task(work, name=name)
        self._looks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, look: asyncio.Task[Any]) -> None:
        """Take note of a look that somebody asked for and nobody may be waiting for any more."""
        self._looks.discard(look)
        error = None if look.cancelled() else look.exception()
        if error is not None:
            self._failed(error)

    def _failed(self, error: BaseException) -> None:
        """Say once that the folder cannot be looked at; what was known is told meanwhile."""
        trouble = str(error)
        if trouble == self._trouble:
            return
        self._trouble = trouble
        if isinstance(error, RkdError):
            _log.error("library.unreadable", folder=str(self._root), why=error.message)
        else:
            _log.error("library.defect", exc_info=error)
