"""Anthropic's blocks and turns, without a daemon."""

from __future__ import annotations

from typing import Any

import pytest
from rkd_client.errors import RkdError
from rkd_gateway.anthropic.messages import AnswerBlocks
from rkd_gateway.anthropic.turns import chosen, turns
from rkd_gateway.fields import Fields

from rkd.v1 import types_pb2 as types


def test_blocks_open_and_close_one_after_the_other() -> None:
    """Thoughts, text and two calls are blocks 0 to 3, whatever comes in one piece."""
    blocks = AnswerBlocks()
    one = types.ToolCallDelta(index=0, id="a", name="f", arguments="{")
    pieces = [
        types.Delta(reasoning_text="hm", text="so"),
        types.Delta(text=" far", tool_calls=[one]),
        types.Delta(tool_calls=[types.ToolCallDelta(index=0, arguments="}")]),
        types.Delta(tool_calls=[types.ToolCallDelta(index=1, id="b", name="g")]),
    ]
    events = [event for piece in pieces for event in blocks.add(piece)] + blocks.close()
    told = [(one["type"].removeprefix("content_block_"), one["index"]) for one in events]

    assert told == [
        *[("start", 0), ("delta", 0), ("stop", 0), ("start", 1), ("delta", 1), ("delta", 1)],
        *[("stop", 1), ("start", 2), ("delta", 2), ("delta", 2), ("stop", 2), ("start", 3)],
        ("stop", 3),
    ]
    assert blocks.close() == []


def test_a_message_of_results_becomes_turns_of_tools() -> None:
    """Each with the name of its call, an error marked, the user's own words behind them."""
    call = {"type": "tool_use", "id": "1", "name": "add", "input": {"a": 1}}
    results = [
        {"type": "tool_result", "tool_use_id": "1", "content": [{"type": "text", "text": "2"}]},
        {"type": "tool_result", "tool_use_id": "9", "content": "no such thing", "is_error": True},
    ]
    system = [{"type": "text", "text": "Be"}, {"type": "text", "text": "kind"}]
    given = [
        {"role": "assistant", "content": [call]},
        {"role": "user", "content": [*results, {"type": "text", "text": "So?"}]},
    ]
    made = turns(Fields({"system": system, "messages": given}))

    assert [(one["role"], one["content"]) for one in made] == [
        ("system", "Be\nkind"),
        ("assistant", ""),
        ("tool", "2"),
        ("tool", "Error: no such thing"),
        ("user", "So?"),
    ]
    assert [one["tool_name"] for one in made if one["role"] == "tool"] == ["add", ""]


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (None, None),
        ({"type": "auto"}, "auto"),
        ({"type": "any", "disable_parallel_tool_use": True}, "required"),
        ({"type": "tool", "name": "add"}, "add"),
        ({"type": "none"}, "none"),
    ],
)
def test_a_choice_of_tools(given: dict[str, Any] | None, wanted: str | None) -> None:
    """In the daemon's words."""
    assert chosen(None if given is None else Fields(given, "tool_choice.")) == wanted


@pytest.mark.parametrize(
    "message",
    [
        "no object",
        {"role": "tool", "content": "x"},
        {"role": "user", "content": 3},
        {"role": "user", "content": [{"type": "image", "source": {}}]},
        {"role": "assistant", "content": [{"type": "tool_use", "input": "text"}]},
        {"role": "user", "content": [{"type": "text", "text": "x", "odd": 1}]},
    ],
)
def test_what_is_no_message_is_refused_where_it_stands(message: object) -> None:
    """By its place."""
    with pytest.raises(RkdError, match=r"messages\[0\]"):
        turns(Fields({"messages": [message]}))
