"""The client library for asyncio: what `rkd_client.sync` is, awaited."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, Self, TypeVar, cast

import grpc
import grpc.aio
from google.protobuf.message import Message

from rkd.v1 import models_pb2 as pb
from rkd_client.ask import Ask, StreamAsk
from rkd_client.boards import Way
from rkd_client.boards_aio import AsyncBoards
from rkd_client.channel import OPTIONS, Caller, codecs, credentials, is_secure, present
from rkd_client.endpoint import choose
from rkd_client.errors import (
    DataLossError,
    InvalidInputError,
    PreconditionError,
    RkdError,
    UnavailableError,
)
from rkd_client.face import Face, Line, Reading, attempts_of
from rkd_client.joined import Joined
from rkd_client.passing import Passing, Stands
from rkd_client.reach import Reach, boards_of, reach_of, service_of
from rkd_client.retry import Attempts
from rkd_client.spread import Round
from rkd_client.upload import Came, Hashed, Pause, Told, ask_of, digest_of, journey, requests
from rkd_client.values import value_of
from rkd_client.where import Where

if TYPE_CHECKING:
    from rkd_client.v1.types import Delta

P = ParamSpec("P")
Answered = TypeVar("Answered", bound=Message)
Value = TypeVar("Value")


class AsyncStream(Reading, Generic[Answered, Value]):
    """
    The values of a stream as they come; leaving the `async with` block, or `close`, cancels it.

    Nothing is sent before it is read. What reads it leaves early, or is cancelled: so is the call.

    Raises:
        RkdError: from the iteration, whatever the daemon or the connection says.
    """

    def __init__(self, link: AsyncLink, ask: StreamAsk[Answered, Value], caller: Caller) -> None:
        super().__init__(ask, caller)
        self._link = link
        self._call: Any = None
        self._way: Way[grpc.aio.Channel] | None = None

    def __aiter__(self) -> AsyncIterator[Value]:
        return cast("AsyncIterator[Value]", self.events())

    async def events(self) -> AsyncIterator[Any]:
        """Yield everything that comes; of an answer also what happens beside its pieces."""
        async for message in self.messages():
            value = self.follow.value(message)
            if value is not None:
                yield value

    async def messages(self) -> AsyncIterator[Answered]:
        """Yield everything that comes as messages of the protos."""
        while True:
            try:
                self._way = None
                self._way = await self._link.open(self.ask, self.caller, self.attempts, self.visit)
                self._call = self._link.start(self, self._way)
                async for message in self._call:
                    if not self.begun:
                        self.begun = True
                        headers = await self._call.initial_metadata()
                        self._link.trail.learn(self.ask, message, headers)
                    self.follow.see(message)
                    yield message
            except (grpc.RpcError, PreconditionError, UnavailableError) as error:
                await asyncio.sleep(self.again_s(self._link, self._way, error))
            else:
                self.follow.end()
                return
            finally:
                await self.close()

    async def result(self) -> Value:
        """
        Read to the end and return the last value.

        Raises:
            UnavailableError: there was none.
        """
        last = None
        async for value in self:
            last = value
        return present(last)

    async def close(self) -> None:
        """Cancel the call, if it has begun and not ended."""
        if self._way is not None:
            self._way.left()
        if self._call is not None:
            self._call.cancel()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


class AsyncAnswer(AsyncStream[Answered, "Delta"]):
    """An answer: iterated, its pieces; `events()` yields `Accepted`, `Loading` … as well."""

    def __aiter__(self) -> AsyncIterator[Delta]:
        return self._pieces()

    async def _pieces(self) -> AsyncIterator[Delta]:
        async for message in self.messages():
            if message.WhichOneof("event") == "delta":
                yield value_of(message.delta)  # type: ignore[attr-defined]

    async def text(self) -> str:
        """Read to the end and return the whole text."""
        return "".join([piece.text async for piece in self])


class AsyncLink(Line):
    """The channel to one daemon, or to each of several; of one event loop."""

    def __init__(self, where: Where) -> None:
        super().__init__(where)
        self._lock = asyncio.Lock()
        self._channel: grpc.aio.Channel | None = None
        self._boards = AsyncBoards(where) if where.several else None

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
            method = way.channel.unary_unary(ask.path, *codecs(ask))
            pairs = self.pairs(ask, caller, way.endpoint)
            try:
                answer = await method(ask.request, timeout=attempts.left_s(), metadata=pairs)
                return present(answer)
            except (grpc.RpcError, UnavailableError) as error:
                await asyncio.sleep(self.again_s(attempts, visit, way, error))
            finally:
                way.left()

    def start(self, reading: Reading, way: Way[grpc.aio.Channel]) -> Any:
        """Begin a stream."""
        ask = reading.ask
        method = way.channel.unary_stream(ask.path, *codecs(ask))
        pairs = self.pairs(ask, reading.caller, way.endpoint)
        return method(ask.request, timeout=reading.attempts.left_s(), metadata=pairs)

    async def send(
        self, ask: Ask[Answered, Any], pieces: AsyncIterator[Message], caller: Caller
    ) -> Answered | RkdError:
        """Send *pieces* once, and return what came of it."""
        way = await self.open(ask, caller, attempts_of(ask, caller), Round())
        method = way.channel.stream_unary(ask.path, *codecs(ask))
        bound_s, pairs = caller.timeout_s or ask.bound_s, self.pairs(ask, caller, way.endpoint)
        try:
            call = method(pieces, timeout=bound_s, metadata=pairs)
            came = present(await call)
            self.trail.learn(ask, came, await call.initial_metadata())
        except grpc.RpcError as error:
            return self.told(error, way.endpoint)
        finally:
            way.left()
        return came

    async def open(
        self, ask: Ask[Any, Any], caller: Caller, attempts: Attempts, visit: Round
    ) -> Way[grpc.aio.Channel]:
        """Return the way *ask* takes now, as `Link.open` does."""
        if self._boards is None:
            return Way(await self._opened(), self.endpoint)
        at = self.place(ask, caller)
        well = reach_of(ask) in {Reach.ALL, Reach.SEEK}
        way = None if at is None else await self._boards.at(at, well=well)
        while way is None:
            way = await self._boards.pick(service_of(ask), visit)
            if way is None:
                await asyncio.sleep(self.pause_s(attempts, visit.telling(), begun=False))
        self.endpoint = way.endpoint
        return way

    async def _opened(self) -> grpc.aio.Channel:
        async with self._lock:
            if self._channel is None:
                self.endpoint = chosen = await asyncio.to_thread(choose, self.where.endpoints)
                if is_secure(self.where, chosen):
                    trusted = await asyncio.to_thread(credentials, self.where)
                    self._channel = grpc.aio.secure_channel(chosen.target, trusted, OPTIONS)
                else:
                    self._channel = grpc.aio.insecure_channel(chosen.target, OPTIONS)
            return self._channel

    async def close(self) -> None:
        """Close every channel; calls still open are cancelled."""
        if self._boards is not None:
            await self._boards.close()
        async with self._lock:
            if self._channel is not None:
                await self._channel.close()
                self._channel = None


async def _once(message: Message) -> AsyncIterator[Message]:
    yield message


async def _in_thread(pieces: Iterator[Message]) -> AsyncIterator[Message]:
    while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
        yield piece


class AsyncClient(Face):
    """Calls to one daemon, each a method named after its verb; arguments as `Face` says."""

    link: AsyncLink
    _line = AsyncLink

    async def call(self, ask: Ask[Answered, Any]) -> Answered:
        """Return the message that answers *ask*, every page of it."""
        return await self.link.call(ask, self.caller)

    async def value(self, ask: Ask[Any, Value]) -> Value:
        """Return the dataclass that answers *ask*."""
        return cast("Value", value_of(await self.call(ask)))

    def stream(self, ask: StreamAsk[Answered, Value]) -> AsyncStream[Answered, Value]:
        """Return the stream that answers *ask*."""
        return AsyncStream(self.link, ask, self.caller)

    def answer(self, ask: StreamAsk[Answered, Any]) -> AsyncAnswer[Answered]:
        """Return the answer in pieces to *ask*."""
        return AsyncAnswer(self.link, ask, self.caller)

    async def upload(self, file: str | Path | Hashed, told: Told = lambda *_: None) -> str:
        """Bring *file* to the board, as `Client.upload` does; *told* is called in threads."""
        one = file
        if not isinstance(one, Hashed):
            one = await asyncio.to_thread(digest_of, Path(one), told)
        steps, came = journey(one), cast("Came", None)
        while True:
            try:
                step = steps.send(came)
            except StopIteration:
                return one.digest
            came = None
            if isinstance(step, Pause):
                await asyncio.sleep(step.pause_s)
            else:
                pieces = _in_thread(requests(one, step, told))
                came = await self.link.send(ask_of(one, step), pieces, self.caller)

    async def holds(self, digest: str) -> bool:
        """Tell whether the board holds the file of *digest*, whole."""
        return (await self.stands(digest)).complete

    async def stands(self, digest: str) -> Stands:
        """Tell how much of the file of *digest* the board holds."""
        held = await self._stands(digest)
        return Stands(held.committed_bytes, held.complete)

    async def send(
        self,
        digest: str,
        pieces: AsyncIterator[bytes],
        size_bytes: int | None = None,
        *,
        offset_bytes: int = 0,
    ) -> None:
        """
        Bring the file that *pieces* are to the board, once, as it comes.

        Args:
            digest: `sha256:<hex>` of it.
            pieces: all of it from *offset_bytes* on; what the board holds already is read and not
                sent.
            size_bytes: of all of it; None where that is not known before the end.
            offset_bytes: where *pieces* begin, at most what the board holds.

        Raises:
            RkdError: the board refuses it, or it is not what *digest* says; UPLOAD_OFFSET, bytes
                are missing between what it holds and *pieces*.
        """
        held = await self._stands(digest)
        if held.complete:
            return
        if held.committed_bytes < offset_bytes:
            said = (
                f"the board holds {held.committed_bytes} bytes, and these begin at {offset_bytes}"
            )
            raise InvalidInputError("UPLOAD_OFFSET", said)
        passing = Passing(digest, held.committed_bytes, size_bytes)
        source = aiter(passing.left(pieces, offset_bytes))
        while not passing.ended:
            came = await self.link.send(passing.ask(), passing.requests(source), self.caller)
            if isinstance(came, RkdError):
                raise came
            held = came
        if not held.complete:
            raise DataLossError("DIGEST_MISMATCH", f"the file of {digest} did not come whole")

    async def _stands(self, digest: str) -> pb.UploadResponse:
        asking = Passing(digest, 0, 1)
        came = await self.link.send(asking.ask(), _once(asking.first()), self.caller)
        if isinstance(came, RkdError):
            raise came
        return came

    async def close(self) -> None:
        """Close the channel; calls still open are cancelled."""
        await self.link.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
