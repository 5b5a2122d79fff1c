"""The client library for programs without asyncio."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, Self, TypeVar, cast

from google.protobuf.message import Message

from rkd_client.ask import Ask, StreamAsk
from rkd_client.boards import Boards
from rkd_client.channel import present
from rkd_client.errors import PreconditionError, UnavailableError
from rkd_client.face import Face
from rkd_client.grpc_sync import grpc
from rkd_client.line import Half, Line, through
from rkd_client.reading import Reading
from rkd_client.upload import Hashed, Told
from rkd_client.values import value_of
from rkd_client.where import Where

if TYPE_CHECKING:
    from rkd_client.v1.types import Delta

P = ParamSpec("P")
Answered = TypeVar("Answered", bound=Message)
Value = TypeVar("Value")


ASIDE_S = 1.0
"""For so long a call that was interrupted is awaited; what it holds ends with the process."""


def interrupted() -> bool:
    """
    Tell whether a Ctrl-C is on its way up.

    Python raises it wherever it is, also between gRPC's taking a lock and its giving it back: what
    needs that lock, cancelling and closing above all, would never return. Seen under load: a
    `watch` that was interrupted and stayed.
    """
    return isinstance(sys.exc_info()[1], KeyboardInterrupt)


def aside(work: Callable[[], object]) -> None:
    """Do *work* in a thread of its own, and wait only a moment for it."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(ASIDE_S)


class Stream(Reading, Generic[Answered, Value]):
    """
    The values of a stream as they come; leaving the `with` block, or `close`, cancels the call.

    Nothing is sent before it is read.

    Raises:
        RkdError: from the iteration, whatever the daemon or the connection says.
    """

    def __iter__(self) -> Iterator[Value]:
        return cast("Iterator[Value]", self.events())

    def events(self) -> Iterator[Any]:
        """Yield everything that comes; of an answer also what happens beside its pieces."""
        for message in self.messages():
            value = self.follow.value(message)
            if value is not None:
                yield value

    def messages(self) -> Iterator[Answered]:
        """Yield everything that comes as messages of the protos."""
        while True:
            try:
                for message in through(self.begin()):
                    if not self.begun:
                        through(self.learn(message))
                    self.follow.see(message)
                    yield message
            except (grpc.RpcError, PreconditionError, UnavailableError) as error:
                time.sleep(self.again_s(error))
            else:
                self.follow.end()
                return
            finally:
                self.close()

    def result(self) -> Value:
        """
        Read to the end and return the last value.

        Raises:
            UnavailableError: there was none.
        """
        last = None
        for value in self:
            last = value
        return present(last)

    def close(self) -> None:
        """Cancel the call, if it has begun and not ended."""
        if self._way is not None:
            self._way.left()
        if self._call is not None and interrupted():
            aside(self._call.cancel)
            cast("Link", self._line).close()
        elif self._call is not None:
            self._call.cancel()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Answer(Stream[Answered, "Delta"]):
    """An answer: iterated, its pieces; `events()` yields `Accepted`, `Loading` … as well."""

    def __iter__(self) -> Iterator[Delta]:
        for message in self.messages():
            if message.WhichOneof("event") == "delta":
                yield value_of(message.delta)  # type: ignore[attr-defined]

    def text(self) -> str:
        """Read to the end and return the whole text."""
        return "".join(piece.text for piece in self)


class _Lock:
    """A lock of threads that is taken as one of asyncio is."""

    def __init__(self) -> None:
        self._held = threading.Lock()

    async def __aenter__(self) -> None:
        self._held.acquire()

    async def __aexit__(self, *_: object) -> None:
        self._held.release()


class Link(Line["grpc.Channel"]):
    """The channel to one daemon, or to each of several; may be shared by threads."""

    def __init__(self, where: Where) -> None:
        super().__init__(where)
        self._half = Half(grpc, time.sleep, lambda work: work())
        self._lock = _Lock()
        self._boards = Boards(where) if where.several else None

    async def came(self, value: Any) -> Any:
        """Return *value*: it has come."""
        return value

    async def sent(self, method: Any, pieces: Any, **given: Any) -> tuple[Any, Any]:
        """Send *pieces* by *method* and return the answer and its headers."""
        came, call = method.with_call(pieces, **given)
        return came, call.initial_metadata()

    def close(self) -> None:
        """Close every channel; calls still open are cancelled."""
        channel = through(self._forgotten())
        closes = [one.close for one in (channel, self._boards) if one is not None]
        for close in closes:
            if interrupted():
                aside(close)
            else:
                close()

    async def _forgotten(self) -> grpc.Channel | None:
        async with self._lock:
            channel, self._channel = self._channel, None
            return channel


class Client(Face):
    """Calls to one daemon, each a method named after its verb; arguments as `Face` says."""

    link: Link
    _line = Link

    def call(self, ask: Ask[Answered, Any]) -> Answered:
        """Return the message that answers *ask*, every page of it."""
        return through(self.link.call(ask, self.caller))

    def value(self, ask: Ask[Any, Value]) -> Value:
        """Return the dataclass that answers *ask*."""
        return cast("Value", value_of(self.call(ask)))

    def stream(self, ask: StreamAsk[Answered, Value]) -> Stream[Answered, Value]:
        """Return the stream that answers *ask*."""
        return Stream(self.link, ask, self.caller)

    def answer(self, ask: StreamAsk[Answered, Any]) -> Answer[Answered]:
        """Return the answer in pieces to *ask*."""
        return Answer(self.link, ask, self.caller)

    def upload(self, file: str | Path | Hashed, told: Told = lambda *_: None) -> str:
        """
        Bring *file* to the board where it lacks it and return its digest, for `create`.

        Args:
            file: its path, or what `rkd_client.upload.digest_of` made of it.
            told: gets how far it is; called in other threads too.

        Raises:
            RkdError: it cannot be read, or the board refuses or stays away.
        """
        return through(self.link.bring(file, told, self.caller))

    def close(self) -> None:
        """Close the channel; calls still open are cancelled."""
        self.link.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
