"""Ollama's messages, as `rkd_client` takes them."""

from __future__ import annotations

from typing import Any

from rkd.v1 import types_pb2 as types
from rkd_gateway.calls import GrowingCall, arguments_of
from rkd_gateway.fields import Fields
from rkd_gateway.pictures import of_base64


def turns(fields: Fields) -> list[dict[str, Any]]:
    """
    Take `messages` out of *fields* and return the turns of a conversation.

    Raises:
        InvalidInputError: INVALID_FIELD.
    """
    return [_turn(one) for one in fields.objects("messages")]


def pictures(fields: Fields) -> list[types.Part]:
    """Take `images`, which stand before the text."""
    path = fields.path("images")
    given = enumerate(fields.items("images") or ())
    return [of_base64(f"{path}[{at}]", one) for at, one in given]


def call_of(told: GrowingCall, at: int) -> dict[str, Any]:
    """Return a call of the model as Ollama writes it: arguments are an object."""
    function = {"index": at, "name": told.name, "arguments": arguments_of(told.arguments)}
    return {"id": told.id, "function": function} if told.id else {"function": function}


def _turn(fields: Fields) -> dict[str, Any]:
    seen = pictures(fields)
    made: dict[str, Any] = {
        "role": fields.text("role") or "",
        "content": fields.text("content") or "",
        "reasoning": fields.text("thinking") or "",
        "tool_calls": [_call(one) for one in fields.objects("tool_calls")],
    }
    if seen:
        made["parts"] = [*seen, types.Part(text=made.pop("content"))]
    name = fields.text("tool_name") or fields.text("name")
    made["tool_call_id"] = fields.text("tool_call_id") or ""
    if name and made["role"] == "tool":
        made["tool_name"] = name
    fields.skip("name", "tool_name")
    fields.end()
    return made


def _call(fields: Fields) -> dict[str, Any]:
    inner = fields.needed("function")
    arguments = inner.take("arguments")
    made = {
        "id": fields.text("id") or "",
        "name": inner.text("name") or "",
        "arguments": arguments or {},
    }
    inner.skip("index")
    inner.end()
    fields.skip("type", "index")
    fields.end()
    return made
