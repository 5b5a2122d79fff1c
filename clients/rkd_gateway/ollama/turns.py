"""Ollama's messages and tools, as `rkd_client` takes them."""

from __future__ import annotations

from typing import Any

from rkd_gateway.calls import Told, arguments_of
from rkd_gateway.fields import Fields
from rkd_gateway.ollama.asking import refuse_unbuilt
from rkd_gateway.problems import bad_field


def turns(given: list[Any]) -> list[dict[str, Any]]:
    """
    Return the turns of a conversation.

    Raises:
        RkdError: INVALID_FIELD; CAPABILITY_UNSUPPORTED for images.
    """
    return [
        _turn(Fields(_object(one, f"messages[{at}]"), f"messages[{at}]."))
        for at, one in enumerate(given)
    ]


def tools(given: list[Any] | None) -> list[dict[str, Any]]:
    """Return the functions offered."""
    return [
        _tool(Fields(_object(one, f"tools[{at}]"), f"tools[{at}]."))
        for at, one in enumerate(given or ())
    ]


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
        "tool_calls": [
            _call(Fields(_object(one, fields.path("tool_calls")), fields.path("tool_calls.")))
            for one in fields.items("tool_calls") or ()
        ],
    }
    name = fields.text("tool_name") or fields.text("name")
    made["tool_call_id"] = fields.text("tool_call_id") or ""
    if name and made["role"] == "tool":
        made["tool_name"] = name
    fields.skip("name", "tool_name")
    fields.end()
    return made


def _call(fields: Fields) -> dict[str, Any]:
    inner = fields.inner("function")
    if inner is None:
        raise bad_field(fields.path("function"), "an object")
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


def _tool(fields: Fields) -> dict[str, Any]:
    kind = fields.text("type") or "function"
    if kind != "function":
        raise bad_field(fields.path("type"), '"function"')
    inner = fields.inner("function")
    if inner is None:
        raise bad_field(fields.path("function"), "an object")
    parameters = inner.take("parameters")
    if parameters is not None and not isinstance(parameters, dict):
        raise bad_field(inner.path("parameters"), "a JSON Schema object")
    made = {
        "name": inner.text("name") or "",
        "description": inner.text("description") or "",
        "parameters": parameters or "",
    }
    inner.skip("strict")
    inner.end()
    fields.skip("items")
    fields.end()
    return made


def _object(given: object, path: str) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise bad_field(path, "an object")
    return given
