"""What one page does, without a browser: what is drawn, kept and asked."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Sequence
from typing import Any, cast

import pytest
from rkd_client import AsyncClient
from rkd_client.errors import InvalidInputError
from rkd_client.v1.models import ShowResponse
from rkd_client.v1.types import Accepted, Capabilities, Capability, Delta, ToolCallDelta
from rkd_console.chat import kept
from rkd_console.chat.acts import ACT, carry_out
from rkd_console.chat.collecting import Collector
from rkd_console.chat.conversation import Conversation, Lane, Picture, Turn, Wishes
from rkd_console.chat.desk import Desk
from rkd_console.chat.room import TURNS_AT_ONCE, Room

from tests.console.chat.fakes import DONE, FakeClient, FakeScreen, Names, gone, say, until, words

PNG = b"\x89PNG\r\n\x1a\n123"


class World:
    """A room with all it speaks to."""

    def __init__(self, *answers: Sequence[object]) -> None:
        self.client, self.screen = FakeClient(*answers), FakeScreen()
        self.desk, self.names = Desk(lambda: 0.0, lambda _: False), Names()
        self.room = self.entered(self.screen)

    def entered(self, screen: FakeScreen) -> Room:
        """Return another page of the same owner."""
        return Room(
            client=cast("AsyncClient", self.client),
            owner="me",
            desk=self.desk,
            screen=screen,
            say=say,
            now_ms=lambda: 7,
            new_id=self.names,
        )

    def texts(self, lane: int = 0) -> list[str]:
        """Texts of the chosen way."""
        return [one.text for one in self.room.conversation.lanes[lane].path()]

    async def ended(self) -> None:
        """Wait until nothing runs and everything is kept."""
        await until(lambda: not self.desk.of("me", self.room.conversation.id))

    async def act(self, **what: Any) -> dict[str, Any]:
        """Do what a browser asks."""
        return await carry_out(self.room, ACT.validate_python(what))


@contextlib.asynccontextmanager
async def world(*answers: Sequence[object]) -> AsyncIterator[World]:
    """A room whose answers are drawn."""
    made = World(*answers)
    await made.room.model(0, "m")
    drawing = asyncio.create_task(made.room.follower.draw())
    try:
        yield made
    finally:
        drawing.cancel()
        await asyncio.gather(drawing, return_exceptions=True)
        await made.desk.close()


def document(*turns: Turn, name: str = "c") -> bytes:
    """Return a conversation as a browser keeps it."""
    return kept.written([Conversation(name, lanes=(Lane("m", turns),))])


class TestAsking:
    """From what is typed to what is kept."""

    async def test_what_is_typed_is_asked_drawn_and_kept(self) -> None:
        """The whole way, once."""
        async with world(words("Hello ", "*world*")) as one:
            await one.act(do="send", text="hi")
            await one.ended()

            assert one.texts() == ["hi", "Hello *world*"]
            ((model, messages, options),) = one.client.asked
            assert (model, [m.content for m in messages]) == ("m", ["hi"])
            assert options["priority"] == "interactive"
            assert one.screen.html() == "<p>Hello <em>world</em></p>\n"
            assert one.screen.steps[-1]["state"] == "done"
            assert one.screen.kept[-1]["turns"][0]["text"] == "Hello *world*"
            assert one.screen.kept[-1]["name"] == "hi"

    async def test_settings_are_asked_with_it(self) -> None:
        """System prompt, parameters, functions."""
        async with world(words("x")) as one:
            wishes = Wishes("be", {"temperature": 0.5}, tools_json='{"name": "f"}')
            await one.room.settings(wishes)
            await one.act(do="send", text="hi")

            ((_, messages, options),) = one.client.asked
            assert messages[0].content == "be"
            assert options["temperature"] == 0.5
            assert [tool.name for tool in options["tools"]] == ["f"]

    async def test_functions_that_are_none_change_nothing(self) -> None:
        """They are refused before."""
        async with world() as one:
            with pytest.raises(InvalidInputError):
                await one.room.settings(Wishes("be", tools_json="{"))

            assert one.room.conversation.settings.system is None

    async def test_one_answer_is_made_at_a_time(self) -> None:
        """A second question waits for its end."""
        async with world([Accepted(request_id="r"), Delta("x"), None, DONE]) as one:
            await one.act(do="send", text="hi")
            with pytest.raises(InvalidInputError, match="CHAT_BUSY"):
                await one.act(do="send", text="more")
            await one.act(do="stop")
            await one.ended()

            assert one.texts() == ["hi", "x"]
            assert one.client.cancelled == ["r"]

    async def test_nothing_is_asked_of_nobody(self) -> None:
        """Without a model it says so; an empty text is no question."""
        async with world() as one:
            await one.act(do="send", text="  ")

            assert one.texts() == []

    async def test_results_of_calls_are_sent_back(self) -> None:
        """In the order of the calls; as many as there are."""
        call = Delta(
            tool_calls=(ToolCallDelta(0, "1", "f", "{}"), ToolCallDelta(1, "2", "g", "{}"))
        )
        async with world([Accepted(), call, DONE], words("so")) as one:
            await one.act(do="send", text="hi")
            await one.ended()
            turn = one.room.conversation.lanes[0].tip
            with pytest.raises(InvalidInputError, match="2 calls"):
                await one.act(do="results", lane=0, turn=turn, results=["3"])
            await one.act(do="results", lane=0, turn=turn, results=["3", "4"])
            await one.ended()

            assert one.texts() == ["hi", "", "3", "4", "so"]
            sent = one.client.asked[-1][1]
            assert [(m.role, m.tool_call_id) for m in sent[-2:]] == [("tool", "1"), ("tool", "2")]


class TestBranches:
    """Again, edit, remove, go on."""

    async def test_an_edited_question_is_asked_beside_the_old(self) -> None:
        """Both stay."""
        async with world(words("a"), words("b")) as one:
            await one.act(do="send", text="one")
            await one.ended()
            question = one.room.conversation.lanes[0].path()[0].id
            await one.act(do="edit", lane=0, turn=question, text="two")
            await one.ended()

            assert one.texts() == ["two", "b"]

            asked = one.room.conversation.lanes[0].path()[0].id
            await one.act(do="choose", lane=0, turn=asked, step=-1)

            assert one.texts() == ["one", "a"]
            assert [turn["of"] for turn in one.screen.shown[-1]["lanes"][0]["turns"]] == [2, 1]

    async def test_an_edited_answer_is_not_asked(self) -> None:
        """It is what the model is told it said."""
        async with world(words("a"), words("c")) as one:
            await one.act(do="send", text="one")
            await one.ended()
            await one.act(do="edit", lane=0, turn=one.room.conversation.lanes[0].tip, text="mine")
            await one.act(do="send", text="two")
            await one.ended()

            assert [m.content for m in one.client.asked[-1][1]] == ["one", "mine", "two"]

    async def test_an_answer_goes_on_where_it_was_lost(self) -> None:
        """What had come is sent along, and stands before what comes."""
        async with world([Accepted(), Delta("half"), gone()], words(" whole")) as one:
            await one.act(do="send", text="hi")
            await one.ended()
            turn = one.room.conversation.lanes[0].tip
            await one.act(do="go_on", lane=0, turn=turn)
            await one.ended()

            assert one.texts() == ["hi", "half whole"]
            assert [m.content for m in one.client.asked[-1][1]] == ["hi", "half"]
            assert one.room.conversation.lanes[0].path()[-1].failure is None

    async def test_what_is_removed_stops(self) -> None:
        """An answer in the making, too."""
        async with world([Accepted(request_id="r"), Delta("x"), None, DONE]) as one:
            await one.act(do="send", text="hi")
            turn = one.room.conversation.lanes[0].path()[0].id
            await one.act(do="remove", lane=0, turn=turn)

            assert one.texts() == []
            assert one.client.cancelled == ["r"]

    @pytest.mark.parametrize(
        "what",
        [
            {"do": "again", "lane": 0, "turn": "nobody"},
            {"do": "again", "lane": 1, "turn": "nobody"},
            {"do": "go_on", "lane": 0, "turn": "nobody"},
            {"do": "edit", "lane": 0, "turn": "nobody", "text": ""},
            {"do": "choose", "lane": 0, "turn": "nobody", "step": 1},
            {"do": "results", "lane": 0, "turn": "nobody", "results": []},
            {"do": "remove", "lane": 0, "turn": "nobody"},
        ],
    )
    async def test_what_is_not_there_is_told(self, what: dict[str, Any]) -> None:
        """A tab may be older than what it asks for."""
        async with world() as one:
            with pytest.raises(InvalidInputError, match="not in the conversation"):
                await one.act(**what)


class TestPages:
    """Several pages, and those that come back."""

    async def test_another_page_finds_the_answer_in_the_making(self) -> None:
        """From its first word on; at its end both have it."""
        async with world([Accepted(), Delta("half"), None, Delta(" whole"), DONE]) as one:
            await one.act(do="send", text="hi")
            await until(lambda: "half" in one.screen.html())
            opened = kept.written([one.room.conversation])
            screen = FakeScreen()
            other = one.entered(screen)
            drawing = asyncio.create_task(other.follower.draw())
            await other.open(opened)
            one.client.given[0].go.set()
            await until(lambda: screen.kept and one.screen.kept[-1]["turns"][0]["state"] == "done")

            assert screen.html() == one.screen.html() == "<p>half whole</p>\n"
            assert screen.kept[-1]["quiet"]

            drawing.cancel()
            await asyncio.gather(drawing, return_exceptions=True)

    async def test_what_ended_while_nobody_looked_is_kept_when_it_is_found(self) -> None:
        """Then the desk forgets it."""
        one = World(words("whole"))
        await one.room.model(0, "m")
        await one.act(do="send", text="hi")
        opened = kept.written([one.room.conversation])
        one.room.close()
        await until(lambda: not one.desk.working("me"))
        screen = FakeScreen()
        one.room = one.entered(screen)
        drawing = asyncio.create_task(one.room.follower.draw())
        await one.room.open(opened)
        await one.ended()

        assert one.texts() == ["hi", "whole"]
        assert screen.kept[-1]["turns"][0]["text"] == "whole"

        drawing.cancel()
        await asyncio.gather(drawing, return_exceptions=True)

    async def test_another_conversation_ends_and_is_kept(self) -> None:
        """By any page of its owner; it is marked while it is made."""
        async with world([Accepted(), Delta("x"), None, DONE]) as one:
            collector = Collector(one.desk, "me", one.screen)
            await one.act(do="send", text="hi")
            name = one.room.conversation.id
            await one.act(do="new")
            await collector.look()

            assert one.screen.marked == [name]

            one.client.given[0].go.set()
            await until(lambda: not one.desk.working("me"))
            one.screen.there = False
            await collector.look()

            assert one.desk.of("me", name)

            one.screen.there = True
            await collector.look()

            assert one.desk.of("me", name) == {}
            assert one.screen.kept[-1]["of"] == name
            assert one.screen.kept[-1]["turn"]["text"] == "x"
            assert one.screen.marked == []

    async def test_a_browser_that_is_away_is_drawn_from_the_beginning(self) -> None:
        """And keeps the answer when it is back."""
        async with world([Accepted(), Delta("one"), None, Delta(" two"), DONE]) as one:
            await one.act(do="send", text="hi")
            await until(lambda: "one" in one.screen.html())
            one.screen.there = False
            one.client.given[0].go.set()
            await until(lambda: not one.desk.working("me"))
            one.screen.there = True
            await one.ended()

            assert one.screen.html() == "<p>one two</p>\n"

    async def test_an_old_running_turn_has_stopped(self) -> None:
        """The console was started anew meanwhile."""
        async with world() as one:
            turns = (Turn("q", "", "user", text="hi"), Turn("a", "q", "assistant", state="running"))
            await one.room.open(document(*turns))

            assert one.screen.shown[-1]["lanes"][0]["turns"][1]["state"] == "stopped"

    async def test_a_long_conversation_is_shown_from_its_end(self) -> None:
        """More of it when asked."""
        async with world() as one:
            turns = [Turn("t0", "", "user", text="x")]
            turns += [Turn(f"t{at}", f"t{at - 1}", "user", text="x") for at in range(1, 100)]
            await one.room.open(document(*turns))

            lane = one.screen.shown[-1]["lanes"][0]
            assert (len(lane["turns"]), lane["before"]) == (TURNS_AT_ONCE, 100 - TURNS_AT_ONCE)

            await one.act(do="earlier")

            assert len(one.screen.shown[-1]["lanes"][0]["turns"]) == 2 * TURNS_AT_ONCE

    async def test_a_conversation_the_browser_removed_stops(self) -> None:
        """Nothing of it goes on."""
        async with world([Accepted(request_id="r"), None, DONE]) as one:
            await one.act(do="send", text="hi")
            name = one.room.conversation.id
            await one.act(do="new")
            await one.act(do="forget", conversation=name)

            assert one.desk.of("me", name) == {}
            assert one.room.conversation.id != name


class TestLanes:
    """Two models side by side."""

    async def test_both_are_asked_the_same(self) -> None:
        """Each with its own history."""
        async with world(words("a"), words("b"), words("c")) as one:
            await one.act(do="send", text="one")
            await one.ended()
            await one.room.beside("n")

            assert one.texts(1) == ["one", "a"]

            await one.act(do="send", text="two")
            await one.ended()

            assert [asked[0] for asked in one.client.asked] == ["m", "m", "n"]
            assert [one.texts(0)[-1], one.texts(1)[-1]] == ["b", "c"]
            assert kept.read(kept.written([one.room.conversation]))

            await one.room.alone()

            assert len(one.room.conversation.lanes) == 1

    async def test_a_new_conversation_keeps_the_models(self) -> None:
        """And the settings."""
        async with world() as one:
            await one.room.settings(Wishes("be"))
            await one.room.beside("n")
            await one.act(do="new")

            assert [lane.model for lane in one.room.conversation.lanes] == ["m", "n"]
            assert one.room.conversation.settings.system == "be"


class TestFiles:
    """Files of the next turn."""

    async def test_a_file_goes_with_the_turn(self) -> None:
        """Once."""
        async with world(words("x"), words("y")) as one:
            listed = await one.room.file("a.txt", b"milk")
            await one.act(do="send", text="sum", files=[listed["key"]])
            await one.ended()

            assert one.client.asked[0][1][0].content == "File a.txt:\n\nmilk\n\nsum"
            with pytest.raises(InvalidInputError, match="ATTACHMENT_MISSING"):
                await one.act(do="send", text="sum", files=[listed["key"]])

    async def test_a_blind_model_refuses_a_picture(self) -> None:
        """With the daemon's reason."""
        async with world() as one:
            blind = Capabilities(
                backend="cpu", available=True, vision=Capability(reason="it has no eyes")
            )
            one.room.models["m"] = ShowResponse(backend_capabilities=(blind,))
            with pytest.raises(InvalidInputError, match="it has no eyes"):
                await one.room.file("p.png", PNG)

    async def test_a_picture_that_is_not_held_is_asked_for(self) -> None:
        """Of the browser, by its digest; nothing is asked before it is there."""
        digest = hashlib.sha256(PNG).hexdigest()
        async with world(words("a cat")) as one:
            picture = Picture(digest, "image/png", len(PNG))
            turns = (
                Turn("q", "", "user", text="what", pictures=(picture,)),
                Turn("a", "q", "assistant", text="a dog"),
            )
            await one.room.open(document(*turns))

            assert await one.act(do="again", lane=0, turn="a") == {"want": [digest]}
            with pytest.raises(InvalidInputError, match="PICTURE_MISSING"):
                one.room.files.bring(digest, b"another")

            one.room.files.bring(digest, PNG)
            await one.act(do="again", lane=0, turn="a", brought=True)
            await one.ended()

            assert one.texts() == ["what", "a cat"]
            media = one.client.asked[0][1][0].parts[0].media
            assert media is not None
            assert media.data == PNG
