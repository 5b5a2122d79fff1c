"""Turns and tools of a conversation: dataclasses, or dictionaries in OpenAI's form."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from rkd.v1 import types_pb2 as types
from rkd_client.errors import InvalidInputError
from rkd_client.parts import parts_of, pictures_of
from rkd_client.values import attributes, fill

if TYPE_CHECKING:
    from rkd_client.v1.types import Message, Tool

    Turn = Message | types.Message | Mapping[str, Any]
    """One turn of a conversation, however it is written."""

    Function = Tool | types.Tool | Mapping[str, Any]
    """One function offered to the model, however it is written."""

Made = TypeVar("Made", types.Message, types.Tool)


def turns_of(turns: str | Iterable[Turn]) -> list[types.Message]:
    """
    Return *turns* as messages; a text is one turn of the user.

    Raises:
        InvalidInputError: INVALID_FIELD, something that is no turn.
    """
    if isinstance(turns, str):
        return [types.Message(role="user", content=turns)]
    return [_made(types.Message(), turn, _turn) for turn in turns]


def tools_of(tools: Iterable[Function]) -> list[types.Tool]:
    """
    Return *tools* as messages.

    Raises:
        InvalidInputError: INVALID_FIELD, something that is no function.
    """
    return [_made(types.Tool(), tool, _tool) for tool in tools]


def _made(message: Made, given: Any, plain: Any) -> Made:
    if isinstance(given, type(message)):
        return given
    if not isinstance(given, Mapping):
        given = attributes(given)
    try:
        return fill(message, **plain(given))
    except (TypeError, AttributeError) as error:
        said = f"{str(dict(given))[:80]}: {error}"
        raise InvalidInputError("INVALID_FIELD", said, metadata={"field": "messages"}) from error


def _turn(given: Mapping[str, Any]) -> dict[str, Any]:
    calls = [_call(call) for call in given.get("tool_calls") or ()]
    plain = {**given, "tool_calls": calls, "content": given.get("content") or ""}
    if "name" in plain:
        plain["tool_name"] = plain.pop("name")
    return _with_parts(plain)


def _with_parts(plain: dict[str, Any]) -> dict[str, Any]:
    """Return the turn with what is no plain text as parts: a list as content, Ollama's images."""
    content, images = plain["content"], plain.pop("images", None)
    parts = parts_of(plain.get("parts") or ())
    if not isinstance(content, str):
        parts += parts_of(content)
        content = ""
    if images:
        # As Ollama has it: the pictures, then the text.
        parts = [*pictures_of(images), *parts, *(parts_of([content]) if content else ())]
        content = ""
    return {**plain, "content": content, "parts": parts}


def _call(call: Any) -> Any:
    if not isinstance(call, Mapping):
        return call
    inner = call.get("function", call)
    arguments = inner.get("arguments_json", inner.get("arguments", {}))
    return {
        "id": call.get("id", ""),
        "name": inner.get("name", ""),
        "arguments_json": _text(arguments),
    }


def _tool(given: Mapping[str, Any]) -> dict[str, Any]:
    inner = given.get("function", given)
    parameters = inner.get("parameters_json", inner.get("parameters", ""))
    plain = {key: inner.get(key, "") for key in ("name", "description")}
    return {**plain, "parameters_json": _text(parameters)}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
