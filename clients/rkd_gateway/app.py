"""The gateway as an ASGI app: every path of every dialect behind one door."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from rkd_client import AsyncClient
from rkd_client.errors import NotFoundError, RkdError
from rkd_web.door import Door
from rkd_web.heads import headers_in
from rkd_web.settings import Settings
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rkd_gateway.anthropic.routes import ANTHROPIC
from rkd_gateway.anthropic.shape import AnthropicDialect
from rkd_gateway.body import Shelf
from rkd_gateway.callers import Callers, is_reachable
from rkd_gateway.endpoint import BodyWay, Call, Dialect, Handler, HandlerApp, HttpAnswer
from rkd_gateway.llamacpp.routes import LLAMACPP
from rkd_gateway.meters import MEDIA_TYPE, Meters
from rkd_gateway.ollama.routes import OLLAMA
from rkd_gateway.ollama.shape import OllamaDialect
from rkd_gateway.openai.routes import OPENAI
from rkd_gateway.openai.shape import OpenAIDialect
from rkd_gateway.problems import headers_of, status_of
from rkd_gateway.responses.routes import Responses

READING = frozenset({"GET", "HEAD"})
PREFLIGHT = {
    "access-control-allow-methods": "GET, HEAD, POST, DELETE",
    "access-control-allow-headers": "authorization, content-type, x-requested-with, "
    "x-api-key, anthropic-version, x-rkd-priority",
    "access-control-max-age": "600",
}
"""What a page that may call is told before it does; never with credentials."""

PASSED_ON = frozenset({("POST", "/api/blobs/{digest}")})
"""Bodies that may be as large as a model."""


@dataclass(frozen=True, slots=True)
class Commons:
    """What the routes share: who calls, where bodies are held, what is counted."""

    callers: Callers
    shelf: Shelf
    meters: Meters


def build(settings: Settings, client: AsyncClient) -> Guarded:
    """Return the app that passes calls on to the daemon of *client*."""
    board = Commons(Callers(client), Shelf(), Meters())
    made = Responses()
    dialects: tuple[tuple[Any, Dialect], ...] = (
        (OLLAMA, OllamaDialect()),
        (OPENAI, OpenAIDialect()),
        (LLAMACPP, OpenAIDialect()),
        (made.routes, OpenAIDialect()),
        (ANTHROPIC, AnthropicDialect()),
    )
    routes: list[BaseRoute] = [Route("/healthz", _health(board), methods=["GET"])]
    routes.append(Route("/", _root, methods=["GET"]))
    routes.append(_route(board, OpenAIDialect(), "GET", "/metrics", _metrics(board.meters)))
    for table, dialect in dialects:
        routes += [_route(board, dialect, *one) for one in table]
    app = Starlette(routes=routes, exception_handlers={404: _lost, 405: _lost})
    return Guarded(app, Door(settings), made)


def _route(board: Commons, dialect: Dialect, method: str, path: str, handler: Handler) -> Route:
    body: BodyWay = "none" if method in READING else "json"
    if (method, path) in PASSED_ON:
        body = "passed on"
    endpoint = HandlerApp(handler, dialect, board.callers, board.shelf, body)
    return Route(path, Counted(endpoint, board.meters, path), methods=[method])


_SEE = "docs/gateway.md lists what is"


def dialect_of(path: str) -> Dialect:
    """Return the dialect in which a request to *path* is refused."""
    if path.startswith("/v1/messages"):
        return AnthropicDialect()
    return OllamaDialect() if path.startswith("/api") else OpenAIDialect()


async def _lost(request: Any, error: Any) -> Response:
    known = error.status_code == 405  # noqa: PLR2004 - HTTP's
    reason = "METHOD_NOT_ALLOWED" if known else "PATH_NOT_FOUND"
    path = request.url.path[:80]
    said = f"{path} is not called with {request.method}" if known else f"there is no {path} here"
    return _told(NotFoundError(reason, said, remedy=_SEE), request.url.path)


def _told(error: RkdError, path: str) -> JSONResponse:
    return JSONResponse(dialect_of(path).error(error), status_of(error), headers_of(error))


async def _root(request: Any) -> Response:
    """Say what Ollama says: its clients ask whether somebody is there."""
    del request
    return Response("Ollama is running", media_type="text/plain")


def _health(board: Commons) -> Any:
    async def healthz(request: Any) -> Response:
        """Tell whether the daemon answers; wants no token, as probes have none."""
        del request
        error = await is_reachable(board.callers)
        if error is None:
            return JSONResponse({"status": "ok"})
        told = {"status": "unavailable", "reason": error.reason, "error": error.message}
        return JSONResponse(told, 503)

    return healthz


def _metrics(meters: Meters) -> Handler:
    async def metrics(call: Call) -> HttpAnswer:
        """Tell what was counted, to those the daemon would tell something too."""
        await call.client.using(timeout=2.0).residents()
        return Response(meters.text(), media_type=MEDIA_TYPE)

    return metrics


class Counted:
    """An endpoint whose requests are counted."""

    def __init__(self, app: ASGIApp, meters: Meters, path: str) -> None:
        self._app, self._meters, self._path = app, meters, path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request and count it."""
        with self._meters.request(scope["method"], self._path) as counted:

            async def sending(message: Message) -> None:
                if message["type"] == "http.response.start":
                    counted.status = str(message["status"])
                await send(message)

            await self._app(scope, receive, sending)


class Guarded:
    """The door before an app, and what a welcome page is told."""

    def __init__(self, app: ASGIApp, door: Door, made: Responses) -> None:
        self._app, self._door, self._made = app, door, made

    @property
    def is_working(self) -> bool:
        """Whether a response is being made in the background."""
        return self._made.is_working

    def lifespan(self) -> AbstractAsyncContextManager[None]:
        """Return what surrounds its work: nothing."""
        return nullcontext()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Judge one request, then answer it."""
        if scope["type"] != "http":
            return  # no web sockets, no life span
        headers = headers_in(scope)
        refused = self._door.refusal(headers, scope["http_version"])
        if refused is not None:
            response = _told(refused, scope["path"])
            response.headers["connection"] = "close"  # what else it holds is not read as a request
            await response(scope, receive, send)
            return
        origin = headers.get("origin")
        if origin is None:
            await self._app(scope, receive, send)
        elif scope["method"] == "OPTIONS":
            await Response(status_code=204, headers={**PREFLIGHT, **_welcome(origin)})(
                scope, receive, send
            )
        else:
            await self._app(scope, receive, _telling(send, origin))


def _welcome(origin: str) -> dict[str, str]:
    return {"access-control-allow-origin": origin, "vary": "Origin"}


def _telling(send: Send, origin: str) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            more = [(name.encode(), text.encode()) for name, text in _welcome(origin).items()]
            message = {**message, "headers": [*message["headers"], *more]}
        await send(message)

    return sending
