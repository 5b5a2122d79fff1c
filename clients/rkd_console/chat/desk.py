"""
The answers in the making of every visitor, and those that ended while nobody looked.

Held in memory, bounded, and forgotten: a page that is loaded again finds its answer here; what
nobody comes back for is stopped and let go.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from rkd_client.errors import ExhaustedError

from rkd_console.chat.running import Running

MAX_RUNNING = 64
MAX_RUNNING_EACH = 8
MAX_ENDED = 128
MAX_CHARACTERS = 32 << 20
"""Of all answers together; past it the oldest that ended are forgotten."""
ALONE_S = 600.0
"""So long an answer runs, or waits when it has ended, without a page of its owner."""


@dataclass(slots=True)
class _Place:
    owner: object
    conversation: str
    running: Running
    seen_s: float


class Desk:
    """
    Answers by owner, conversation and turn.

    An owner is whatever is the same for one who is signed in, and for nobody else.

    Args:
        now: seconds of a clock that never goes back.
        is_over: whether an owner has signed out.
    """

    def __init__(self, now: Callable[[], float], is_over: Callable[[object], bool]) -> None:
        self._now, self._is_over = now, is_over
        self._places: list[_Place] = []
        self._leaving: set[asyncio.Task[None]] = set()

    def begin(self, owner: object, conversation: str, running: Running) -> None:
        """
        Take *running* in and start it.

        Raises:
            ExhaustedError: CHAT_BUSY, too many answers are being made.
        """
        self.tidy()
        going = [one for one in self._places if not one.running.ended]
        own = sum(one.owner == owner for one in going)
        if len(going) >= MAX_RUNNING or own >= MAX_RUNNING_EACH:
            said = f"{own} answers of yours are being made, {len(going)} in all"
            raise ExhaustedError("CHAT_BUSY", said, remedy="stop one, or wait for one to end")
        self._places.append(_Place(owner, conversation, running, self._now()))
        running.begin()

    def of(self, owner: object, conversation: str) -> dict[str, Running]:
        """Return the answers of one conversation by their turns."""
        return {
            one.running.id: one.running
            for one in self._places
            if one.owner == owner and one.conversation == conversation
        }

    def working(self, owner: object) -> set[str]:
        """Return the conversations of *owner* in which an answer is being made."""
        return {
            one.conversation for one in self._places if one.owner == owner and not one.running.ended
        }

    def unseen(self, owner: object) -> list[tuple[str, Running]]:
        """Return what ended of *owner* and no page draws: conversation and answer."""
        return [
            (one.conversation, one.running)
            for one in self._places
            if one.owner == owner and one.running.ended and not one.running.listeners
        ]

    def touch(self, owner: object) -> None:
        """Know that *owner* has a page open: nothing of his is left alone."""
        for one in self._places:
            if one.owner == owner:
                one.seen_s = self._now()

    def drop(self, owner: object, conversation: str, turn: str) -> None:
        """Forget an answer that ended and is kept elsewhere."""
        self._places = [
            one
            for one in self._places
            if (one.owner, one.conversation, one.running.id) != (owner, conversation, turn)
            or not one.running.ended
        ]

    def tidy(self) -> None:
        """Stop and forget what nobody may or does look at any more, and what is too much."""
        now = self._now()
        for one in self._places:
            if one.running.listeners:
                one.seen_s = now
        for one in list(self._places):
            if now - one.seen_s > ALONE_S or self._is_over(one.owner):
                self._leave(one)
        for one in list(self._too_many()):
            self._leave(one)

    async def close(self) -> None:
        """Stop everything."""
        for one in list(self._places):
            self._leave(one)
        await asyncio.gather(*self._leaving)

    def _too_many(self) -> Iterator[_Place]:
        ended = [one for one in self._places if one.running.ended]
        held = sum(one.running.characters for one in self._places)
        for at, one in enumerate(ended):
            if len(ended) - at <= MAX_ENDED and held <= MAX_CHARACTERS:
                return
            held -= one.running.characters
            yield one

    def _leave(self, place: _Place) -> None:
        self._places.remove(place)
        task = asyncio.create_task(place.running.close(), name="chat answer left")
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)
