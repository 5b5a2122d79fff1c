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
from rkd_client.boards_aio import AsyncBoards
from rkd_client.channel import present
from rkd_client.errors import (
    DataLossError,
    InvalidInputError,
    PreconditionError,
    RkdError,
    UnavailableError,
)
from rkd_client.face import Face
from rkd_client.line import Half, Line
from rkd_client.passing import Passing, Stands
from rkd_client.reading import Reading
from rkd_client.upload import Hashed, Told
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
                async for message in await self.begin():
                    if not self.begun:
                        await self.learn(message)
                    self.follow.see(message)
                    yield message
            except (grpc.RpcError, PreconditionError, UnavailableError) as error:
                await asyncio.sleep(self.again_s(error))
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


class AsyncLink(Line["grpc.aio.Channel"]):
    """The channel to one daemon, or to each of several; of one event loop."""

    def __init__(self, where: Where) -> None:
        super().__init__(where)
        self._half = Half(grpc.aio, asyncio.sleep, asyncio.to_thread)
        self._lock = asyncio.Lock()
        self._boards = AsyncBoards(where) if where.several else None

    async def came(self, value: Any) -> Any:
        """Wait for *value*."""
        return await value

    async def sent(self, method: Any, pieces: Any, **given: Any) -> tuple[Any, Any]:
        """Send *pieces* by *method* and return the answer and its headers."""
        read = _in_thread(pieces) if isinstance(pieces, Iterator) else pieces
        call = method(read, **given)
        return present(await call), await call.initial_metadata()

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
        return await self.link.bring(file, told, self.caller)

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
