"""
How a call reaches a daemon, or the right ones of several boards: once, for both halves.

The coroutines here wait for nothing themselves. What they wait for is each half's own: the one
for asyncio awaits it; the other blocks, so that its coroutines come to their end in one go, which
`through` lets them do. No half is imported, and neither is asyncio.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from google.protobuf.message import Message

from rkd_client.ask import Ask
from rkd_client.boards import Way
from rkd_client.channel import OPTIONS, Caller, codecs, credentials, is_secure, present
from rkd_client.endpoint import Endpoint, choose
from rkd_client.errors import (
    InvalidInputError,
    PreconditionError,
    RkdError,
    UnavailableError,
)
from rkd_client.grpc_sync import grpc
from rkd_client.joined import Joined
from rkd_client.reach import Reach, board_needed, boards_of, reach_of, service_of
from rkd_client.retry import Attempts
from rkd_client.spread import Round
from rkd_client.status import Failed, error_of
from rkd_client.trail import Trail
from rkd_client.upload import Came, Hashed, Pause, Told, ask_of, digest_of, journey, requests
from rkd_client.where import Where

if TYPE_CHECKING:
    from rkd_client.reading import Reading

Answered = TypeVar("Answered", bound=Message)
Value = TypeVar("Value")
Channel = TypeVar("Channel")


def through(work: Coroutine[Any, Any, Value]) -> Value:
    """Return what *work* does, which blocks where it waits."""
    try:
        work.send(None)
    except StopIteration as ended:
        return cast("Value", ended.value)
    work.close()
    raise RuntimeError("something waited for an event loop where there is none")


def attempts_of(ask: Ask[Any, Any], caller: Caller) -> Attempts:
    """Return the tries of a call."""
    return Attempts(ask.repeatable, caller.timeout_s or ask.bound_s, time.monotonic)


@dataclass(frozen=True, slots=True)
class Half:
    """
    What one half of the library brings along; of what it does `Line.came` says when it is done.

    Args:
        rpc: the module whose channels are used.
        sleep: waits for so many seconds.
        aside: does what blocks where nobody minds.
    """

    rpc: Any
    sleep: Callable[[float], Any]
    aside: Callable[[Callable[[], Any]], Any]


class Line(Generic[Channel]):
    """
    The way to one daemon, found at the first call, or to several boards.

    `missed` holds the boards that were passed over when all were asked, with why.
    """

    _half: Half
    _lock: AbstractAsyncContextManager[object]
    _boards: Any
    """Channels to several boards; None for one daemon."""

    def __init__(self, where: Where) -> None:
        self.where = where
        self.endpoint = where.endpoints[0]
        self.missed: list[tuple[str, RkdError]] = []
        self.trail = Trail()
        self._channel: Channel | None = None

    async def came(self, value: Any) -> Any:
        """Return what a half's own way of waiting has brought."""
        raise NotImplementedError

    async def sent(self, method: Any, pieces: Any, **given: Any) -> tuple[Any, Any]:
        """Send *pieces* by *method* and return the answer and its headers."""
        raise NotImplementedError

    async def call(self, ask: Ask[Answered, Any], caller: Caller) -> Answered:
        """Return what answers *ask*, every page of it, of every board it is about."""
        self.missed = []
        try:
            return await self._whole(ask, caller)
        except PreconditionError as error:
            boards, reach = boards_of(error), reach_of(ask)
            if not boards or reach is Reach.ONE:
                raise
        joined = Joined[Answered](reach)
        for board in boards:
            came: Answered | RkdError
            try:
                came = await self._whole(ask, caller.using(board=board))
            except RkdError as error:
                came = error
            if joined.take(board, came):
                break
        self.missed = joined.missed
        return joined.answer()

    async def _whole(self, ask: Ask[Answered, Any], caller: Caller) -> Answered:
        whole = page = await self._once(ask, caller)
        while (more := ask.after(page)) is not None:
            page = await self._once(more, caller)
            whole.MergeFrom(page)
        if ask.paged:
            whole.ClearField("next_page_token")
        return whole

    async def _once(self, ask: Ask[Answered, Any], caller: Caller) -> Answered:
        """Ask once, or again where that is safe, and return the message that comes back."""
        attempts, visit = attempts_of(ask, caller), Round()
        while True:
            way = await self.open(ask, caller, attempts, visit)
            method = cast("Any", way.channel).unary_unary(ask.path, *codecs(ask))
            pairs = self.pairs(ask, caller, way.endpoint)
            try:
                call = method(ask.request, timeout=attempts.left_s(), metadata=pairs)
                return cast("Answered", present(await self.came(call)))
            except (grpc.RpcError, UnavailableError) as error:
                await self.came(self._half.sleep(self.again_s(attempts, visit, way, error)))
            finally:
                way.left()

    def start(self, reading: Reading, way: Way[Channel]) -> Any:
        """Begin a stream."""
        ask = reading.ask
        method = cast("Any", way.channel).unary_stream(ask.path, *codecs(ask))
        pairs = self.pairs(ask, reading.caller, way.endpoint)
        return method(ask.request, timeout=reading.attempts.left_s(), metadata=pairs)

    async def send(
        self,
        ask: Ask[Answered, Any],
        pieces: Iterator[Message] | AsyncIterator[Message],
        caller: Caller,
    ) -> Answered | RkdError:
        """Send *pieces* one after the other, once, and return what came of it."""
        way = await self.open(ask, caller, attempts_of(ask, caller), Round())
        method = cast("Any", way.channel).stream_unary(ask.path, *codecs(ask))
        bound_s, pairs = caller.timeout_s or ask.bound_s, self.pairs(ask, caller, way.endpoint)
        try:
            came, headers = await self.sent(method, pieces, timeout=bound_s, metadata=pairs)
            self.trail.learn(ask, present(came), headers)
        except grpc.RpcError as error:
            return self.told(error, way.endpoint)
        finally:
            way.left()
        return cast("Answered", came)

    async def bring(self, file: str | Path | Hashed, told: Told, caller: Caller) -> str:
        """Bring *file* to the board where it lacks it and return its digest."""
        one = file
        if not isinstance(one, Hashed):
            hashing = self._half.aside(partial(digest_of, Path(one), told))
            one = cast("Hashed", await self.came(hashing))
        steps, came = journey(one), cast("Came", None)
        while True:
            try:
                step = steps.send(came)
            except StopIteration:
                return one.digest
            came = None
            if isinstance(step, Pause):
                await self.came(self._half.sleep(step.pause_s))
            else:
                came = await self.send(ask_of(one, step), requests(one, step, told), caller)

    async def open(
        self, ask: Ask[Any, Any], caller: Caller, attempts: Attempts, visit: Round
    ) -> Way[Channel]:
        """
        Return the way *ask* takes now; its `left` is to be called when it has ended.

        Raises:
            RkdError: nobody is there, all have refused, or a board has to be named.
        """
        if self._boards is None:
            return Way(await self._opened(), self.endpoint)
        at = self.place(ask, caller)
        well = reach_of(ask) in {Reach.ALL, Reach.SEEK}
        way = None if at is None else await self.came(self._boards.at(at, well=well))
        while way is None:
            way = await self.came(self._boards.pick(service_of(ask), visit))
            if way is None:
                pause_s = self.pause_s(attempts, visit.telling(), begun=False)
                await self.came(self._half.sleep(pause_s))
        self.endpoint = way.endpoint
        return cast("Way[Channel]", way)

    async def _opened(self) -> Channel:
        async with self._lock:
            if self._channel is None:
                found = self._half.aside(partial(choose, self.where.endpoints))
                self.endpoint = chosen = await self.came(found)
                if is_secure(self.where, chosen):
                    trusted = await self.came(self._half.aside(partial(credentials, self.where)))
                    self._channel = self._half.rpc.secure_channel(chosen.target, trusted, OPTIONS)
                else:
                    self._channel = self._half.rpc.insecure_channel(chosen.target, OPTIONS)
            return cast("Channel", self._channel)

    def place(self, ask: Ask[Any, Any], caller: Caller) -> int | None:
        """
        Return which endpoint of the list *ask* is for; None where any will do.

        Raises:
            PreconditionError: BOARD_NEEDED.
            InvalidInputError: INVALID_ENDPOINT, the board named is not in the list.
        """
        names = [str(one) for one in self.where.endpoints]
        if not caller.board:
            if reach_of(ask) is not Reach.ANY:
                raise board_needed(ask, names)
            return None
        for at, one in enumerate(self.where.endpoints):
            if caller.board in {names[at], one.target, one.board}:
                return at
        said = f"{caller.board!r} is none of {', '.join(names)}"
        raise InvalidInputError("INVALID_ENDPOINT", said, remedy="name one of these")

    def pairs(
        self, ask: Ask[Any, Any], caller: Caller, chosen: Endpoint
    ) -> tuple[tuple[str, str], ...]:
        """Return the metadata of *ask* on its way to *chosen*."""
        if self.where.several:
            return caller.pairs(ask.model, chosen.board)
        board = caller.board or chosen.board or self.trail.board_for(ask)
        return caller.pairs(ask.model, board)

    def again_s(
        self, attempts: Attempts, visit: Round, way: Way[Any] | None, error: Exception
    ) -> float:
        """
        Return how long to wait before *error* of a call of which nothing came is tried again.

        Raises:
            RkdError: what it means, when there is to be no other try.
        """
        told = self.told(error, None if way is None else way.endpoint)
        if way is not None and way.at is not None and visit.refused(way.at, told):
            if len(visit.avoid) < len(self.where.endpoints):
                return 0.0
            told = visit.telling()
        return self.pause_s(attempts, told, begun=False)

    def pause_s(self, attempts: Attempts, error: Exception, *, begun: bool) -> float:
        """
        Return how long to wait before the next try after *error*.

        Raises:
            RkdError: what *error* means, when there is to be none.
        """
        told = self.told(error)
        pause_s = attempts.pause_s(told, begun=begun)
        if pause_s is None:
            raise attempts.telling(told) from error
        return pause_s

    def told(self, error: Exception, at: Endpoint | None = None) -> RkdError:
        """Say what *error* of a call to *at* means."""
        if isinstance(error, RkdError):
            return error
        asked = at or self.endpoint
        return error_of(cast("Failed", error), str(asked), secure=is_secure(self.where, asked))
