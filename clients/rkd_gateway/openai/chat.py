"""`/v1/chat/completions`: an answer, event by event or whole."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from rkd_client import AsyncAnswer

from rkd.v1 import types_pb2 as types
from rkd_gateway.calls import Whole, deltas, ends, finished, warned, wholes
from rkd_gateway.endpoint import Call, HttpAnswer, Lines
from rkd_gateway.errands import errand
from rkd_gateway.fields import Fields
from rkd_gateway.openai.asking import constraint, options, template, with_usage
from rkd_gateway.openai.shape import COMMENT, DONE, ENDS, SSE, event, failed, made, tokens_of, usage
from rkd_gateway.openai.turns import chosen, turns
from rkd_gateway.problems import bad_field
from rkd_gateway.tools import tools


async def chat(call: Call) -> HttpAnswer:
    """Answer a conversation."""
    fields = call.fields
    model = fields.name_of_model("model")
    messages = await call.aside(turns, fields)
    if not messages:
        raise bad_field("messages", "a list with at least one turn")
    offered, choice = tools(fields), chosen(fields)
    streamed = fields.yes("stream") or False
    counted = with_usage(fields, streamed=streamed)
    given = {**call.priority, **errand(messages), **template(fields), **options(fields)}
    given.update(constraint(fields))
    given["logprobs"] = _wanted(fields)
    given["n"] = fields.whole("n")
    fields.end()
    answer = call.client.chat(model, messages, tools=offered, tool_choice=choice, **given)
    if streamed:
        lines = _events(answer, model, counted=counted)
        return Lines(lines, SSE, failed, comment=COMMENT)
    return await _whole(answer, model, given["n"] or 1)


def _wanted(fields: Fields) -> int | None:
    asked, rivals = fields.yes("logprobs"), fields.whole("top_logprobs")
    if rivals is not None and not asked:
        raise bad_field("top_logprobs", "sent with logprobs=true")
    return (rivals or 0) if asked else None


async def _whole(answer: AsyncAnswer[Any], model: str, count: int) -> dict[str, Any]:
    identity, created = made("chatcmpl")
    found = await wholes(answer, count)
    choices = [
        {
            "index": at,
            "message": _message(one),
            "logprobs": _logprobs(one.logprobs),
            "finish_reason": ENDS.get(end.finish_reason, "stop"),
        }
        for at, (one, end) in enumerate(zip(found, ends(answer), strict=True))
    ]
    head = {"id": identity, "object": "chat.completion", "created": created, "model": model}
    told = {"choices": choices, "usage": usage(finished(answer).usage)}
    return {**head, **told, **warned(finished(answer))}


def _message(found: Whole) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": found.text, "refusal": None}
    if found.reasoning:
        message["reasoning_content"] = found.reasoning
    if found.calls:
        message["content"] = found.text or None
        message["tool_calls"] = [
            {
                "id": told.id,
                "type": "function",
                "function": {"name": told.name, "arguments": told.arguments or "{}"},
            }
            for _, told in sorted(found.calls.items())
        ]
    return message


async def _events(answer: AsyncAnswer[Any], model: str, *, counted: bool) -> AsyncIterator[bytes]:
    identity, created = made("chatcmpl")
    head: dict[str, Any] = {"id": identity, "object": "chat.completion.chunk"}
    head |= {"created": created, "model": model}
    if counted:
        head["usage"] = None

    def chunk(at: int, delta: dict[str, Any], end: str | None = None, tokens: Any = None) -> bytes:
        choice = {"index": at, "delta": delta, "logprobs": tokens, "finish_reason": end}
        return event({**head, "choices": [choice]})

    begun: set[int] = set()
    async for piece in deltas(answer):
        said = _said(piece)
        if piece.answer not in begun:
            begun.add(piece.answer)
            said = {"role": "assistant", "content": "", **said}
        if said or piece.logprobs:
            yield chunk(piece.answer, said, tokens=_logprobs(piece.logprobs))
    for at, end in enumerate(ends(answer)):
        if at not in begun:
            yield chunk(at, {"role": "assistant", "content": ""})
        head.update(warned(finished(answer)))
        yield chunk(at, {}, ENDS.get(end.finish_reason, "stop"))
    if counted:
        yield event({**head, "choices": [], "usage": usage(finished(answer).usage)})
    yield DONE


def _said(piece: types.Delta) -> dict[str, Any]:
    said: dict[str, Any] = {}
    if piece.text:
        said["content"] = piece.text
    if piece.reasoning_text:
        said["reasoning_content"] = piece.reasoning_text
    if piece.tool_calls:
        said["tool_calls"] = [_call(one) for one in piece.tool_calls]
    return said


def _call(piece: types.ToolCallDelta) -> dict[str, Any]:
    if not (piece.id or piece.name):
        return {"index": piece.index, "function": {"arguments": piece.arguments}}
    function = {"name": piece.name, "arguments": piece.arguments}
    return {"index": piece.index, "id": piece.id, "type": "function", "function": function}


def _logprobs(given: Any) -> dict[str, Any] | None:
    if not given:
        return None
    return {"content": tokens_of(given), "refusal": None}
