"""Signing in and out over HTTP: what is taken, what is given."""

from __future__ import annotations

import json

import pytest
from rkd_console.asked import NOW, PageRequest
from rkd_console.signpage import MOST_BODY_BYTES, SignPage
from starlette.requests import Request
from starlette.responses import Response

from tests.console.test_signin import Board, sessions


class House:
    """The endpoints before a board with one token."""

    def __init__(self) -> None:
        self.sessions = sessions(Board({"good": "read"}))
        self.page = SignPage(self.sessions)

    def request(self, body: bytes = b"", origin: str = "http://127.0.0.1") -> Request:
        """A request of the form."""
        NOW.set(PageRequest(None, "", "en", None))
        headers = [(b"origin", origin.encode())]
        scope = {"type": "http", "method": "POST", "headers": headers, "client": ("10.0.0.7", 1)}

        async def receive() -> dict[str, object]:
            return {"type": "http.request", "body": body, "more_body": False}

        return Request(scope, receive)  # type: ignore[arg-type]

    async def sign_in(self, token: object, origin: str = "http://127.0.0.1") -> Response:
        """Send the form."""
        return await self.page.sign_in(self.request(json.dumps({"token": token}).encode(), origin))


async def test_the_cookie_names_a_session_and_is_closed() -> None:
    """No script reads it, no other site sends it; the token is not in it."""
    house = House()
    cookie = (await house.sign_in("good")).headers["set-cookie"]
    name = cookie.partition("=")[2].partition(";")[0]

    assert house.sessions.find(name) is not None
    assert "good" not in cookie
    for word in ("HttpOnly", "SameSite=strict", "Path=/", "Max-Age="):
        assert word in cookie
    assert "Secure" not in cookie


async def test_over_tls_the_cookie_stays_there() -> None:
    """Ours or that of a proxy before us."""
    cookie = (await House().sign_in("good", "https://console.example")).headers["set-cookie"]

    assert "Secure" in cookie


@pytest.mark.parametrize(
    "token", ["bad", "x" * 5_000, "é", 7, None, ["good"], "good\n; rkd_console=x" * 3]
)
async def test_what_is_no_token_gives_no_cookie(token: object) -> None:
    """It is told in words that can be shown."""
    answer = await House().sign_in(token)

    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers
    assert json.loads(bytes(answer.body))["error"]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"[" * 5_000, b"x" * (MOST_BODY_BYTES + 1)])
async def test_what_is_no_form_is_refused(body: bytes) -> None:
    """Deep, long or empty."""
    house = House()
    answer = await house.page.sign_in(house.request(body))

    assert answer.status_code == 403


async def test_signing_out_forgets() -> None:
    """The session and the cookie."""
    house = House()
    cookie = (await house.sign_in("good")).headers["set-cookie"]
    name = cookie.partition("=")[2].partition(";")[0]
    request = house.request()
    NOW.set(PageRequest(house.sessions.find(name), name, "en", None))
    answer = await house.page.sign_out(request)

    assert house.sessions.find(name) is None
    assert 'rkd_console=""' in answer.headers["set-cookie"]


@pytest.mark.parametrize("language", ["en", "fr", "zh"])
async def test_the_form_speaks_the_language(language: str) -> None:
    """And says so; nothing in it is a script of its own."""
    house = House()
    request = house.request()
    NOW.set(PageRequest(None, "", language, True))  # type: ignore[arg-type]
    page = bytes((await house.page.page(request)).body).decode()

    assert f'<html lang="{language}" class="dark">' in page
    assert "<script>" not in page
    assert "onclick" not in page
