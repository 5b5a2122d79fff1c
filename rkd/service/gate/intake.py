"""
How many requests one caller may be sending at a time: what has come of them is held.

gRPC keeps what it has received of an unfinished message, up to the longest any call takes, and
only while the message is being read: so reading takes a turn.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from rkd.errors import ExhaustedError, Reason

MESSAGES_AT_ONCE: Final = 4
"""Messages one caller may be in the middle of; a short one has come before anybody notices."""

MESSAGE_S: Final = 60.0
"""A request that is not whole this long after its call began, turn and all, is refused."""

SILENCE_S: Final = 300.0
"""A stream whose next message has not come by then is ended: an upload goes on where it was."""

UPLOADS_AT_ONCE: Final = 8
"""Streams of messages one caller may have open."""


class Intake:
    """Turns and streams by caller; on the event loop's thread."""

    def __init__(self) -> None:
        self._turns: dict[str, asyncio.Semaphore] = {}
        self._wanted: Counter[str] = Counter()
        self._open: Counter[str] = Counter()

    @asynccontextmanager
    async def reading(self, identity: str) -> AsyncIterator[None]:
        """
        Hold a turn of *identity* while one message is read.

        Raises:
            ExhaustedError: QUEUE_FULL, after MESSAGE_S.
        """
        turns = self._turns.setdefault(identity, asyncio.Semaphore(MESSAGES_AT_ONCE))
        self._wanted[identity] += 1
        try:
            async with asyncio.timeout(MESSAGE_S), turns:
                yield
        except TimeoutError as error:
            raise _refusal(f"a request has not come whole within {MESSAGE_S:g} seconds") from error
        finally:
            self._wanted[identity] -= 1
            if not self._wanted[identity]:
                del self._wanted[identity], self._turns[identity]

    async def next_of(self, context: Any) -> Any:
        """
        Read the next message of a stream.

        Raises:
            ExhaustedError: QUEUE_FULL, after SILENCE_S.
        """
        try:
            async with asyncio.timeout(SILENCE_S):
                return await context.read()
        except TimeoutError as error:
            raise _refusal(f"nothing came for {SILENCE_S:g} seconds") from error

    @asynccontextmanager
    async def streaming(self, identity: str) -> AsyncIterator[None]:
        """
        Count a stream of messages of *identity*.

        Raises:
            ExhaustedError: QUEUE_FULL, at once.
        """
        if self._open[identity] >= UPLOADS_AT_ONCE:
            raise _refusal(f"{UPLOADS_AT_ONCE} streams of this caller are open already")
        self._open[identity] += 1
        try:
            yield
        finally:
            self._open[identity] -= 1
            if not self._open[identity]:
                del self._open[identity]


def _refusal(message: str) -> ExhaustedError:
    return ExhaustedError(
        Reason.QUEUE_FULL, message, remedy="Send fewer at a time.", retry_after_s=5
    )
