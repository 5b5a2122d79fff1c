"""
What both faces of the library share: how a client is made, its verbs, how failures are told.

A verb stands here once. Its type follows the client it is used on: `Client` returns what
`AsyncClient` has to be awaited for.
"""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Generic, ParamSpec, Self, TypeVar, cast, overload

from google.protobuf.message import Message

from rkd_client import contexts
from rkd_client.ask import Ask, StreamAsk
from rkd_client.channel import Caller, is_secure
from rkd_client.endpoint import Endpoint
from rkd_client.errors import (
    InvalidInputError,
    NotFoundError,
    PreconditionError,
    RkdError,
    UnavailableError,
)
from rkd_client.follow import FollowAnswer
from rkd_client.reach import Reach, board_needed, boards_of, reach_of
from rkd_client.retry import Attempts
from rkd_client.spread import Round
from rkd_client.status import Failed, error_of
from rkd_client.trail import Trail
from rkd_client.transport import in_the_middle
from rkd_client.values import value_of
from rkd_client.verbs import access, hub, inference, models, pool, system
from rkd_client.verbs import operations as ops
from rkd_client.where import Flags, Where, resolve

if TYPE_CHECKING:
    from rkd_client.aio import AsyncAnswer, AsyncClient, AsyncStream
    from rkd_client.boards import Way
    from rkd_client.sync import Answer, Client, Stream
    from rkd_client.v1.types import Accepted, Finished

P = ParamSpec("P")
Answered = TypeVar("Answered", bound=Message)
Value = TypeVar("Value")
Now = TypeVar("Now")
Later = TypeVar("Later")


class Line:
    """
    The way to one daemon, found at the first call, or to several boards.

    `missed` holds the boards that were passed over when all were asked, with why.
    """

    def __init__(self, where: Where) -> None:
        self.where = where
        self.endpoint = where.endpoints[0]
        self.missed: list[tuple[str, RkdError]] = []
        self.trail = Trail()

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


_ELSEWHERE = (PreconditionError, NotFoundError, UnavailableError)
"""What a board says that does not know an operation, or is not there."""


class Reading:
    """One stream being read; nothing is sent before it is."""

    def __init__(self, ask: StreamAsk[Any, Any], caller: Caller) -> None:
        self.ask, self.caller = ask, caller
        self.attempts, self.visit = attempts_of(ask, caller), Round()
        self.follow = ask.follow()
        self.begun = False
        self._boards: list[str] = []

    def again_s(self, line: Line, way: Way[Any] | None, error: Exception) -> float:
        """
        Return how long to wait before the stream is asked for again after *error*.

        1. One that has begun is never asked for again.
        2. An operation nobody named a board for is asked after on each.
        3. What one board of several refuses is asked of the next.

        Raises:
            RkdError: what *error* means, when there is to be no other try.
        """
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


class _Verb(Generic[P, Now, Later]):
    """A function that says what is asked; on a client, a method that asks it by its *way*."""

    def __init__(self, make: Callable[P, Ask[Any, Any]], way: str) -> None:
        self._make, self._way = make, way

    @overload
    def __get__(self, client: None, owner: object) -> Callable[P, Ask[Any, Any]]: ...
    @overload
    def __get__(self, client: Client, owner: object) -> Callable[P, Now]: ...
    @overload
    def __get__(self, client: AsyncClient, owner: object) -> Callable[P, Later]: ...
    def __get__(self, client: Client | AsyncClient | None, owner: object) -> Callable[P, Any]:
        make = self._make
        if client is None:
            return make
        ask = getattr(client, self._way)

        @functools.wraps(make)
        def method(*args: P.args, **given: P.kwargs) -> object:
            return ask(make(*args, **given))

        return method


def _one(make: Callable[P, Ask[Answered, Value]]) -> _Verb[P, Value, Awaitable[Value]]:
    """Return the verb with one answer."""
    return _Verb(make, "value")


def _stream(
    make: Callable[P, StreamAsk[Answered, Value]],
) -> _Verb[P, Stream[Answered, Value], AsyncStream[Answered, Value]]:
    """Return the verb with a stream of answers."""
    return _Verb(make, "stream")


