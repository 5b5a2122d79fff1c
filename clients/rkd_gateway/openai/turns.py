"""OpenAI's messages, and which tools are chosen, as `rkd_client` takes them."""

from __future__ import annotations

from typing import Any

from rkd_gateway.fields import Fields, object_of
from rkd_gateway.problems import bad_field, unsupported

ROLES = {"developer": "system"}


def turns(fields: Fields) -> list[dict[str, Any]]:
    """
    Take `messages` out of *fields* and return the turns of a conversation.

    A result of a tool learns its tool's name from the call.

    Raises:
        RkdError: INVALID_FIELD; CAPABILITY_UNSUPPORTED for parts that are no text.
    """
    names: dict[str, str] = {}
    return [_turn(one, names) for one in fields.objects("messages")]


def chosen(fields: Fields) -> str | None:
    """
    Return `tool_choice` in the daemon's words.

    Raises:
        RkdError: INVALID_FIELD; CAPABILITY_UNSUPPORTED, a choice among some of the tools.
    """
    choice = fields.take("tool_choice")
    if choice is None or choice in ("auto", "none", "required"):
        return choice  # type: ignore[no-any-return] # one of these texts
    inner = object_of(choice, "tool_choice")
    kind = inner.text("type")
    if kind == "allowed_tools":
        said = "a choice among some of the tools is not built"
        raise unsupported("tool_choice.type", said, "offer those tools alone")
    named = inner.inner("function") or inner
    name = named.text("name")
    named.end()
    inner.end()
    if kind != "function" or not name:
        raise bad_field("tool_choice", "auto, none, required, or a function by its name")
    return name


def _turn(fields: Fields, names: dict[str, str]) -> dict[str, Any]:
    role = fields.text("role") or ""
    made: dict[str, Any] = {
        "role": ROLES.get(role, role),
        "content": _text(fields.path("content"), fields.take("content")),
        "reasoning": fields.text("reasoning_content") or fields.text("reasoning") or "",
        "tool_calls": [],
    }
    for one in fields.objects("tool_calls"):
        call = _call(one)
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
        part = object_of(one, f"{path}[{at}]")
        kind = part.text("type")
        if kind not in {"text", "refusal"}:
            said = f"parts of type {str(kind)[:40]!r} are not built yet"
            raise unsupported(part.path("type"), said, "send text")
        texts.append(part.text(kind) or "")
        part.end()
    return "".join(texts)


def _call(fields: Fields) -> dict[str, Any]:
    inner = fields.needed("function")
    arguments = inner.text("arguments") or "{}"
    made = {"id": fields.text("id") or "", "name": inner.text("name") or "", "arguments": arguments}
    inner.end()
    fields.skip("type", "index")
    fields.end()
    return made
