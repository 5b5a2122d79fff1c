"""Responses without a daemon: items, events, what is remembered."""

from __future__ import annotations

from typing import Any

import pytest
from rkd_client.errors import NotFoundError
from rkd_gateway.responses.items import items_of, turns
from rkd_gateway.responses.store import KeptResponse, ResponseStore
from rkd_gateway.responses.telling import Telling

from rkd.v1 import types_pb2 as types


def test_thoughts_calls_and_text_belong_to_one_turn() -> None:
    """As the model made them; a result is a turn of its own and knows its call's name."""
    call = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}", "id": "x"}
    items = [
        {"role": "user", "content": "Hi"},
        {"type": "reasoning", "id": "r", "summary": [{"type": "summary_text", "text": "hm"}]},
        call,
        {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_text"}]},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "A"}]},
        {"role": "developer", "content": "Be kind"},
    ]
    made = turns(items)

    assert [one["role"] for one in made] == ["user", "assistant", "tool", "assistant", "system"]
    assert (made[1]["reasoning"], len(made[1]["tool_calls"])) == ("hm", 1)
    assert made[2]["tool_name"] == "f"
    assert made[3]["content"] == "A"


def test_a_text_is_one_message() -> None:
    """Of the user."""
    assert [one["content"] for one in turns(items_of("Hi"))] == ["Hi"]


@pytest.mark.parametrize("summary", [True, False])
def test_every_item_opens_and_closes(summary: bool) -> None:  # noqa: FBT001 - a parameter of pytest
    """Thoughts, text, a call: each added, filled, done; numbers go up by one."""
    response: dict[str, Any] = {"id": "r", "status": "in_progress", "output": []}
    telling = Telling(response, summary=summary)
    call = types.ToolCallDelta(index=0, id="a", name="f", arguments="{}")
    pieces = [types.Delta(reasoning_text="hm"), types.Delta(text="so"), types.Delta(text=" far")]
    pieces.append(types.Delta(tool_calls=[call]))
    events = telling.begin() + [one for piece in pieces for one in telling.add(piece)]
    events += telling.end(types.Finished(finish_reason=types.FINISH_REASON_TOOL_CALL))
    kinds = [one["type"].removeprefix("response.") for one in events]

    assert [one["sequence_number"] for one in events] == list(range(len(events)))
    assert kinds.count("output_item.added") == kinds.count("output_item.done") == 3
    assert ("reasoning_summary_text.delta" in kinds) is summary
    assert [one["type"] for one in response["output"]] == ["reasoning", "message", "function_call"]
    assert all(one["status"] == "completed" for one in response["output"])
    assert response["output"][1]["content"][0]["text"] == "so far"
    assert (kinds[-1], response["status"]) == ("completed", "completed")


def test_what_was_left_out_is_told() -> None:
    """The daemon's warnings are the response's, as truncation promises."""
    response: dict[str, Any] = {"id": "r", "status": "in_progress", "output": []}
    Telling(response, summary=False).end(types.Finished(warnings=["the oldest turn went"]))

    assert response["warnings"] == ["the oldest turn went"]


def test_one_that_breaks_says_why() -> None:
    """What came before stays."""
    response: dict[str, Any] = {"id": "r", "status": "in_progress", "output": []}
    telling = Telling(response, summary=False)
    telling.add(types.Delta(text="so"))
    events = telling.fail({"code": "WORKER_CRASHED", "message": "It died."})

    assert events[-1]["type"] == "response.failed"
    assert events[-1]["response"]["error"]["code"] == "WORKER_CRASHED"
    assert response["output"][0]["status"] == "incomplete"


def _kept(identity: str, text: str = "") -> KeptResponse:
    return KeptResponse({"id": identity, "output": [text]}, [], 0)


def test_the_oldest_is_forgotten_first() -> None:
    """By number and by bytes; looking at one keeps it."""
    store = ResponseStore(most=2, most_bytes=1000)
    store.put("me", _kept("a"))
    store.put("me", _kept("b"))
    store.get("me", "a")
    store.put("me", _kept("c"))
    with pytest.raises(NotFoundError):
        store.get("me", "b")
    store.put("me", _kept("d", "x" * 950))
    with pytest.raises(NotFoundError):
        store.get("me", "a")
    store.put("me", _kept("e", "x" * 1000))
    with pytest.raises(NotFoundError):
        store.get("me", "e")


def test_nobody_finds_anothers() -> None:
    """The id alone is no key."""
    store = ResponseStore()
    store.put("me", _kept("a"))
    with pytest.raises(NotFoundError):
        store.get("you", "a")
    with pytest.raises(NotFoundError):
        store.delete("you", "a")
    assert store.get("me", "a").response["id"] == "a"
