"""`/v1/messages`: an answer, event by event or whole."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from typing import Any, Final

from rkd_client import AsyncAnswer

from rkd.v1 import types_pb2 as types
from rkd_gateway.anthropic.asking import options
from rkd_gateway.anthropic.shape import PING, SSE, counted, ended, event, failed, usage
from rkd_gateway.anthropic.turns import chosen, tools, turns
from rkd_gateway.calls import (
    GrowingCall,
    Whole,
    arguments_of,
    deltas,
    finished,
    prompt_tokens,
    warned,
    whole,
)
from rkd_gateway.endpoint import Call, HttpAnswer, Lines
from rkd_gateway.fields import Fields
from rkd_gateway.problems import bad_field

_EMPTY: Final = {
    "text": {"type": "text", "text": ""},
    "thinking": {"type": "thinking", "thinking": "", "signature": ""},
}


async def messages(call: Call) -> HttpAnswer:
    """Answer a conversation."""
    fields = call.fields
    model = fields.name_of_model("model")
    asked = await call.aside(_conversation, fields)
    streamed = fields.yes("stream") or False
    given = {**call.priority, **options(fields)}
    fields.end()
    answer = call.client.chat(model, **asked, **given)
    if streamed:
        return Lines(_events(answer, model), SSE, failed, comment=PING)
    found = await whole(answer)
    end = finished(answer)
    told = {"content": _content(found), **ended(end), "usage": counted(end)}
    return {**_head(model), **told, **warned(end)}


async def count_tokens(call: Call) -> HttpAnswer:
    """Tell how many tokens a conversation is, as the model's own template writes it."""
    fields = call.fields
    model = fields.name_of_model("model")
    asked = await call.aside(_conversation, fields)
    fields.rename("max_tokens", "ignored")
    fields.skip("ignored")
    rest = Fields({**fields.everything(), "max_tokens": 1})
    given = options(rest)
    rest.end()
    answer = call.client.chat(model, **asked, **{**given, "priority": "background"})
    return {"input_tokens": await prompt_tokens(answer)}


def _conversation(fields: Fields) -> dict[str, Any]:
    """Take the turns, the tools and their choice."""
    conversation = turns(fields)
    if not any(one["role"] != "system" for one in conversation):
        raise bad_field("messages", "a list with at least one message")
    choice = chosen(fields.inner("tool_choice"))
    return {"messages": conversation, "tools": tools(fields), "tool_choice": choice}


def _head(model: str) -> dict[str, Any]:
    identity = f"msg_{secrets.token_hex(12)}"
    return {"id": identity, "type": "message", "role": "assistant", "model": model}


def _content(found: Whole) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    if found.reasoning:
        blocks.append({"type": "thinking", "thinking": found.reasoning, "signature": ""})
    if found.text:
        blocks.append({"type": "text", "text": found.text})
    blocks += [
        {**_used(one), "input": arguments_of(one.arguments)}
        for _, one in sorted(found.calls.items())
    ]
    return blocks


def _used(told: GrowingCall | types.ToolCallDelta) -> dict[str, Any]:
    identity = told.id or f"toolu_{secrets.token_hex(12)}"
    return {"type": "tool_use", "id": identity, "name": told.name, "input": {}}


async def _events(answer: AsyncAnswer[Any], model: str) -> AsyncIterator[bytes]:
    blocks = AnswerBlocks()
    begun = False
    async for piece in deltas(answer):
        if not begun:
            begun = True
            yield event(_begin(answer, model))
        for value in blocks.add(piece):
            yield event(value)
    end = finished(answer)
    if not begun:
        yield event(_begin(answer, model))
    for value in blocks.close():
        yield event(value)
    told = {"delta": ended(end), "usage": counted(end), **warned(end)}
    yield event({"type": "message_delta", **told})
    yield event({"type": "message_stop"})


def _begin(answer: AsyncAnswer[Any], model: str) -> dict[str, Any]:
    seen = answer.follow.prefill  # type: ignore[attr-defined]
    counts = usage(seen.total_tokens, seen.cached_tokens, 0) if seen else usage(0, 0, 0)
    empty: dict[str, Any] = {
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": counts,
    }
    return {"type": "message_start", "message": {**_head(model), **empty}}


class AnswerBlocks:
    """The blocks of an answer as they grow: one is open at a time, numbered from 0."""

    def __init__(self) -> None:
        self._at = -1
        self._open: str | int | None = None

    def add(self, piece: types.Delta) -> list[dict[str, Any]]:
        """Return the events that *piece* is."""
        made: list[dict[str, Any]] = []
        if piece.reasoning_text:
            said = {"type": "thinking_delta", "thinking": piece.reasoning_text}
            made += [*self._switch("thinking", _EMPTY["thinking"]), self._delta(said)]
        if piece.text:
            said = {"type": "text_delta", "text": piece.text}
            made += [*self._switch("text", _EMPTY["text"]), self._delta(said)]
        for call in piece.tool_calls:
            made += self._switch(call.index, _used(call))
            if call.arguments:
                part = {"type": "input_json_delta", "partial_json": call.arguments}
                made.append(self._delta(part))
        return made

    def close(self) -> list[dict[str, Any]]:
        """Return the event that closes the open block, if one is open."""
        if self._open is None:
            return []
        self._open = None
        return [{"type": "content_block_stop", "index": self._at}]

    def _switch(self, wanted: str | int, empty: dict[str, Any]) -> list[dict[str, Any]]:
        if self._open == wanted:
            return []
        closed = self.close()
        self._at, self._open = self._at + 1, wanted
        return [
            *closed,
            {"type": "content_block_start", "index": self._at, "content_block": empty},
        ]

    def _delta(self, said: dict[str, Any]) -> dict[str, Any]:
        return {"type": "content_block_delta", "index": self._at, "delta": said}
