"""Functions offered to a model, as people paste them: one or a list, bare or in OpenAI's form."""

from __future__ import annotations

import json
from typing import Any

from rkd_client.errors import InvalidInputError
from rkd_client.turns import tools_of

from rkd.v1 import types_pb2 as types

MAX_CHARACTERS = 262_144
MAX_TOOLS = 128


def tools_in(pasted: str) -> list[types.Tool]:
    """
    Return the functions in *pasted*; none for an empty text.

    Raises:
        InvalidInputError: INVALID_FIELD, it is no JSON or holds something that is no function.
    """
    if not pasted.strip():
        return []
    if len(pasted) > MAX_CHARACTERS:
        raise _wrong(f"they have more than {MAX_CHARACTERS} characters")
    try:
        found = json.loads(pasted)
    except json.JSONDecodeError as error:
        raise _wrong(f"line {error.lineno}, column {error.colno}: {error.msg}") from error
    except (RecursionError, ValueError) as error:
        raise _wrong("they are nested too deep, or hold a number that is too long") from error
    if isinstance(found, dict) and isinstance(found.get("tools"), list):
        found = found["tools"]
    tools = found if isinstance(found, list) else [found]
    if len(tools) > MAX_TOOLS:
        raise _wrong(f"there are more than {MAX_TOOLS}")
    for at, one in enumerate(tools):
        _judge(one, at)
    return tools_of(tools)


def _judge(tool: Any, at: int) -> None:
    inner = tool.get("function", tool) if isinstance(tool, dict) else None
    if not isinstance(inner, dict):
        raise _wrong(f"number {at + 1} is no object")
    if not isinstance(inner.get("name"), str) or not inner["name"]:
        raise _wrong(f"number {at + 1} has no `name`")
    if not isinstance(inner.get("description", ""), str):
        raise _wrong(f"number {at + 1} has a `description` that is no text")
    if not isinstance(inner.get("parameters", {}), dict):
        raise _wrong(f"number {at + 1} has `parameters` that are no schema")


def _wrong(why: str) -> InvalidInputError:
    said = f"these are no functions: {why}"
    return InvalidInputError("INVALID_FIELD", said, metadata={"field": "tools"})
