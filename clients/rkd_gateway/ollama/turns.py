"""Ollama's messages, as `rkd_client` takes them."""

from __future__ import annotations

from typing import Any

from rkd_gateway.calls import Told, arguments_of
from rkd_gateway.fields import Fields
from rkd_gateway.ollama.asking import refuse_unbuilt


def turns(fields: Fields) -> list[dict[str, Any]]:
    """
    Take `messages` out of *fields* and return the turns of a conversation.

    Raises:
        RkdError: INVALID_FIELD; CAPABILITY_UNSUPPORTED for images.
    """
    return [_turn(one) for one in fields.objects("messages")]


def call_of(told: Told, at: int) -> dict[str, Any]:
    """Return a call of the model as Ollama writes it: arguments are an object."""
    function = {"index": at, "name": told.name, "arguments": arguments_of(told.arguments)}
    return {"id": told.id, "function": function} if told.id else {"function": function}


def _turn(fields: Fields) -> dict[str, Any]:
    refuse_unbuilt(fields, "images")
    made: dict[str, Any] = {
        "role": fields.text("role") or "",
        "content": fields.text("content") or "",
        "reasoning": fields.text("thinking") or "",
        "tool_calls": [_call(one) for one in fields.objects("tool_calls")],
    }
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
