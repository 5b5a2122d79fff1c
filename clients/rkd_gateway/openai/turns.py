"""OpenAI's messages, and which tools are chosen, as `rkd_client` takes them."""

from __future__ import annotations

from typing import Any

from rkd.v1 import types_pb2 as types
from rkd_gateway.fields import Fields, object_of
from rkd_gateway.pictures import content, of_address
from rkd_gateway.problems import bad_field, unsupported

ROLES = {"developer": "system"}


def turns(fields: Fields) -> list[dict[str, Any]]:
    """
    Take `messages` out of *fields* and return the turns of a conversation.

    A result of a tool learns its tool's name from the call.

    Raises:
        RkdError: INVALID_FIELD; CAPABILITY_UNSUPPORTED for parts that are neither text nor picture.
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
        **_content(fields.path("content"), fields.take("content")),
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


def _content(path: str, given: object) -> dict[str, Any]:
    if given is None or isinstance(given, str):
        return {"content": given or ""}
    if not isinstance(given, list):
        raise bad_field(path, "a text or a list of parts")
    return content([_part(object_of(one, f"{path}[{at}]")) for at, one in enumerate(given)])


def _part(fields: Fields) -> types.Part:
    kind = fields.text("type")
    match kind:
        case "text" | "refusal":
            made = types.Part(text=fields.text(kind) or "")
        case "image_url":
            inner = object_of(fields.take("image_url"), fields.path("image_url"))
            made = of_address(inner.path("url"), inner.take("url"))
            inner.skip("detail")
            inner.end()
        case _:
            said = f"parts of type {str(kind)[:40]!r} are not built"
            raise unsupported(fields.path("type"), said, "send text or pictures")
    fields.end()
    return made


def _call(fields: Fields) -> dict[str, Any]:
    inner = fields.needed("function")
    arguments = inner.text("arguments") or "{}"
    made = {"id": fields.text("id") or "", "name": inner.text("name") or "", "arguments": arguments}
    inner.end()
    fields.skip("type", "index")
    fields.end()
    return made
