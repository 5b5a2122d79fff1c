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
from rkd_client.boards import Boards, Way
from rkd_client.channel import OPTIONS, Caller, codecs, credentials, is_secure, present
from rkd_client.endpoint import choose
from rkd_client.errors import PreconditionError, RkdError, UnavailableError
from rkd_client.face import Face, Line, Reading, attempts_of
from rkd_client.grpc_sync import grpc
from rkd_client.joined import Joined
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

    def __init__(self, link: Link, ask: StreamAsk[Answered, Value], caller: Caller) -> None:
        super().__init__(ask, caller)
        self._link = link
        self._call: Any = None
        self._way: Way[grpc.Channel] | None = None

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
                self._way = None
                self._way = self._link.open(self.ask, self.caller, self.attempts, self.visit)
                self._call = self._link.start(self, self._way)
                for message in self._call:
                    if not self.begun:
                        self.begun = True
                        self._link.trail.learn(self.ask, message, self._call.initial_metadata())
                    self.follow.see(message)
                    yield message
            except (grpc.RpcError, PreconditionError, UnavailableError) as error:
                time.sleep(self.again_s(self._link, self._way, error))
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
            self._link.close()
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


class Link(Line):
    """The channel to one daemon, or to each of several; may be shared by threads."""

    def __init__(self, where: Where) -> None:
        super().__init__(where)
        self._lock = threading.Lock()
        self._channel: grpc.Channel | None = None
        self._boards = Boards(where) if where.several else None

    def call(self, ask: Ask[Answered, Any], caller: Caller) -> Answered:
        """Return what answers *ask*, every page of it, of every board it is about."""
        self.missed = []
        try:
            return self._whole(ask, caller)
        except PreconditionError as error:
            boards, reach = boards_of(error), reach_of(ask)
            if not boards or reach is Reach.ONE:
                raise
        joined = Joined[Answered](reach)
        for board in boards:
            came: Answered | RkdError
            try:
                came = self._whole(ask, caller.using(board=board))
            except RkdError as error:
                came = error
            if joined.take(board, came):
                break
        self.missed = joined.missed
        return joined.answer()

    def _whole(self, ask: Ask[Answered, Any], caller: Caller) -> Answered:
        whole = page = self._once(ask, caller)
        while (more := ask.after(page)) is not None:
            page = self._once(more, caller)
            whole.MergeFrom(page)
        if ask.paged:
            whole.ClearField("next_page_token")
        return whole

    def _once(self, ask: Ask[Answered, Any], caller: Caller) -> Answered:
        """Ask once, or again where that is safe, and return the message that comes back."""
        attempts, visit = attempts_of(ask, caller), Round()
        while True:
            way = self.open(ask, caller, attempts, visit)
            method = way.channel.unary_unary(ask.path, *codecs(ask))
            pairs = self.pairs(ask, caller, way.endpoint)
            try:
                return present(method(ask.request, timeout=attempts.left_s(), metadata=pairs))
            except (grpc.RpcError, UnavailableError) as error:
                time.sleep(self.again_s(attempts, visit, way, error))
            finally:
                way.left()

    def start(self, reading: Reading, way: Way[grpc.Channel]) -> Any:
        """Begin a stream."""
        ask = reading.ask
        method = way.channel.unary_stream(ask.path, *codecs(ask))
        pairs = self.pairs(ask, reading.caller, way.endpoint)
        return method(ask.request, timeout=reading.attempts.left_s(), metadata=pairs)

    def send(
        self, ask: Ask[Answered, Any], pieces: Iterator[Message], caller: Caller
    ) -> Answered | RkdError:
        """Send *pieces* one after the other, once, and return what came of it."""
        way = self.open(ask, caller, attempts_of(ask, caller), Round())
        method = way.channel.stream_unary(ask.path, *codecs(ask))
        bound_s, pairs = caller.timeout_s or ask.bound_s, self.pairs(ask, caller, way.endpoint)
        try:
            came, call = method.with_call(pieces, timeout=bound_s, metadata=pairs)
            self.trail.learn(ask, present(came), call.initial_metadata())
        except grpc.RpcError as error:
            return self.told(error, way.endpoint)
        finally:
            way.left()
        return came

    def open(
        self, ask: Ask[Any, Any], caller: Caller, attempts: Attempts, visit: Round
    ) -> Way[grpc.Channel]:
        """
        Return the way *ask* takes now; its `left` is to be called when it has ended.

        Raises:
            RkdError: nobody is there, all have refused, or a board has to be named.
        """
        if self._boards is None:
            return Way(self._opened(), self.endpoint)
        at = self.place(ask, caller)
        well = reach_of(ask) in {Reach.ALL, Reach.SEEK}
        way = None if at is None else self._boards.at(at, well=well)
        while way is None:
            way = self._boards.pick(service_of(ask), visit)
            if way is None:
                time.sleep(self.pause_s(attempts, visit.telling(), begun=False))
        self.endpoint = way.endpoint
        return way

    def _opened(self) -> grpc.Channel:
        with self._lock:
            if self._channel is None:
                self.endpoint = chosen = choose(self.where.endpoints)
                if is_secure(self.where, chosen):
                    trusted = credentials(self.where)
                    self._channel = grpc.secure_channel(chosen.target, trusted, options=OPTIONS)
                else:
                    self._channel = grpc.insecure_channel(chosen.target, options=OPTIONS)
            return self._channel

    def close(self) -> None:
        """Close every channel; calls still open are cancelled."""
        with self._lock:
            channel, self._channel = self._channel, None
        closes = [one.close for one in (channel, self._boards) if one is not None]
        for close in closes:
            if interrupted():
                aside(close)
            else:
                close()


class Client(Face):
    """Calls to one daemon, each a method named after its verb; arguments as `Face` says."""

    link: Link
    _line = Link

    def call(self, ask: Ask[Answered, Any]) -> Answered:
        """Return the message that answers *ask*, every page of it."""
        return self.link.call(ask, self.caller)

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
        one = file if isinstance(file, Hashed) else digest_of(Path(file), told)
        steps, came = journey(one), cast("Came", None)
        while True:
            try:
                step = steps.send(came)
            except StopIteration:
                return one.digest
            came = None
            if isinstance(step, Pause):
                time.sleep(step.pause_s)
            else:
                came = self.link.send(ask_of(one, step), requests(one, step, told), self.caller)

    def close(self) -> None:
        """Close the channel; calls still open are cancelled."""
        self.link.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
