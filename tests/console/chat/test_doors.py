"""The chat's requests: who is answered, and how much is read."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest
from rkd_client import AsyncClient
from rkd_console.asked import NOW, PageRequest
from rkd_console.chat import doors, kept
from rkd_console.chat.conversation import Conversation, Lane, Turn
from rkd_console.chat.desk import Desk
from rkd_console.chat.doors import GONE, Doors
from rkd_console.chat.room import Room
from rkd_console.signin import SignedIn
from starlette.requests import Request

from rkd.access.role import Role
from tests.console.chat.fakes import FakeClient, FakeScreen, Names, say


def session() -> SignedIn:
    """Return somebody who is signed in."""
    client = cast("AsyncClient", FakeClient())
    return SignedIn(client, Role.GENERATE, has_token=False, begun_s=0.0, seen_s=0.0)


class House:
    """Doors with one room behind them, named `desk`."""

    def __init__(self) -> None:
        self.owner, self.doors = session(), Doors(Names())
        self.room = Room(
            client=self.owner.client,
            owner=self.owner,
            desk=Desk(lambda: 0.0, lambda _: False),
            screen=FakeScreen(),
            say=say,
            now_ms=lambda: 7,
            new_id=Names(),
        )
        self.doors.put("desk", self.owner, self.room)

    async def ask(
        self,
        what: str,
        body: bytes,
        *,
        desk: str = "desk",
        owner: SignedIn | None = None,
        name: str = "",
    ) -> tuple[int, dict[str, Any]]:
        """Ask as *owner*, and return status and answer."""
        pieces = iter([body[:100], body[100:]])

        async def receive() -> dict[str, Any]:
            piece = next(pieces, None)
            return {"type": "http.request", "body": piece or b"", "more_body": piece is not None}

        scope = {
            "type": "http",
            "method": "POST",
            "path": "/",
            "query_string": f"name={name}".encode(),
            "headers": [],
            "path_params": {"what": what, "desk": desk},
        }
        NOW.set(PageRequest(owner or self.owner, "s", "en", None))
        response = await self.doors.answer(Request(scope, receive))
        return response.status_code, json.loads(bytes(response.body))


async def test_a_page_is_answered() -> None:
    """What it does, and what works meanwhile."""
    assert await House().ask("act", b'{"do": "show"}') == (200, {"ok": True, "working": []})


@pytest.mark.parametrize("desk", ["", "other", "../desk"])
async def test_a_desk_that_is_none_is_gone(desk: str) -> None:
    """The page loads itself again then."""
    status, answer = await House().ask("act", b'{"do": "show"}', desk=desk)

    assert status == GONE
    assert answer["error"]["said"]


async def test_anothers_desk_is_gone_too() -> None:
    """Its name alone is of no use."""
    status, _ = await House().ask("act", b'{"do": "show"}', owner=session())

    assert status == GONE


async def test_a_page_that_is_closed_is_answered_no_more() -> None:
    """Nor held."""
    house = House()
    house.doors.close("desk")

    assert (await house.ask("act", b'{"do": "show"}'))[0] == GONE


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'{"do": "fly"}',
        b'{"do": "send"}',
        b'{"do": "choose", "lane": 7}',
        b"[" * 9999,
    ],
)
async def test_what_the_chat_does_not_do_is_told(body: bytes) -> None:
    """In a sentence."""
    status, answer = await House().ask("act", body)

    assert (status, "INVALID_FIELD" in answer["error"]["said"]) == (200, True)


async def test_a_body_has_a_most() -> None:
    """It is not read to its end."""
    _, answer = await House().ask("picture", b"x" * (kept.MAX_PICTURE_BYTES + 1))

    assert "BODY_TOO_LARGE" in answer["error"]["said"]


async def test_all_bodies_together_have_a_most() -> None:
    """What was looked at is given back; what would be too much is told to come again."""
    house = House()
    for _ in range(3):
        await house.ask("file", b"x" * 1_000_000)
    house.doors._held_bytes += doors.MAX_HELD_BYTES - 999_999
    _, answer = await house.ask("file", b"x" * 1_000_000)

    assert "CHAT_BUSY" in answer["error"]["said"]
    assert house.doors._held_bytes == doors.MAX_HELD_BYTES - 999_999


async def test_a_file_is_named_by_its_query() -> None:
    """And listed with what it is."""
    _, answer = await House().ask("file", b"milk", name="a%20b.txt")

    assert (answer["name"], answer["text"]) == ("a b.txt", "milk")


async def test_what_is_imported_is_judged_and_settled() -> None:
    """Nothing of it runs, nothing of it is hidden, and each has a name to spare."""
    turns = (Turn("q", "", "user", text="\u202ehi"), Turn("a", "q", "assistant", state="running"))
    made = Conversation("c", lanes=(Lane("m", turns),))

    _, answer = await House().ask("import", kept.written([made]))

    (one,) = answer["conversations"]
    assert one["conversation"]["lanes"][0]["turns"][1]["state"] == "stopped"
    assert one["name"] == "⟨202E⟩hi"
    assert one["spare"] != "c"


async def test_an_opened_conversation_is_drawn() -> None:
    """As the browser kept it."""
    house = House()
    turns = (Turn("q", "", "user", text="hi"),)
    made = Conversation("c", lanes=(Lane("m", turns),))

    _, answer = await house.ask("open", kept.written([made]))

    assert answer == {"ok": True}
    assert house.room.conversation == made
