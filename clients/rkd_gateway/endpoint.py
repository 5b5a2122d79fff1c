"""
One call, from its request to the end of its answer.

The handler of a dialect returns a whole answer or a stream of lines. Whatever it does ends when
its client hangs up: the work is cancelled, and with it the run on the board.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, Protocol, TypeAlias, TypeVar

from rkd_client import AsyncClient
from rkd_client.errors import InternalError, RkdError
from rkd_web.heads import headers_in, peer_of
from starlette.datastructures import QueryParams
from starlette.responses import JSONResponse, Response
from starlette.types import Message, Receive, Scope, Send

from rkd_gateway.body import ClientGoneError, Shelf, no_pieces, passing, read
from rkd_gateway.callers import Callers, known_by
from rkd_gateway.errands import HEADER, priority
from rkd_gateway.fields import Fields, parse
from rkd_gateway.problems import headers_of, status_of

SEND_S: Final = 120.0
"""A client that reads nothing for so long has left."""

PATIENCE_S: Final = 3.0
"""For so long a stream with comments waits for its first line, so that an error has its status."""

COMMENT_EVERY_S: Final = 10.0
"""A stream that has nothing to say says so this often; proxies give up after 30 or 60."""

MOST_DIGITS: Final = 16
"""Of the size of a body that is passed on."""

READ_AT_ONCE_BYTES: Final = 64 << 10
"""A longer body is parsed, and its pictures decoded, in a thread."""

Read = TypeVar("Read")
Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class Call:
    """
    What a handler gets.

    Args:
        client: with the caller's rights.
        fields: of the body; empty where there was none.
        path: parameters in the path.
        priority: how urgent its client says it is, as an option; empty where it says nothing.
        query: parameters behind the path.
        caller: who calls, to know him again by: made from his token, never the token.
        pieces: of a body that is not read beforehand, as it comes.
        size_bytes: of that body; None where its head does not say.
        is_long: whether reading the body takes so long that others would feel it.
    """

    client: AsyncClient
    fields: Fields
    path: Mapping[str, str]
    priority: Mapping[str, Any] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    caller: str = "nobody"
    pieces: AsyncIterator[bytes] = field(default_factory=no_pieces)
    size_bytes: int | None = None
    is_long: bool = False

    async def aside(self, read: Callable[[Read], Made], given: Read) -> Made:
        """Return what *read* makes of *given*; of a long body, in a thread: it may be pictures."""
        return await asyncio.to_thread(read, given) if self.is_long else read(given)


@dataclass(frozen=True, slots=True)
class Lines:
    """
    A streamed answer.

    Args:
        lines: each a piece of the body, whole.
        media_type: of the body.
        comment: what may stand between lines while nothing comes; b"" where nothing may.
        failed: makes of an error the last line, once the answer has begun.
    """

    lines: AsyncIterator[bytes]
    media_type: str
    failed: Callable[[RkdError], bytes]
    comment: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


BodyWay = Literal["none", "json", "passed on"]
"""What becomes of a request's body: nothing, an object, or the handler gets it as it comes."""

HttpAnswer: TypeAlias = Lines | Response | dict[str, Any]
Handler = Callable[[Call], Awaitable[HttpAnswer]]


class Dialect(Protocol):
    """How errors look in one dialect."""

    def error(self, error: RkdError) -> dict[str, Any]:
        """Return the body that tells *error*."""


