"""`/v1/chat/completions`: an answer, event by event or whole."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from rkd_client import AsyncAnswer

from rkd.v1 import types_pb2 as types
from rkd_gateway.calls import deltas, finished, whole
from rkd_gateway.endpoint import Answer, Call, Lines
from rkd_gateway.errands import errand
from rkd_gateway.fields import Fields
from rkd_gateway.openai.asking import options, schema, template, with_usage
from rkd_gateway.openai.shape import COMMENT, DONE, ENDS, SSE, event, failed, made, token_of, usage
from rkd_gateway.openai.turns import chosen, turns
from rkd_gateway.problems import bad_field
from rkd_gateway.tools import tools


async def chat(call: Call) -> Answer:
    """Answer a conversation."""
    fields = call.fields
    model = fields.name_of_model("model")
    messages = turns(fields)
    if not messages:
        raise bad_field("messages", "a list with at least one turn")
    offered, choice = tools(fields), chosen(fields)
    streamed = fields.yes("stream") or False
    counted = with_usage(fields, streamed=streamed)
    given = {**call.priority, **errand(messages), **template(fields), **options(fields)}
    given["json_schema"] = schema(fields.inner("response_format"))
    given["logprobs"] = _wanted(fields)
    fields.end()
    answer = call.client.chat(model, messages, tools=offered, tool_choice=choice, **given)
    if streamed:
        lines = _events(answer, model, counted=counted)
        return Lines(lines, SSE, failed, comment=COMMENT)
    return await _whole(answer, model)


def _wanted(fields: Fields) -> int | None:
    asked, rivals = fields.yes("logprobs"), fields.whole("top_logprobs")
    if rivals is not None and not asked:
        raise bad_field("top_logprobs", "sent with logprobs=true")
    return (rivals or 0) if asked else None


async def _whole(answer: AsyncAnswer[Any], model: str) -> dict[str, Any]:
    identity, created = made("chatcmpl")
    found = await whole(answer)
    end = finished(answer)
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
    choice = {
        "index": 0,
        "message": message,
        "logprobs": _logprobs(found.logprobs),
        "finish_reason": ENDS.get(end.finish_reason, "stop"),
    }
    head = {"id": identity, "object": "chat.completion", "created": created, "model": model}
    return {**head, "choices": [choice], "usage": usage(end.usage)}


async def _events(answer: AsyncAnswer[Any], model: str, *, counted: bool) -> AsyncIterator[bytes]:
    identity, created = made("chatcmpl")
    head: dict[str, Any] = {"id": identity, "object": "chat.completion.chunk"}
    head |= {"created": created, "model": model}
    if counted:
        head["usage"] = None

    def chunk(delta: dict[str, Any], end: str | None = None, logprobs: Any = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": logprobs, "finish_reason": end}
        return event({**head, "choices": [choice]})

    begun = False
    async for piece in deltas(answer):
        said = _said(piece)
        if not begun:
            begun, said = True, {"role": "assistant", "content": "", **said}
        if said or piece.logprobs:
            yield chunk(said, logprobs=_logprobs(piece.logprobs))
    last = finished(answer)
    if not begun:
        yield chunk({"role": "assistant", "content": ""})
    yield chunk({}, ENDS.get(last.finish_reason, "stop"))
    if counted:
        yield event({**head, "choices": [], "usage": usage(last.usage)})
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
    content = [
        {**token_of(one.chosen), "top_logprobs": [token_of(rival) for rival in one.alternatives]}
        for one in given
    ]
    return {"content": content, "refusal": None}
