"""OpenAI's messages and tools, as `rkd_client` takes them."""

from __future__ import annotations

from typing import Any

from rkd_gateway.fields import Fields
from rkd_gateway.problems import bad_field, unsupported

ROLES = {"developer": "system"}


def turns(given: list[Any]) -> list[dict[str, Any]]:
    """
    Return the turns of a conversation; a result of a tool learns its tool's name from the call.

    Raises:
        RkdError: INVALID_FIELD; CAPABILITY_UNSUPPORTED for parts that are no text.
    """
    names: dict[str, str] = {}
    return [_turn(_fields(one, f"messages[{at}]"), names) for at, one in enumerate(given)]


def tools(given: list[Any] | None) -> list[dict[str, Any]]:
    """Return the functions offered."""
    return [_tool(_fields(one, f"tools[{at}]")) for at, one in enumerate(given or ())]


def chosen(fields: Fields, offered: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the functions the model sees, as `tool_choice` says."""
    choice = fields.take("tool_choice")
    if choice is None or choice == "auto":
        return offered
    if choice == "none":
        return []
    raise unsupported("tool_choice", "only auto and none are built yet", 'send "auto"')


def _turn(fields: Fields, names: dict[str, str]) -> dict[str, Any]:
    role = fields.text("role") or ""
    made: dict[str, Any] = {
        "role": ROLES.get(role, role),
        "content": _text(fields.path("content"), fields.take("content")),
        "reasoning": fields.text("reasoning_content") or fields.text("reasoning") or "",
        "tool_calls": [],
    }
    for at, one in enumerate(fields.items("tool_calls") or ()):
        call = _call(_fields(one, fields.path(f"tool_calls[{at}]")))
        names[call["id"]] = call["name"]
        made["tool_calls"].append(call)
    found = fields.text("tool_call_id") or ""
    if role == "tool":
        made.update(tool_call_id=found, tool_name=names.get(found, fields.text("name") or ""))
    fields.skip("name", "refusal", "annotations", "reasoning")
    if fields.take("audio") or fields.take("function_call"):
        raise unsupported(
            fields.path("audio"), "sound and function_call are not built", "use tools"
        )
    fields.end()
    return made


def _text(path: str, content: object) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    if not isinstance(content, list):
        raise bad_field(path, "a text or a list of parts")
    texts = []
    for at, one in enumerate(content):
        part = _fields(one, f"{path}[{at}]")
        kind = part.text("type")
        if kind not in {"text", "refusal"}:
            said = f"parts of type {str(kind)[:40]!r} are not built yet"
            raise unsupported(part.path("type"), said, "send text")
        texts.append(part.text(kind) or "")
        part.end()
    return "".join(texts)


def _call(fields: Fields) -> dict[str, Any]:
    inner = fields.inner("function")
    if inner is None:
        raise bad_field(fields.path("function"), "an object")
    arguments = inner.text("arguments") or "{}"
    made = {"id": fields.text("id") or "", "name": inner.text("name") or "", "arguments": arguments}
    inner.end()
    fields.skip("type", "index")
    fields.end()
    return made


def _tool(fields: Fields) -> dict[str, Any]:
    if fields.text("type") != "function":
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
    fields.end()
    return made


def _fields(given: object, path: str) -> Fields:
    if not isinstance(given, dict):
        raise bad_field(path, "an object")
    return Fields(given, f"{path}.")
