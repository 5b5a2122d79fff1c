"""Shows answers in the making on one page, as fast as its browser draws and no faster."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import Any, Protocol

from rkd_console.chat import drawing
from rkd_console.chat.running import Running

LEAST_PAUSE_S = 0.08
"""Between two steps: people read no faster, and the board has better to do."""
SHARE = 4
"""Drawing takes at most one part in so many of the time."""
KEEP_EVERY_S = 3.0
KEEP_CHARACTERS_A_SECOND = 100_000
"""A long answer is handed to the browser less often while it grows."""


class Grows(Protocol):
    """The part of a screen that a follower needs."""

    async def grow(self, step: dict[str, Any]) -> bool:
        """Draw what is new of an answer; False when the browser does not say that it did."""


class Settles(Protocol):
    """What becomes of an answer as it grows, and at its end."""

    def __call__(self, at: int, running: Running, *, ended: bool) -> Awaitable[None]:
        """Keep it."""


@dataclass(slots=True)
class _Followed:
    lane: int
    running: Running
    cursor: drawing.Cursor = field(default_factory=drawing.Cursor)
    kept_s: float = field(default_factory=time.monotonic)


class Follower:
    """
    Draws the answers it follows until they end.

    Args:
        screen: where.
        say: texts.
        settle: called now and then, and at the end.
    """

    def __init__(self, screen: Grows, say: drawing.Say, settle: Settles) -> None:
        self._screen, self._say, self._settle = screen, say, settle
        self._followed: dict[str, _Followed] = {}
        self._news = asyncio.Event()
        self._closed = False

    def follow(self, lane: int, running: Running) -> None:
        """Draw *running* from its beginning on."""
        if self._closed:
            return
        self._followed[running.id] = _Followed(lane, running)
        running.listeners.add(self._news.set)
        self._news.set()

    def anew(self) -> None:
        """Draw everything from its beginning: the page is empty again."""
        for one in self._followed.values():
            one.cursor = drawing.Cursor()
        self._news.set()

    def close(self) -> None:
        """Follow nothing any more, for ever: the page is gone."""
        self._closed = True
        self.leave()

    def leave(self) -> None:
        """Follow none of those of now."""
        for one in self._followed.values():
            one.running.listeners.discard(self._news.set)
        self._followed.clear()

    async def draw(self) -> None:
        """Draw for as long as the page is there."""
        while True:
            await self._news.wait()
            self._news.clear()
            began_s = time.monotonic()
            for one in list(self._followed.values()):
                await self._step(one)
            spent_s = time.monotonic() - began_s
            await asyncio.sleep(max(LEAST_PAUSE_S, (SHARE - 1) * spent_s))

    async def _step(self, one: _Followed) -> None:
        cursor, running = one.cursor, one.running
        step = cursor.step(running)
        ended = step.turn.state != "running"
        drawn = await asyncio.to_thread(drawing.step, step, one.lane, self._say)
        if not await self._screen.grow(drawn):
            # Nobody knows what the page shows: it is drawn from the beginning.
            one.cursor = drawing.Cursor()
            self._news.set()
            return
        if one.cursor is not cursor:
            return
        if step.more:
            self._news.set()
        elif ended:
            self._leave(one)
            await self._settle(one.lane, running, ended=True)
        else:
            await self._keep(one)

    async def _keep(self, one: _Followed) -> None:
        wait_s = max(KEEP_EVERY_S, one.running.characters / KEEP_CHARACTERS_A_SECOND)
        if time.monotonic() - one.kept_s > wait_s:
            one.kept_s = time.monotonic()
            await self._settle(one.lane, one.running, ended=False)

    def _leave(self, one: _Followed) -> None:
        if self._followed.get(one.running.id) is one:
            del self._followed[one.running.id]
            one.running.listeners.discard(self._news.set)
