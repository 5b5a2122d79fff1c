"""
`context` of `/api/generate`: the conversation so far, as numbers a client keeps and sends back.

Ollama's are token ids of the whole prompt; clients read nothing in them. Ours are the turns
themselves, so that the gateway remembers nothing, and that a model's template writes them anew.
"""

from __future__ import annotations

import json
import zlib
from typing import Any, Final

from rkd_client.errors import InvalidInputError

MARK: Final = 0x726B64
"""The first number: "rkd"."""

STEP: Final = 3
"""So many bytes are one number, which every JSON reader holds exactly."""

MOST: Final = 1 << 20
"""Numbers taken; more text than any context holds."""

MOST_BYTES: Final = 8 << 20
ROLES: Final = frozenset({"user", "assistant"})


def packed(turns: list[dict[str, str]]) -> list[int]:
    """Return *turns* as numbers."""
    data = zlib.compress(json.dumps(turns, ensure_ascii=False).encode())
    pieces = (data[at : at + STEP] for at in range(0, len(data), STEP))
    return [MARK, len(data), *(int.from_bytes(one.ljust(STEP, b"\0"), "big") for one in pieces)]


def unpacked(numbers: list[Any]) -> list[dict[str, str]]:
    """
    Return the turns that `packed` made *numbers* of.

    Raises:
        InvalidInputError: INVALID_FIELD, somebody else made them.
    """
    try:
        told = _read(numbers)
    except (ValueError, TypeError, KeyError, OverflowError, zlib.error, RecursionError) as error:
        said = "context should be what this gateway answered before"
        remedy = "leave it out, or send the conversation to /api/chat"
        raise InvalidInputError(
            "INVALID_FIELD", said, remedy=remedy, metadata={"field": "context"}
        ) from error
    if not all(one["role"] in ROLES for one in told):
        raise InvalidInputError("INVALID_FIELD", "context should hold turns of two")
    return told


def _read(numbers: list[Any]) -> list[dict[str, str]]:
    mark, size, *rest = numbers
    if mark != MARK or len(rest) > MOST:
        raise ValueError
    data = b"".join(int(one).to_bytes(STEP, "big") for one in rest)[:size]
    turns = json.loads(zlib.decompressobj().decompress(data, MOST_BYTES))
    return [{"role": str(one["role"]), "content": str(one["content"])} for one in turns]
