"""Signing in and out over HTTP: the page with the form, and what it calls."""

from __future__ import annotations

import html
import json
from typing import Final

from rkd_client.errors import InvalidInputError, RkdError
from rkd_web.heads import headers_in, is_local, peer_of
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from rkd_console.asked import NOW, SESSION
from rkd_console.safe import shown
from rkd_console.signin import LONGEST_S, Sessions
from rkd_console.texts import say

MOST_BODY_BYTES: Final = 8 << 10
MOST_TOKEN: Final = 1_024

_PAGE: Final = """<!doctype html>
<html lang="{language}" class="{look}">
<head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="/console/icon.svg"><link rel="stylesheet" href="/console/signin.css">
<script src="/console/signin.js" defer></script></head>
<body><main><h1>{title}</h1>
<form id="form" method="post" action="/signin">
<label for="token">{token}</label>
<input id="token" name="token" type="password" autocomplete="current-password" required autofocus
 aria-describedby="hint error" spellcheck="false" autocapitalize="off">
<p id="hint">{hint}</p>
<button type="submit">{go}</button>
<p id="error" role="alert"></p></form>
<div id="open" hidden><p>{open}</p><button id="without" type="button">{without}</button></div>
</main></body></html>
"""


class SignPage:
    """The endpoints of signing in."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def page(self, request: Request) -> Response:
        """Show the form."""
        del request
        asked = NOW.get()
        keys = ("title", "token", "hint", "go", "open", "without")
        said = {one: html.escape(say(asked.language, f"signin.{one}")) for one in keys}
        look = {True: "dark", False: "light", None: ""}[asked.dark]
        return HTMLResponse(_PAGE.format(language=asked.language, look=look, **said))

    async def state(self, request: Request) -> Response:
        """Tell whether the browser is signed in already, and whether it needs a token."""
        asked = NOW.get()
        if asked.session is not None:
            return JSONResponse({"signed_in": True, "open": False})
        local = is_local(peer_of(request.scope), headers_in(request.scope))
        try:
            is_open = local and await self._sessions.is_open()
        except RkdError as error:
            return JSONResponse({"signed_in": False, "open": False, **_told(error)})
        return JSONResponse({"signed_in": False, "open": is_open})

    async def sign_in(self, request: Request) -> Response:
        """Take a token and give a cookie."""
        scope = request.scope
        try:
            token = _token_in(await _body(request))
            peer = peer_of(scope) or ""
            local = is_local(peer_of(scope), headers_in(scope))
            name = await self._sessions.begin(token, peer=peer, is_local=local)
        except RkdError as error:
            return JSONResponse(_told(error), 403)
        self._sessions.end(NOW.get().name)
        response = JSONResponse({"signed_in": True})
        response.set_cookie(
            SESSION,
            name,
            max_age=int(LONGEST_S),
            path="/",
            secure=_is_secure(request),
            httponly=True,
            samesite="strict",
        )
        return response

    async def sign_out(self, request: Request) -> Response:
        """Forget the session; its pages end."""
        self._sessions.end(NOW.get().name)
        response = JSONResponse({"signed_in": False})
        response.delete_cookie(
            SESSION, path="/", secure=_is_secure(request), httponly=True, samesite="strict"
        )
        return response


def _is_secure(request: Request) -> bool:
    """Whether the page that asks was reached over TLS, ours or a proxy's; the guard knows it."""
    return request.headers.get("origin", "").lower().startswith("https:")


async def _body(request: Request) -> bytes:
    held = b""
    async for piece in request.stream():
        held += piece
        if len(held) > MOST_BODY_BYTES:
            raise InvalidInputError("BODY_TOO_LARGE", "no token is as long")
    return held


def _token_in(body: bytes) -> str:
    try:
        token = json.loads(body)["token"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        said = "signing in takes a token as JSON"
        raise InvalidInputError("REQUEST_MALFORMED", said) from error
    if not isinstance(token, str) or len(token) > MOST_TOKEN or not token.isascii():
        raise InvalidInputError("TOKEN_INVALID", "that is no access token", remedy="copy it again")
    return token.strip()


def _told(error: RkdError) -> dict[str, str]:
    told = {"error": shown(error.message), "remedy": shown(error.remedy)}
    return {**told, "reason": error.reason}
