"""What the daemon tells, asked for once however many pages look."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any, Self

from rkd_client.errors import BeyondRangeError, UnauthenticatedError, UnavailableError
from rkd_client.v1.models import WatchResponse
from rkd_client.v1.operations import OperationServiceListResponse
from rkd_client.v1.pool import ListResidentResponse, Resident
from rkd_client.v1.system import GetStatusResponse
from rkd_console.feed import EVENTS, SAMPLES, Change, Feed


class FakeWatch:
    """A stream of events that stays open."""

    def __init__(self, board: FakeBoard, since: int) -> None:
        self._board, self._since = board, since

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._board.watching -= 1

    async def __aiter__(self) -> AsyncIterator[WatchResponse]:
        self._board.watching += 1
        if self._since < self._board.oldest:
            oldest = {"oldest": str(self._board.oldest)}
            raise BeyondRangeError("REVISION_COMPACTED", "not held", metadata=oldest)
        for revision in range(self._since, self._board.newest + 1):
            yield self._board.event(revision)
        while True:
            yield await self._board.coming.get()


class FakeBoard:
    """As much of `AsyncClient` as the feed uses, counted."""

    def __init__(self) -> None:
        self.is_gone = self.is_revoked = False
        self.statuses = self.lists = self.watching = 0
        self.oldest, self.newest = 1, 0
        self.coming: asyncio.Queue[WatchResponse] = asyncio.Queue()

    def event(self, revision: int, topic: str = "resident") -> WatchResponse:
        """One event."""
        return WatchResponse(revision=revision, time=datetime.now(UTC), topic=topic)

    def using(self, **_: Any) -> Self:
        """The same."""
        return self

    def watch(self, *, since: int) -> FakeWatch:
        """Events from *since* on."""
        return FakeWatch(self, since)

    async def status(self) -> GetStatusResponse:
        """How it is, when it is there."""
        self.statuses += 1
        if self.is_revoked:
            raise UnauthenticatedError("TOKEN_INVALID", "nobody has that token")
        if self.is_gone:
            raise UnavailableError("UNAVAILABLE", "gone")
        return GetStatusResponse(version=str(self.statuses))

    async def residents(self) -> ListResidentResponse:
        """What is in memory."""
        self.lists += 1
        return ListResidentResponse(residents=(Resident(model=f"m{self.lists}"),))

    async def operations(self) -> OperationServiceListResponse:
        """Nothing."""
        return OperationServiceListResponse()


class House:
    """A feed, and what it told."""

    def __init__(self) -> None:
        self.board = FakeBoard()
        self.feed = Feed(self.board)  # type: ignore[arg-type]
        self.told: list[Change] = []
        self._changed = asyncio.Event()

    def listen(self) -> Any:
        """Listen as a page does."""
        return self.feed.listen(self._take)

    def _take(self, change: Change) -> None:
        self.told.append(change)
        self._changed.set()

    async def until(self, fact: Any) -> None:
        """Wait until *fact* is true, looking at each change."""
        while not fact():
            self._changed.clear()
            await self._changed.wait()


async def test_nothing_is_asked_while_nobody_looks() -> None:
    """Not before the first page, not after the last."""
    house = House()
    assert house.board.statuses == 0
    leave = house.listen()
    await house.until(lambda: house.feed.status is not None)
    running = house.feed._running
    leave()
    assert running is not None
    await asyncio.gather(running, return_exceptions=True)
    assert running.cancelled()
    assert house.board.watching == 0


async def test_many_pages_ask_once() -> None:
    """One poll and one watch, whoever looks; each page is told."""
    house = House()
    leaves = [house.listen() for _ in range(20)]
    await house.until(lambda: house.told.count("status") >= 20 and house.board.watching)

    assert house.board.statuses == 1
    assert house.board.watching == 1
    for leave in leaves:
        leave()


async def test_it_says_gone_once_and_back_once() -> None:
    """And looks everything up anew."""
    house = House()
    house.board.is_gone = True
    leave = house.listen()
    await house.until(lambda: "gone" in house.told)
    assert house.feed.is_gone
    assert house.feed.trouble is not None
    house.board.is_gone = False
    await house.until(lambda: "models" in house.told)
    leave()

    assert (house.told.count("gone"), house.told.count("back")) == (1, 1)
    assert not house.feed.is_gone


async def test_who_is_let_in_no_more_is_told_to_sign_in() -> None:
    """That is not a daemon that is gone."""
    board, ended = FakeBoard(), asyncio.Event()
    board.is_revoked = True
    feed = Feed(board, refused=ended.set)  # type: ignore[arg-type]
    leave = feed.listen(lambda _: None)
    await ended.wait()
    leave()

    assert not feed.is_gone


async def test_a_thousand_changes_are_looked_up_together() -> None:
    """A load that tells of every step costs no call a step."""
    house = House()
    leave = house.listen()
    await house.until(lambda: "residents" in house.told)
    before = house.board.lists
    for revision in range(1, 1_001):
        house.board.coming.put_nowait(house.board.event(revision))
    await house.until(lambda: house.told.count("event") == 1_000)
    await house.until(lambda: house.board.lists > before)
    leave()

    assert house.board.lists <= before + 2


async def test_the_log_begins_with_what_is_held_and_has_an_end() -> None:
    """What is older than the daemon holds is not asked for again; what is kept is bounded."""
    house = House()
    house.board.oldest, house.board.newest = 500, 5_000
    leave = house.listen()
    await house.until(lambda: house.told.count("event") == 4_501)
    leave()

    assert len(house.feed.events) == EVENTS
    assert house.feed.events[-1].revision == 5_000
    assert house.feed.samples.maxlen == SAMPLES