def _answer(
    make: Callable[P, StreamAsk[Answered, Any]],
) -> _Verb[P, Answer[Answered], AsyncAnswer[Answered]]:
    """Return the verb with an answer in pieces."""
    return _Verb(make, "answer")


class Face:
    """
    Calls to one daemon, each a method named after its verb; the channel opens at the first one.

    Args:
        endpoint: a socket, `host:port` or `https://host:port`; `#NAME` behind it names a board
            behind an address of several. Several by commas are boards of which each call takes one
            that is well. None looks at RKD_ENDPOINT, at the context in use, then where a daemon
            usually listens.
        token: access token; None takes RKD_TOKEN or the context's.
        ca: file of the authority to trust (PEM); means TLS.
        cert: file of the certificate to show (PEM); means TLS.
        key: file of its key (PEM).
        timeout: seconds that bound every call, instead of the call's own bound.
    """

    _line: ClassVar[type[Line]] = Line

    def __init__(
        self,
        endpoint: str | None = None,
        *,
        token: str | None = None,
        ca: str | None = None,
        cert: str | None = None,
        key: str | None = None,
        timeout: float | None = None,
    ) -> None:
        flags = Flags(endpoint=endpoint, token=token, ca=ca, cert=cert, key=key)
        said = endpoint is not None or bool(os.environ.get("RKD_ENDPOINT"))
        # A file nobody asked for is no reason to fail.
        kept = contexts.Store() if said else contexts.load(contexts.file_of(os.environ))
        where = resolve(flags, os.environ, kept)
        self.link, self.caller = self._line(where), Caller(where.token, timeout)

    @classmethod
    def at(cls, where: Where, *, timeout: float | None = None) -> Self:
        """Return a client of the daemon at *where*."""
        return cls._of(cls._line(where), Caller(where.token, timeout))

    def using(
        self,
        *,
        token: str | None = None,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        board: str | None = None,
    ) -> Self:
        """
        Return a client on the same channel that asks as another, or waits otherwise.

        With *board*, one of several: an endpoint of the list, or a name behind a shared address.
        """
        return self._of(self.link, self.caller.using(token, timeout, metadata, board))

    @property
    def endpoint(self) -> str:
        """Where the daemon was found; before the first call, where it is looked for first."""
        return str(self.link.endpoint)

    @classmethod
    def _of(cls, link: Line, caller: Caller) -> Self:
        made = cls.__new__(cls)
        made.link, made.caller = link, caller
        return made

    list = _one(models.list)
    show = _one(models.show)
    pull = _stream(models.pull)
    push = _stream(models.push)
    create = _stream(models.create)
    copy = _one(models.copy)
    delete = _one(models.delete)
    migrate = _one(models.migrate)
    watch = _stream(models.watch)
    generate = _answer(inference.generate)
    chat = _answer(inference.chat)
    embed = _one(inference.embed)
    rerank = _one(inference.rerank)
    tokenize = _one(inference.tokenize)
    detokenize = _one(inference.detokenize)
    cancel = _one(inference.cancel)
    residents = _one(pool.residents)
    load = _stream(pool.load)
    unload = _one(pool.unload)
    pin = _one(pool.pin)
    unpin = _one(pool.unpin)
    plan = _one(pool.plan)
    sessions = _one(pool.sessions)
    forget = _one(pool.forget)
    search = _one(hub.search)
    files = _one(hub.files)
    card = _one(hub.card)
    operations = _one(ops.operations)
    operation = _one(ops.operation)
    attach = _stream(ops.attach)
    watch_operations = _stream(ops.watch_operations)
    cancel_operation = _one(ops.cancel_operation)
    pause_operation = _one(ops.pause_operation)
    resume_operation = _one(ops.resume_operation)
    status = _one(system.status)
    doctor = _one(system.doctor)
    reload = _one(system.reload)
    whoami = _one(access.whoami)
    tokens = _one(access.tokens)
    create_token = _one(access.create_token)
    revoke_token = _one(access.revoke_token)


def attempts_of(ask: Ask[Any, Any], caller: Caller) -> Attempts:
    """Return the tries of a call."""
    return Attempts(ask.repeatable, caller.timeout_s or ask.bound_s, time.monotonic)
