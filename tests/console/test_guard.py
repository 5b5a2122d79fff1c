"""What stands before the pages, request by request."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from rkd_console.asked import NOW, cookies_in, dark_of, language_of
from rkd_console.guard import Guard, Nonced
from rkd_console.settings import read
from rkd_console.signin import Sessions, SignedIn
from rkd_web.door import Door

from rkd.access.role import Role
from tests.console.test_signin import Board, Clock, FakeClient, sessions

HOST = "127.0.0.1:7589"
OWN = f"http://{HOST}"


async def page(scope: Any, receive: Any, send: Any) -> None:
    """A page with a script, as NiceGUI has it; a web socket is taken and read to its end."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
        while (await receive())["type"] != "websocket.disconnect":
            pass
        return
    body = b"<html><script>1</script><script src=x></script>&lt;script></html>"
    headers = [(b"x-nicegui-content", b"page"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class House:
    """A guard before `page`, with one session."""

    def __init__(self) -> None:
        self.sessions: Sessions = sessions(Board({"good": "read"}), clock=Clock())
        self.session = SignedIn(FakeClient(Board(), ""), Role.READ, True, 1_000.0, 1_000.0)  # type: ignore[arg-type]
        self.sessions._held["me"] = self.session
        door = Door(read({"RKD_CONSOLE_ORIGINS": "https://console.example"}), own="board")
        self.guard = Guard(Nonced(page), door, self.sessions, secure=False)

    async def ask(
        self,
        path: str = "/",
        method: str = "GET",
        kind: str = "http",
        query: str = "",
        **headers: str,
    ) -> list[dict[str, Any]]:
        """Send one request and return what was answered."""
        given = {"host": HOST, "cookie": "rkd_console=me", **headers}
        told: list[dict[str, Any]] = []
        pairs = [
            (name.replace("_", "-").encode(), value.encode())
            for name, value in given.items()
            if value
        ]
        scope = {"type": kind, "method": method, "path": path, "headers": pairs}
        scope |= {"http_version": "1.1", "query_string": query.encode(), "client": ("127.0.0.1", 1)}

        async def receive() -> dict[str, Any]:
            return {"type": "websocket.connect" if not told else "websocket.disconnect"}

        async def send(message: Any) -> None:
            told.append(message)

        await self.guard(scope, receive, send)
        return told

    async def status(self, path: str = "/", method: str = "GET", **headers: str) -> int:
        """Return the status of an answer."""
        return int((await self.ask(path, method, **headers))[0]["status"])


async def test_who_is_signed_in_sees_the_page() -> None:
    """And it may not be kept, framed or guessed at by the browser."""
    told = (await House().ask())[0]
    headers = dict(told["headers"])

    assert told["status"] == 200
    assert headers[b"x-frame-options"] == b"DENY"
    assert b"frame-ancestors 'none'" in headers[b"content-security-policy"]
    assert headers[b"x-content-type-options"] == b"nosniff"


async def test_only_our_own_scripts_carry_the_nonce() -> None:
    """Each page has another; what was text stays text, and no inline script is allowed without."""
    house = House()
    first, second = [await house.ask() for _ in range(2)]
    policy = dict(first[0]["headers"])[b"content-security-policy"].decode()
    nonce = policy.split("'nonce-")[1].split("'")[0]
    body = first[1]["body"].decode()

    assert body.count(f'<script nonce="{nonce}"') == 2
    assert "&lt;script>" in body
    assert f"{len(body)}".encode() == dict(first[0]["headers"])[b"content-length"]
    assert nonce not in second[1]["body"].decode()
    assert "script-src 'self' 'nonce-" in policy
    assert "'unsafe-inline'" not in policy.split("script-src")[1].split(";")[0]


@pytest.mark.parametrize("host", ["elsewhere.example", "127.0.0.1.elsewhere.example", "", "a:b:c"])
async def test_a_name_that_is_not_ours_is_not_answered(host: str) -> None:
    """DNS rebinding brings a page here by its own name."""
    assert await House().status(host=host) == 403


@pytest.mark.parametrize("host", [HOST, "localhost:1", "board:7589", "[::1]:7589", "board.local"])
async def test_our_names_are_answered(host: str) -> None:
    """Addresses cannot be rebound."""
    assert await House().status(host=host) == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://elsewhere.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:1234"},
        {"origin": f"https://{HOST}"},
        {"sec_fetch_site": "cross-site"},
        {},
    ],
)
@pytest.mark.parametrize("path", ["/signin", "/signout", "/anything"])
async def test_what_changes_something_comes_from_our_own_page(
    headers: dict[str, str], path: str
) -> None:
    """With the right cookie, too: another site may have made the browser send it."""
    assert await House().status(path, "POST", **headers) == 403


