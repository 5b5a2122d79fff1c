"""One answer in the making, and the desk where all of them are."""

from __future__ import annotations

import asyncio

import pytest
from rkd_client.errors import ExhaustedError
from rkd_client.v1.types import Accepted, Delta, Loading, Prefill, Queued, ToolCallDelta
from rkd_console.chat import desk as desks
from rkd_console.chat import running as runnings
from rkd_console.chat.conversation import MAX_TEXT_CHARACTERS, CalledFunction, Turn
from rkd_console.chat.desk import Desk
from rkd_console.chat.running import Running

from tests.console.chat.fakes import DONE, FakeClient, gone, until, words


def begun(client: FakeClient, name: str = "a", **turn: object) -> Running:
    """Return an answer of *client*'s next, not begun."""
    made = Turn(name, "q", "assistant", model="m", **turn)  # type: ignore[arg-type]
    return Running(made, client.chat("m", []), client.cancel)


async def ended(running: Running) -> Turn:
    """Return the turn when it has ended."""
    await until(lambda: running.ended)
    return running.turn()


class TestRunning:
    """What becomes of the daemon's events."""

    async def test_a_whole_answer_has_text_and_figures(self) -> None:
        """And nobody has to look at it."""
        running = begun(FakeClient(words("Hello ", "world.\n\n", "Bye")))
        running.begin()

        turn = await ended(running)

        assert (turn.text, turn.state) == ("Hello world.\n\nBye", "done")
        assert [one.text for one in running.blocks.done] == ["Hello world.", "Bye"]
        assert turn.figures is not None
        assert (turn.figures.tokens_per_second, turn.figures.warnings) == (4.0, ("w",))

    @pytest.mark.parametrize("count", [1, 4096, 8191, 8192, 8193, 20_000])
    async def test_much_at_once_is_taken_in_parts(self, count: int) -> None:
        """All of it, in its order."""
        text = "".join(f"{at:04d}" for at in range(count))
        running = begun(FakeClient(words(text, "end")))
        running.begin()

        assert (await ended(running)).text == f"{text}end"

    async def test_reasoning_and_calls_are_parted(self) -> None:
        """Calls come in pieces, by their number."""
        pieces = [
            Delta(reasoning_text="hm"),
            Delta(tool_calls=(ToolCallDelta(0, "1", "f", '{"a"'), ToolCallDelta(1, "2", "g", ""))),
            Delta(tool_calls=(ToolCallDelta(0, "", "", ":1}"), ToolCallDelta(99, "", "", "x"))),
        ]
        running = begun(FakeClient([Accepted(), *pieces, DONE]))
        running.begin()

        turn = await ended(running)

        assert turn.reasoning == "hm"
        assert turn.calls[:2] == (CalledFunction("1", "f", '{"a":1}'), CalledFunction("2", "g", ""))
        assert len(turn.calls) <= runnings.MAX_CALLS

    @pytest.mark.parametrize(
        ("event", "name"),
        [
            (Queued(2), "queued"),
            (Loading("loading", 0.5), "loading"),
            (Prefill(10, 5), "prefill"),
            (Delta("x"), "answer"),
        ],
    )
    async def test_what_happens_meanwhile_is_known(self, event: object, name: str) -> None:
        """Waiting, loading, reading, answering."""
        client = FakeClient([Accepted(), event, None])
        running = begun(client)
        running.begin()
        await until(lambda: running.stage.name != "asked")

        assert running.stage.name == name

        await running.close()

    async def test_a_daemon_that_dies_leaves_what_came_and_why(self) -> None:
        """With what to do."""
        running = begun(FakeClient([Accepted(), Delta("half"), gone()]))
        running.begin()

        turn = await ended(running)

        assert (turn.text, turn.state) == ("half", "failed")
        assert turn.failure is not None
        assert (turn.failure.reason, turn.failure.remedy) == ("UNAVAILABLE", "look at it")

    async def test_stopping_asks_the_daemon_and_keeps_its_figures(self) -> None:
        """The daemon ends the answer itself, by its id."""
        client = FakeClient([Accepted(request_id="r7"), Delta("half"), None, DONE])
        running = begun(client)
        running.begin()
        await until(lambda: running.turn().text)
        await running.stop()

        turn = running.turn()
        assert client.cancelled == ["r7"]
        assert (turn.state, turn.text) == ("stopped", "half")
        assert turn.figures is not None
        assert turn.figures.completion_tokens == 2

    async def test_what_the_daemon_does_not_end_is_given_up(self) -> None:
        """Before it was accepted there is nothing to name."""
        client = FakeClient([None])
        running = begun(client)
        running.begin()
        await asyncio.sleep(0)
        await running.stop()

        assert running.turn().state == "stopped"
        assert client.given[0].closed

    async def test_an_answer_goes_on_from_what_there_is(self) -> None:
        """Text of before stands before it."""
        running = begun(FakeClient(words(" world")), text="Hello")
        running.begin()

        assert (await ended(running)).text == "Hello world"

    async def test_an_answer_has_a_most(self) -> None:
        """A model that never ends is stopped, and the turn says so."""
        piece = "x" * (1 << 20)
        client = FakeClient([Accepted(), *[Delta(piece)] * 9, DONE])
        running = begun(client)
        running.begin()

        turn = await ended(running)

        assert len(turn.text) == MAX_TEXT_CHARACTERS
        assert turn.failure is not None
        assert turn.failure.reason == "ANSWER_TOO_LONG"
        assert client.given[0].closed


