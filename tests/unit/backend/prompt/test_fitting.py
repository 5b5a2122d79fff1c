"""What is left out of a conversation that is longer than the context."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rkd.backend.prompt.fitting import Fitted, fitted
from rkd.errors import BeyondRangeError, Reason
from rkd.inference import ContextOverflow, Run, Sampling
from rkd.model import Message, ToolCall

TRIM = ContextOverflow.TRIM_OLDEST


def said(role: str, tokens: int = 10, **more: object) -> Message:
    """A turn of so many tokens."""
    return replace(Message(role, "x" * tokens), **more)  # type: ignore[arg-type]


def called(*ids: str) -> Message:
    """An answer that calls."""
    return said("assistant", tool_calls=tuple(ToolCall(one, "f", "{}") for one in ids))


def result(of: str = "") -> Message:
    """What a call came to."""
    return said("tool", tool_call_id=of)


def run(*messages: Message, own: int = 0, most: int | None = None) -> Run:
    """A run that may be trimmed."""
    sampling = Sampling(max_tokens=most)
    return Run(sampling, messages=messages, context_overflow=TRIM, own_turns=own)


def tokens(one: Run) -> int:
    """A character is a token here, and a template has none of its own."""
    return sum(len(message.content) for message in one.messages)


def roles(it: Fitted) -> str:
    """The first letters of the roles that are left."""
    return "".join(message.role[0] for message in it.run.messages)


def test_what_fits_is_left_alone() -> None:
    """Nothing is said either."""
    asked = run(said("system"), said("user"), said("assistant"), said("user"), most=10)

    assert fitted(asked, 50, tokens) == Fitted(asked)


def test_nothing_is_counted_unless_it_is_asked_for() -> None:
    """By default the engine refuses; a raw prompt has no turns."""

    def never(_run: Run) -> int:
        raise AssertionError("counted")

    for asked in (Run(messages=(said("user", 900),)), Run(prompt="x", context_overflow=TRIM)):
        assert fitted(asked, 50, never) == Fitted(asked)


def test_the_oldest_turns_go_and_that_is_said() -> None:
    """System turns stay where they are; so do the model's own examples, and room for an answer."""
    rounds = [said("user"), said("assistant")] * 5
    asked = run(
        said("system"), said("user"), said("assistant"), *rounds, said("system"), said("user"),
        own=2, most=20,
    )  # fmt: skip

    it = fitted(asked, 100, tokens)

    assert roles(it) == "sua" + "ua" + "su"
    assert it.run.messages[1] is asked.messages[1]
    (said_of_it,) = it.warnings
    assert said_of_it == (
        "left out to fit the context of 100 tokens, oldest first: 4 user, 4 assistant messages; "
        "the prompt has 70 tokens instead of 150"
    )


def test_calls_and_results_go_together() -> None:
    """Also where a user's turn stands between them, or the results have no ids."""
    tied = [said("user"), called("a", "b"), result("a"), said("user"), result("b")]
    bare = [said("user"), called(""), said("user"), result()]

    for first, left in ((tied, "ua"), (bare, "ua")):
        asked = run(*first, said("user"), said("assistant"), said("user", 10), most=1)
        most = tokens(asked) - 1
        it = fitted(asked, most, tokens)

        assert roles(it) == left + "u"


def test_of_one_long_task_the_steps_in_between_go() -> None:
    """The question stays, and the last step with its results."""
    steps = [
        turn
        for one in range(8)
        for turn in (called(f"{one}a", f"{one}b"), result(f"{one}a"), result(f"{one}b"))
    ]
    asked = run(said("system"), said("user"), said("assistant"), said("user"), *steps, most=1)

    it = fitted(asked, 100, tokens)

    assert roles(it) == "su" + "att" * 2
    assert it.run.messages[1] is asked.messages[3]
    assert it.run.messages[-3:] == tuple(steps[-3:])


@pytest.mark.parametrize("before", [0, 3])
def test_one_turn_alone_too_long_is_refused(before: int) -> None:
    """With its own length, not with that of all."""
    rounds = [said("user"), said("assistant")] * before
    with pytest.raises(BeyondRangeError) as caught:
        fitted(run(said("system"), *rounds, said("user", 90)), 100, tokens)

    assert caught.value.reason is Reason.CONTEXT_LENGTH_EXCEEDED
    assert caught.value.metadata == {"prompt_tokens": "100", "limit": "100"}


def test_the_room_for_an_answer_is_a_wish() -> None:
    """A last turn that leaves less than that is sent all the same."""
    it = fitted(run(said("user"), said("assistant"), said("user", 95), most=50), 100, tokens)

    assert roles(it) == "u"


def test_a_conversation_that_grows_begins_the_same_for_a_while() -> None:
    """So that what is computed can be used again: the cut moves in steps."""
    turns: list[Message] = []
    cuts = []
    for _ in range(60):
        turns += [said("user", 5), said("assistant", 5)]
        it = fitted(run(*turns, said("user", 5), most=10), 400, tokens)
        cuts.append(len(turns) + 1 - len(it.run.messages))

    assert cuts == sorted(cuts)
    moves = [b - a for a, b in itertools.pairwise(cuts) if b > a]
    assert len(moves) < len([one for one in cuts if one]) / 3


@st.composite
def conversations(draw: st.DrawFn) -> Run:
    """Rounds with answers, calls, results in any place behind them, system turns between."""
    turns: list[Message] = [said("system")] if draw(st.booleans()) else []
    own = draw(st.sampled_from([0, 2]))
    turns += [said("user", 3), said("assistant", 3)][:own]
    number = 0
    for _ in range(draw(st.integers(1, 8))):
        turns.append(said("user", draw(st.integers(1, 30))))
        for _ in range(draw(st.integers(0, 3))):
            ids = [f"{number}-{at}" for at in range(draw(st.integers(0, 2)))]
            number += 1
            turns.append(called(*ids) if ids else said("assistant", draw(st.integers(1, 30))))
            turns += [result(one) for one in ids]
        if draw(st.integers(0, 5)) == 0:
            turns.append(said("system", 3))
    turns.append(said("user", draw(st.integers(1, 30))))
    return run(*turns, own=own, most=draw(st.sampled_from([None, 1, 20])))


@settings(max_examples=300, deadline=None)
@given(asked=conversations(), context=st.integers(40, 300))
def test_what_is_left_is_a_conversation(asked: Run, context: int) -> None:
    """In order, with all that may not go, calls beside their results, within the context."""
    try:
        it = fitted(asked, context, tokens)
    except BeyondRangeError:
        return
    left, had = it.run.messages, asked.messages
    places = iter(had)
    assert all(any(one is other for other in places) for one in left)
    assert tokens(it.run) < context
    assert [one for one in left if one.role == "system"] == [
        one for one in had if one.role == "system"
    ]
    assert left[-1] is had[-1]
    calls = {call.id for one in left for call in one.tool_calls}
    assert calls == {one.tool_call_id for one in left if one.role == "tool"}
    assert bool(it.warnings) == (len(left) < len(had))
    plain = [[one for one in turns if one.role != "system"] for turns in (left, had)]
    assert plain[0][: asked.own_turns] == plain[1][: asked.own_turns]
    assert plain[0][asked.own_turns].role == "user"


def test_few_prompts_are_made_for_many_turns() -> None:
    """Halving, not one by one."""
    made = 0

    def counted(one: Run) -> int:
        nonlocal made
        made += 1
        return tokens(one)

    count: Callable[[Run], int] = counted
    fitted(run(*[said("user"), said("assistant")] * 2000, said("user")), 1000, count)

    assert made < 30
