"""Anthropic's messages and tools, as `rkd_client` takes them."""

from __future__ import annotations

import json
from typing import Any

from rkd.v1 import types_pb2 as types
from rkd_gateway.fields import Fields, object_of
from rkd_gateway.pictures import content as content_of
from rkd_gateway.pictures import of_address, of_base64
from rkd_gateway.problems import bad_field, unsupported

ROLES = ("user", "assistant", "system")


def turns(fields: Fields) -> list[dict[str, Any]]:
    """
    Take `system` and `messages` and return the turns: a message with results becomes several.

    Raises:
        RkdError: INVALID_FIELD; CAPABILITY_UNSUPPORTED for blocks that are not of a conversation.
    """
    made: list[dict[str, Any]] = []
    if said := _texts("system", fields.take("system")):
        made.append({"role": "system", "content": said})
    names: dict[str, str] = {}
    for one in fields.objects("messages"):
        made += _turns(one, names)
    return made


def tools(fields: Fields) -> list[dict[str, Any]]:
    """Take `tools` and return the functions offered."""
    return [_tool(one) for one in fields.objects("tools")]


def chosen(fields: Fields | None) -> str | None:
    """Return `tool_choice` in the daemon's words."""
    if fields is None:
        return None
    kind, name = fields.text("type"), fields.text("name")
    fields.skip("disable_parallel_tool_use")
    fields.end()
    match kind:
        case "auto" | "none":
            return kind
        case "any":
            return "required"
        case "tool" if name:
            return name
    raise bad_field("tool_choice", 'of type "auto", "any", "none", or "tool" with a name')


def _turns(fields: Fields, names: dict[str, str]) -> list[dict[str, Any]]:
    role = fields.text("role")
    if role not in ROLES:
        raise bad_field(fields.path("role"), "user or assistant")
    path, content = fields.path("content"), fields.take("content")
    fields.end()
    if isinstance(content, str):
        return [{"role": role, "content": content}]
    if not isinstance(content, list):
        raise bad_field(path, "a text or a list of blocks")
    told = MessageTurns(role, names)
    for at, one in enumerate(content):
        block = object_of(one, f"{path}[{at}]")
        block.skip("cache_control", "citations")
        told.add(block)
        block.end()
    return told.turns


class MessageTurns:
    """
    The turns of one message, block by block.

    Args:
        role: whose it is.
        names: of the tools called so far, by the id of the call; grows.
    """

    def __init__(self, role: str, names: dict[str, str]) -> None:
        self._own: dict[str, Any] = {"role": role, "reasoning": "", "tool_calls": []}
        self._pieces: list[types.Part] = []
        self._results: list[dict[str, Any]] = []
        self._names = names

    @property
    def turns(self) -> list[dict[str, Any]]:
        """Results of tools, then what is said itself, if anything is."""
        own = {**self._own, **content_of(self._pieces)}
        says = any(own.get(name) for name in ("content", "parts", "reasoning", "tool_calls"))
        return [*self._results, own] if says or not self._results else self._results

    def add(self, block: Fields) -> None:
        """Take one block."""
        kind = block.text("type")
        match kind:
            case "text":
                self._pieces.append(types.Part(text=block.text("text") or ""))
            case "image":
                self._pieces.append(_picture(block.needed("source")))
            case "thinking":
                self._own["reasoning"] += block.text("thinking") or ""
                block.skip("signature")
            case "redacted_thinking":
                block.skip("data")
            case "tool_use":
                call = _call(block)
                self._names[call["id"]] = call["name"]
                self._own["tool_calls"].append(call)
            case "tool_result":
                self._results.append(_result(block, self._names))
            case _:
                raise _no_text(block, kind)


def _picture(source: Fields) -> types.Part:
    kind = source.text("type")
    if kind == "url":
        made = of_address(source.path("url"), source.take("url"))
    elif kind == "base64":
        made = of_base64(source.path("data"), source.take("data"))
    else:
        raise bad_field(source.path("type"), "base64")
    source.skip("media_type")
    source.end()
    return made


def _call(block: Fields) -> dict[str, Any]:
    given = block.take("input")
    if given is not None and not isinstance(given, dict):
        raise bad_field(block.path("input"), "an object")
    block.skip("caller")
    return {
        "id": block.text("id") or "",
        "name": block.text("name") or "",
        "arguments": json.dumps(given or {}, ensure_ascii=False),
    }


def _result(block: Fields, names: dict[str, str]) -> dict[str, Any]:
    identity = block.text("tool_use_id") or ""
    said = _texts(block.path("content"), block.take("content"))
    if block.yes("is_error") and not said.lower().startswith("error"):
        said = f"Error: {said}"  # chat templates have no other way of telling a model
    return {
        "role": "tool",
        "content": said,
        "tool_call_id": identity,
        "tool_name": names.get(identity, ""),
    }


def _texts(path: str, content: object) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    if not isinstance(content, list):
        raise bad_field(path, "a text or a list of text blocks")
    texts = []
    for at, one in enumerate(content):
        block = object_of(one, f"{path}[{at}]")
        kind = block.text("type")
        if kind != "text":
            raise _no_text(block, kind)
        texts.append(block.text("text") or "")
        block.skip("cache_control", "citations")
        block.end()
    return "\n".join(texts)


def _no_text(block: Fields, kind: str | None) -> Exception:
    said = f"blocks of type {str(kind)[:40]!r} are not built"
    return unsupported(block.path("type"), said, "send text, or pictures in a message")


def _tool(fields: Fields) -> dict[str, Any]:
    kind = fields.text("type") or "custom"
    if kind != "custom":
        said = f"{kind[:40]!r} is a tool of a service that is not here"
        raise unsupported(fields.path("type"), said, "describe it with an input_schema")
    schema = fields.take("input_schema")
    if not isinstance(schema, dict):
        raise bad_field(fields.path("input_schema"), "a JSON Schema object")
    made = {
        "name": fields.text("name") or "",
        "description": fields.text("description") or "",
        "parameters": schema,
    }
    fields.skip("cache_control", "strict", "eager_input_streaming", "input_examples")
    fields.skip("allowed_callers", "defer_loading")
    fields.end()
    return made