class Clock:
    """A clock that is set."""

    now_s = 0.0

    def __call__(self) -> float:
        """Return what it was set to."""
        return self.now_s


def nobody(owner: object) -> bool:
    """Say that nobody has signed out."""
    del owner
    return False


class TestDesk:
    """Who finds what, and what is let go."""

    async def test_an_answer_is_found_by_its_owner_alone(self) -> None:
        """In its conversation."""
        desk, client = Desk(Clock(), nobody), FakeClient(words("x"))
        running = begun(client)
        desk.begin("me", "c", running)

        assert desk.of("me", "c") == {"a": running}
        assert desk.working("me") == {"c"}
        assert desk.of("you", "c") == desk.of("me", "d") == {}

        await ended(running)

        assert desk.working("me") == set()

        desk.drop("me", "c", "a")

        assert desk.of("me", "c") == {}

    async def test_what_runs_is_not_dropped(self) -> None:
        """It is not kept elsewhere yet."""
        desk, client = Desk(Clock(), nobody), FakeClient([Accepted(), None])
        desk.begin("me", "c", begun(client))
        desk.drop("me", "c", "a")

        assert desk.of("me", "c")

        await desk.close()

    async def test_nobody_takes_all_of_it(self) -> None:
        """One owner has a most; others are not hindered by him."""
        desk = Desk(Clock(), nobody)
        client = FakeClient(*[[Accepted(), None]] * (desks.MAX_RUNNING_EACH + 2))
        for at in range(desks.MAX_RUNNING_EACH):
            desk.begin("me", "c", begun(client, f"a{at}"))
        with pytest.raises(ExhaustedError, match="CHAT_BUSY"):
            desk.begin("me", "d", begun(client, "b"))
        desk.begin("you", "c", begun(client, "a"))
        await desk.close()

    async def test_who_signs_out_leaves_nothing_behind(self) -> None:
        """His answers end, those of others go on."""
        desk = Desk(Clock(), lambda owner: owner == "me")
        client = FakeClient(*[[Accepted(), None]] * 2)
        mine = begun(client)
        desk.begin("me", "c", mine)
        desk.begin("you", "c", begun(client))
        desk.tidy()
        await until(lambda: mine.ended)

        assert desk.of("me", "c") == {}
        assert desk.of("you", "c")

        await desk.close()

    async def test_what_nobody_comes_back_for_is_let_go(self) -> None:
        """After a while; what a page looks at stays."""
        clock = Clock()
        desk, client = Desk(clock, nobody), FakeClient([Accepted(), None], [Accepted(), None])
        seen, alone = begun(client, "seen"), begun(client, "alone")
        for one in (seen, alone):
            desk.begin("me", "c", one)
        seen.listeners.add(lambda: None)
        clock.now_s = desks.ALONE_S - 1
        desk.touch("me")
        clock.now_s = desks.ALONE_S + 1
        desk.tidy()

        assert list(desk.of("me", "c")) == ["seen", "alone"]

        clock.now_s = 2 * desks.ALONE_S + 1
        desk.tidy()

        assert list(desk.of("me", "c")) == ["seen"]

        await until(lambda: alone.ended)
        await desk.close()

    async def test_what_ended_is_bounded(self) -> None:
        """The oldest is forgotten first."""
        desk = Desk(Clock(), nobody)
        count = desks.MAX_ENDED + 3
        client = FakeClient(*[words("x")] * (count + 1))
        for at in range(count):
            running = begun(client, f"a{at}")
            desk.begin("me", "c", running)
            await ended(running)
        desk.tidy()

        left = list(desk.of("me", "c"))
        assert len(left) == desks.MAX_ENDED
        assert left[-1] == f"a{count - 1}"

        await desk.close()
