"""
What stands before every page: names, origins, who is signed in, and what browsers are told.

A request passes if its host is one of ours; if it changes something, or opens a web socket, its
origin has to be our own, whatever its cookies. Without a session only the form for signing in and
the files that everybody may have are answered.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from typing import Final
from urllib.parse import quote

from rkd_client.errors import ForbiddenError
from rkd_web.door import Door
from rkd_web.heads import headers_in
from starlette.responses import JSONResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rkd_console.asked import NOW, SESSION, PageRequest, cookies_in, dark_of, language_of
from rkd_console.signin import Sessions, SignedIn

PUBLIC: Final = re.compile(
    r"/signin(?:/state)?|/console/[a-z.-]+|/favicon\.ico|/healthz"
    r"|/_nicegui/[0-9.]+/(?:static|libraries|components|esm|resources)/.*"
)
"""Answered without a session: the form, and files that are the same for everybody."""

MOST_QUERY: Final = 1_000
"""Letters of an address that are come back to after signing in."""

READING: Final = frozenset({"GET", "HEAD"})

_SHARED: Final = "base-uri 'none'; object-src 'none'; frame-ancestors 'none'; form-action 'self'"
STRICT: Final = f"default-src 'self'; img-src 'self' data:; {_SHARED}"
PAGES: Final = (
    "default-src 'self'; img-src 'self' data: blob:; media-src 'self' data: blob:; "
    "worker-src 'self' blob:; style-src 'self' 'unsafe-inline'; font-src 'self' data:; "
    "script-src 'self' 'nonce-{nonce}' 'unsafe-eval'; " + _SHARED
)
"""NiceGUI compiles its templates and runs the server's words in the browser: 'unsafe-eval'."""

HEADERS: Final = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(self), microphone=(), geolocation=(), payment=()",
}


class Guard:
    """
    An ASGI app before the pages.

    Args:
        app: the pages.
        door: knows our names.
        sessions: who is signed in.
        secure: whether browsers come over TLS.
    """

    def __init__(self, app: ASGIApp, door: Door, sessions: Sessions, *, secure: bool) -> None:
        self._app, self._door, self._sessions = app, door, sessions
        self._scheme = "https" if secure else "http"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Judge one request or web socket, then answer it."""
        if scope["type"] == "lifespan":
            return
        headers = headers_in(scope)
        refused = self._refusal(scope, headers)
        if refused is not None:
            told = {"error": refused.message, "remedy": refused.remedy, "reason": refused.reason}
            await self._turn_away(JSONResponse(told, 403), scope, receive, send)
            return
        cookies = cookies_in(headers)
        name = cookies.get(SESSION, "")
        session = self._sessions.find(name)
        if session is None and not PUBLIC.fullmatch(scope["path"]):
            await self._turn_away(_lost(scope, headers), scope, receive, send)
            return
        nonce = secrets.token_urlsafe(16)
        NOW.set(PageRequest(session, name, language_of(cookies, headers), dark_of(cookies), nonce))
        if scope["type"] == "websocket" and session is not None:
            await self._talk(name, session, scope, receive, send)
        else:
            await self._app(scope, receive, _telling(send, nonce))

    def _refusal(self, scope: Scope, headers: dict[str, str]) -> ForbiddenError | None:
        changes = scope["type"] == "websocket" or scope["method"] not in READING
        refused = self._door.refusal(headers, scope["http_version"], scheme=self._scheme)
        if refused is not None:
            return ForbiddenError(refused.reason, refused.message, remedy=refused.remedy)
        if changes and "origin" not in headers:
            said = "a request that changes something has to say which page it comes from"
            return ForbiddenError("ORIGIN_FORBIDDEN", said, remedy="use a browser of today")
        return None

    async def _turn_away(
        self, response: JSONResponse | RedirectResponse, scope: Scope, receive: Receive, send: Send
    ) -> None:
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
            return
        await response(scope, receive, _telling(send, ""))

    async def _talk(
        self, name: str, session: SignedIn, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Carry a web socket for as long as its session lasts."""
        ending = asyncio.ensure_future(session.ended.wait())

        async def receiving() -> Message:
            coming = asyncio.ensure_future(receive())
            try:
                await asyncio.wait({coming, ending}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                if not coming.done():
                    coming.cancel()
            if not coming.done() or self._sessions.find(name) is None:
                return {"type": "websocket.disconnect", "code": 1008}
            return coming.result()

        try:
            await self._app(scope, receiving, send)
        finally:
            ending.cancel()


def _lost(scope: Scope, headers: dict[str, str]) -> JSONResponse | RedirectResponse:
    if scope["type"] == "http" and "text/html" in headers.get("accept", ""):
        query = scope["query_string"].decode("latin-1")[:MOST_QUERY]
        to = f"{scope['path']}?{query}" if query else scope["path"]
        return RedirectResponse(f"/signin?next={quote(to, safe='/')}", 303)
    said = {"error": "nobody is signed in", "remedy": "sign in at /signin", "reason": "SIGNED_OUT"}
    return JSONResponse(said, 401)


def _telling(send: Send, nonce: str) -> Send:
    """Add what browsers are told to the head of an answer."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            given = {name.lower() for name, _ in message["headers"]}
            is_page = b"x-nicegui-content" in given
            policy = PAGES.format(nonce=nonce) if is_page else STRICT
            more = {**HEADERS, "content-security-policy": policy}
            if b"cache-control" not in given:
                more["cache-control"] = "no-store"
            pairs = [(one.encode(), text.encode()) for one, text in more.items()]
            message = {**message, "headers": [*message["headers"], *pairs]}
        await send(message)

    return sending


class Nonced:
    """Gives the scripts of a page the nonce without which the browser does not run them."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        start: Message | None = None
        held = b""

        async def sending(message: Message) -> None:
            nonlocal start, held
            if message["type"] == "http.response.start":
                names = {name.lower() for name, _ in message["headers"]}
                if b"x-nicegui-content" in names:
                    start = message
                    return
            if start is None:
                await send(message)
                return
            held += message.get("body", b"")
            if message.get("more_body"):
                return
            # What comes from outside stands in it as JSON without a single `<`.
            body = re.sub(rb"<script(?=[ >])", f'<script nonce="{NOW.get().nonce}"'.encode(), held)
            head = [one for one in start["headers"] if one[0].lower() != b"content-length"]
            head.append((b"content-length", str(len(body)).encode()))
            await send({**start, "headers": head})
            start = None
            await send({"type": "http.response.body", "body": body})

        await self._app(scope, receive, sending)