async def test_our_own_page_may_change_something() -> None:
    """Also behind a proxy that is named."""
    house = House()

    assert await house.status("/anything", "POST", origin=OWN) == 200
    assert await house.status("/anything", "POST", origin="https://console.example") == 200


async def test_a_link_on_another_page_leads_here_and_nothing_else_does() -> None:
    """A document may be opened; a script, picture or fetch of another page gets nothing."""
    house = House()
    crossing = {"sec_fetch_site": "cross-site"}

    assert await house.status(sec_fetch_dest="document", **crossing) == 200
    for dest in ("script", "image", "empty", "iframe"):
        assert await house.status(sec_fetch_dest=dest, **crossing) == 403


async def test_without_a_session_a_page_leads_to_the_form() -> None:
    """Everything else is told; only what everybody may have is answered."""
    house = House()
    told = (await house.ask("/models", cookie="", accept="text/html"))[0]

    assert told["status"] == 303
    assert dict(told["headers"])[b"location"] == b"/signin?next=/models"
    told = (await house.ask("/hub", cookie="", accept="text/html", query="repo=a/b&x=1"))[0]
    assert dict(told["headers"])[b"location"] == b"/signin?next=/hub%3Frepo%3Da/b%26x%3D1"
    assert await house.status("/models", cookie="rkd_console=other") == 401
    assert await house.status("/console/console.css", cookie="") == 200
    for path in ("/_nicegui/3.18.0/dynamic_resources/x", "/_nicegui_ws/socket.io", "/console/a/b"):
        assert await house.status(path, cookie="") == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://elsewhere.example"},
        {"origin": "null"},
        {},
        {"origin": OWN, "cookie": ""},
    ],
)
async def test_a_web_socket_of_somebody_else_is_refused(headers: dict[str, str]) -> None:
    """Browsers ask nobody before they open one: the origin is all there is."""
    told = await House().ask("/_nicegui_ws/", kind="websocket", **headers)

    assert [one["type"] for one in told] == ["websocket.close"]


async def test_a_web_socket_of_ours_is_taken() -> None:
    """With cookie and origin."""
    told = await House().ask("/_nicegui_ws/", kind="websocket", origin=OWN)

    assert told == [{"type": "websocket.accept"}]


async def test_signing_out_ends_web_sockets() -> None:
    """Those that wait, at once."""
    house = House()
    told: list[Any] = []
    accepted = asyncio.Event()
    pairs = [("host", HOST), ("cookie", "rkd_console=me"), ("origin", OWN)]
    scope: dict[str, Any] = {
        "type": "websocket",
        "path": "/_nicegui_ws/",
        "http_version": "1.1",
        "headers": [(name.encode(), value.encode()) for name, value in pairs],
    }

    async def receive() -> dict[str, Any]:
        await asyncio.Event().wait()
        return {}

    async def send(message: Any) -> None:
        told.append(message)
        accepted.set()

    talking = asyncio.create_task(house.guard(scope, receive, send))
    await accepted.wait()
    house.sessions.end("me")
    await talking

    assert told == [{"type": "websocket.accept"}]


@pytest.mark.parametrize(
    ("cookie", "accept", "expected"),
    [
        ("fr", "en", "fr"),
        ("", "zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("xx", "de,fr;q=0.5", "fr"),
        ("", "", "en"),
        ("<script>", "*", "en"),
    ],
)
def test_the_language_is_the_one_chosen_or_the_browsers(
    cookie: str, accept: str, expected: str
) -> None:
    """Ours, where we have it."""
    assert language_of({"rkd_language": cookie}, {"accept-language": accept}) == expected


def test_cookies_that_are_none_are_none() -> None:
    """Broken and endless ones change nothing."""
    assert cookies_in({"cookie": "a=b; rkd_dark=dark"})["rkd_dark"] == "dark"
    assert cookies_in({"cookie": "x" * 100_000}) == {}
    assert cookies_in({"cookie": "\x00\x01=;;;=,"}) == {}
    assert dark_of({"rkd_dark": "no"}) is None


def test_nobody_is_asked_for_outside_a_request() -> None:
    """What a request asks for is known in it alone."""
    with pytest.raises(LookupError):
        NOW.get()
