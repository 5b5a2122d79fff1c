"""Reasoning, calls and text come apart the same however the pieces were cut."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rkd.backend.text.calls.sink import new_call_id
from rkd.backend.text.splitter import AnswerSplitter, Split
from rkd.capability.think import opened
from rkd.tokens import ToolCallDelta
from tests.unit.backend.text.cutting import CUTS, merged, pieces_of


def split(whole: str, cuts: list[int], **options: bool) -> Split:
    """What a splitter makes of *whole* in all, ids counted instead of random."""
    ids = itertools.count()
    splitter = AnswerSplitter(call_id=lambda: f"id{next(ids)}", **options)  # type: ignore[arg-type]
    parts = [splitter.feed(piece) for piece in pieces_of(whole, cuts)]
    parts.append(splitter.flush())
    return merged(parts)


CALL = '<tool_call>\n{"name": "f", "arguments": {"a": 1}}\n</tool_call>'
FRAGMENTS = st.lists(
    st.sampled_from(
        ["<think>", "</think>", "\n", " ", "é", "<thi", "<", CALL, "<tool_call>", "</tool_call>"]
    ),
    max_size=10,
).map("".join)


class TestAnswerSplitter:
    """Reasoning, calls and text come out apart."""

    @given(
        whole=FRAGMENTS,
        cuts=CUTS,
        opened=st.booleans(),
        reasoning=st.booleans(),
        tools=st.booleans(),
    )
    def test_any_split_gives_the_same(
        self, *, whole: str, cuts: list[int], opened: bool, reasoning: bool, tools: bool
    ) -> None:
        """Tags cut anywhere are found as if they had come in one piece."""
        options = {"thinking_open": opened, "reasoning": reasoning, "tools": tools}

        assert split(whole, [], **options) == split(whole, cuts, **options)
        assert split(whole, [], **options) == split(whole, list(range(200)), **options)

    def test_reasoning_at_the_start(self) -> None:
        """A block the model opens itself is reasoning, without its tags and blanks."""
        assert Split("answer", "why\nso") == split("\n<think>\nwhy\nso\n</think>\n\nanswer", [])

    def test_reasoning_the_template_opened(self) -> None:
        """Without an opening tag all up to the closing one is reasoning."""
        assert Split("answer", "why") == split("why</think>answer", [], thinking_open=True)

    def test_reasoning_opened_twice(self) -> None:
        """A model may repeat the tag its template already wrote."""
        assert Split("b", "a") == split("<think>\na</think>b", [], thinking_open=True)

    def test_reasoning_never_closed(self) -> None:
        """An answer that ends inside its reasoning is reasoning to the last character."""
        assert Split("", "why </thi") == split("<think>why </thi", [])

    def test_a_tag_in_the_text_is_text(self) -> None:
        """Only the start of an answer can open reasoning."""
        assert Split("say <think>x</think>") == split("say <think>x</think>", [])

    def test_reasoning_not_looked_for(self) -> None:
        """With reasoning off the tags are text."""
        assert Split("<think>x</think>") == split("<think>x</think>", [], reasoning=False)

    def test_a_call(self) -> None:
        """A call comes out whole, with id, name and arguments, and leaves no tags behind."""
        got = split(f"I look.\n{CALL}\n", [], tools=True)

        assert Split("I look.\n", "", (ToolCallDelta(0, "id0", "f", '{"a": 1}'),)) == got

    def test_two_calls_and_text(self) -> None:
        """Calls are numbered from 0, text may follow."""
        got = split(f"{CALL}\n{CALL} done", [], tools=True)

        assert [call.index for call in got.tool_calls] == [0, 1]
        assert got.text == " done"

    def test_a_list_of_calls(self) -> None:
        """One block may hold several calls; arguments given as text stay as they are."""
        got = split(
            '<tool_call>[{"name":"a","parameters":{"é":2}},{"name":"b","arguments":"{}"}]'
            "</tool_call>",
            [],
            tools=True,
        )

        assert [(call.name, call.arguments) for call in got.tool_calls] == [
            ("a", '{"é": 2}'),
            ("b", "{}"),
        ]

    @pytest.mark.parametrize("body", ["no json", "{}", "[1]", '{"name": 3}', "[" * 100_000])
    def test_what_is_no_call_stays_text(self, body: str) -> None:
        """A block that cannot be read as a call is shown as the model wrote it."""
        whole = f"a\n<tool_call>{body}</tool_call>b"

        assert Split(whole) == split(whole, [], tools=True)

    def test_a_call_without_its_end(self) -> None:
        """A model that stops before the closing tag has still made its call."""
        got = split('<tool_call>{"name": "f"}', [], tools=True)

        assert (ToolCallDelta(0, "id0", "f", "{}"),) == got.tool_calls

    def test_half_a_call_is_text(self) -> None:
        """A call cut in the middle is shown, not swallowed."""
        assert Split('x <tool_call>{"na') == split('x <tool_call>{"na', [], tools=True)

    def test_calls_not_looked_for(self) -> None:
        """Without tools the tags are text."""
        assert Split(CALL) == split(CALL, [])

    def test_it_says_where_it_stands(self) -> None:
        """Whoever counts reasoning tokens can ask."""
        splitter = AnswerSplitter()
        before = splitter.in_reasoning
        splitter.feed("<think>a")
        inside = splitter.in_reasoning
        splitter.feed("</think>b")

        assert [before, inside, splitter.in_reasoning] == [False, True, False]

    def test_text_is_not_held_without_need(self) -> None:
        """Once text has begun and no tools are offered, every piece passes at once."""
        splitter = AnswerSplitter()

        assert [Split("a"), Split(" <think>"), Split("\n")] == [
            splitter.feed("a"),
            splitter.feed(" <think>"),
            splitter.feed("\n"),
        ]


def test_a_prompt_that_opens_thinking_is_known() -> None:
    """A prompt ending in the opening tag, blanks aside, is inside a reasoning block."""
    assert [
        bool(opened("<|assistant|><think>\n")),
        bool(opened("<think>\n\n</think>\n")),
        bool(opened("hello")),
    ] == [True, False, False]


def test_call_ids_differ() -> None:
    """Two calls never share an id."""
    assert new_call_id() != new_call_id()
