"""
What both faces of the library share: how a client is made, and its verbs.

A verb stands here once. Its type follows the client it is used on: `Client` returns what
`AsyncClient` has to be awaited for.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Generic, ParamSpec, Self, TypeVar, overload

from google.protobuf.message import Message

from rkd_client import contexts
from rkd_client.ask import Ask, StreamAsk
from rkd_client.channel import Caller
from rkd_client.line import Line
from rkd_client.verbs import access, hub, inference, models, pool, system
from rkd_client.verbs import operations as ops
from rkd_client.where import Flags, Where, resolve

if TYPE_CHECKING:
    from rkd_client.aio import AsyncAnswer, AsyncClient, AsyncStream
    from rkd_client.sync import Answer, Client, Stream

P = ParamSpec("P")
Answered = TypeVar("Answered", bound=Message)
Value = TypeVar("Value")
Now = TypeVar("Now")
Later = TypeVar("Later")


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

    _line: ClassVar[type[Line[Any]]] = Line

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
    def _of(cls, link: Line[Any], caller: Caller) -> Self:
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