class HandlerApp:
    """An ASGI app of one handler."""

    def __init__(
        self, handler: Handler, dialect: Dialect, callers: Callers, shelf: Shelf, body: BodyWay
    ) -> None:
        self._handler, self._dialect = handler, dialect
        self._callers, self._shelf, self._body = callers, shelf, body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        headers = headers_in(scope)
        sending = BoundedSend(send)
        try:
            client = await self._callers.admit(peer_of(scope), headers)
            if self._body == "passed on":
                await self._pass_on(client, receive, scope, sending)
                return
            body = await read(receive, headers.get("content-length"), self._shelf)
            work = self._work(client, body, scope, sending)
            await while_connected(receive, work)
        except ClientGoneError:
            return
        except RkdError as error:
            await self._tell(error, scope, sending)

    async def _work(
        self, client: AsyncClient, body: bytes, scope: Scope, send: BoundedSend
    ) -> None:
        given: dict[str, Any] = {}
        is_long = len(body) > READ_AT_ONCE_BYTES
        if self._body == "json" and body:
            given = await asyncio.to_thread(parse, body) if is_long else parse(body)
        call = replace(_call(client, given, scope), is_long=is_long)
        await self._answer(call, scope, send)

    async def _pass_on(
        self, client: AsyncClient, receive: Receive, scope: Scope, send: BoundedSend
    ) -> None:
        announced = headers_in(scope).get("content-length", "")
        size_bytes = (
            int(announced) if announced.isdecimal() and len(announced) < MOST_DIGITS else None
        )
        call = replace(_call(client, {}, scope), pieces=passing(receive), size_bytes=size_bytes)
        await self._answer(call, scope, send)

    async def _answer(self, call: Call, scope: Scope, send: BoundedSend) -> None:
        try:
            answer: Any = await self._handler(call)
            if isinstance(answer, Lines):
                await stream(answer, send)
                return
        except RkdError as error:
            await self._tell(error, scope, send)
            return
        response = answer if isinstance(answer, Response) else JSONResponse(answer)
        await response(scope, _no_more, send)

    async def _tell(self, error: RkdError, scope: Scope, send: BoundedSend) -> None:
        response = JSONResponse(self._dialect.error(error), status_of(error), headers_of(error))
        await response(scope, _no_more, send)


def _call(client: AsyncClient, given: dict[str, Any], scope: Scope) -> Call:
    headers = headers_in(scope)
    return Call(
        client,
        Fields(given),
        scope.get("path_params", {}),
        priority(headers.get(HEADER)),
        QueryParams(scope.get("query_string", b"")),
        known_by(headers),
    )


class BoundedSend:
    """What is sent, each piece within a bound: a client that stops reading is gone."""

    def __init__(self, send: Send) -> None:
        self._send = send

    async def __call__(self, message: Message) -> None:
        """
        Send *message*.

        Raises:
            ClientGoneError: nobody takes it.
        """
        try:
            async with asyncio.timeout(SEND_S):
                await self._send(message)
        except (TimeoutError, OSError) as error:
            raise ClientGoneError from error


async def while_connected(receive: Receive, work: Any) -> None:
    """
    Run the coroutine *work*, as long as its client is there.

    Raises:
        ClientGoneError: it left, and the work was ended.
    """
    doing = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_gone(receive))
    try:
        await asyncio.wait({doing, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not doing.done():
            raise ClientGoneError
        doing.result()
    finally:
        for task in (doing, leaving):
            task.cancel()
        await asyncio.gather(doing, leaving, return_exceptions=True)


async def stream(answer: Lines, send: BoundedSend) -> None:
    """
    Send *answer* as its lines come.

    Raises:
        RkdError: before anything was sent; later it becomes the last line.
    """
    lines = answer.lines
    begun = False
    try:
        async for line in with_comments(lines, answer.comment):
            if not begun:
                begun = True
                await send(_start(answer))
            await send({"type": "http.response.body", "body": line, "more_body": True})
    except RkdError as error:
        if not begun:
            raise
        last = answer.failed(error)
        await send({"type": "http.response.body", "body": last, "more_body": True})
    if not begun:
        await send(_start(answer))
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def with_comments(lines: AsyncIterator[bytes], comment: bytes) -> AsyncIterator[bytes]:
    """Yield *lines*, and *comment* whenever none has come for long."""
    iterator = aiter(lines)
    waiting: asyncio.Future[bytes] | None = None
    patience_s: float | None = PATIENCE_S if comment else None
    try:
        while True:
            waiting = waiting or asyncio.ensure_future(anext(iterator))
            await asyncio.wait({waiting}, timeout=patience_s)
            patience_s = COMMENT_EVERY_S if comment else None
            if not waiting.done():
                yield comment
                continue
            done, waiting = waiting, None
            try:
                line = done.result()
            except StopAsyncIteration:
                return
            yield line
    finally:
        if waiting is not None:
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
        close = getattr(lines, "aclose", None)
        if close is not None:
            with contextlib.suppress(RuntimeError):
                await close()


def _start(answer: Lines) -> Message:
    headers = {
        "content-type": answer.media_type,
        "cache-control": "no-cache",
        "x-accel-buffering": "no",
        **answer.headers,
    }
    pairs = [(name.encode("latin-1"), text.encode("latin-1")) for name, text in headers.items()]
    return {"type": "http.response.start", "status": 200, "headers": pairs}


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _no_more() -> Message:
    raise InternalError("INTERNAL", "a whole answer reads nothing")
