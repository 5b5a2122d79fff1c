"""One stream as it is read: how it begins, when it is asked for anew; for both halves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from google.protobuf.message import Message

from rkd_client.ask import StreamAsk
from rkd_client.boards import Way
from rkd_client.channel import Caller
from rkd_client.errors import NotFoundError, PreconditionError, UnavailableError
from rkd_client.follow import FollowAnswer
from rkd_client.line import Line, attempts_of
from rkd_client.reach import Reach, boards_of, reach_of
from rkd_client.spread import Round
from rkd_client.transport import in_the_middle
from rkd_client.values import value_of

if TYPE_CHECKING:
    from rkd_client.v1.types import Accepted, Finished

_ELSEWHERE = (PreconditionError, NotFoundError, UnavailableError)
"""What a board says that does not know an operation, or is not there."""


class Reading:
    """One stream being read over *line*; nothing is sent before it is."""

    def __init__(self, line: Line[Any], ask: StreamAsk[Any, Any], caller: Caller) -> None:
        self.ask, self.caller = ask, caller
        self.attempts, self.visit = attempts_of(ask, caller), Round()
        self.follow = ask.follow()
        self.begun = False
        self._line = line
        self._boards: list[str] = []
        self._call: Any = None
        self._way: Way[Any] | None = None

    async def begin(self) -> Any:
        """Ask for the stream, and return it as gRPC has it."""
        self._way = None
        self._way = await self._line.open(self.ask, self.caller, self.attempts, self.visit)
        self._call = self._line.start(self, self._way)
        return self._call

    async def learn(self, first: Message) -> None:
        """Take note that something came, and of the board that says so."""
        self.begun = True
        headers = await self._line.came(self._call.initial_metadata())
        self._line.trail.learn(self.ask, first, headers)

    def again_s(self, error: Exception) -> float:
        """
        Return how long to wait before the stream is asked for again after *error*.

        1. One that has begun is never asked for again.
        2. An operation nobody named a board for is asked after on each.
        3. What one board of several refuses is asked of the next.

        Raises:
            RkdError: what *error* means, when there is to be no other try.
        """
        line, way = self._line, self._way
        told = line.told(error, None if way is None else way.endpoint)
        if self.begun:
            raise in_the_middle(told) from error
        if reach_of(self.ask) is Reach.SEEK:
            self._boards = self._boards or [*boards_of(told)]
            if self._boards and isinstance(told, _ELSEWHERE):
                self.caller = self.caller.using(board=self._boards.pop(0))
                return 0.0
        if way is None:
            raise told from error
        return line.again_s(self.attempts, self.visit, way, told)

    @property
    def accepted(self) -> Accepted | None:
        """Of an answer: what was promised, once it has come."""
        seen = cast("FollowAnswer", self.follow).accepted
        return None if seen is None else cast("Accepted", value_of(seen))

    @property
    def finished(self) -> Finished | None:
        """Of an answer: how it ended, once it has."""
        seen = cast("FollowAnswer", self.follow).finished
        return None if seen is None else cast("Finished", value_of(seen))
