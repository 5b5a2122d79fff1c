"""
The client library of rkd: `Client` and `AsyncClient`, plain dataclasses, typed errors.

    from rkd_client import Client

    with Client() as client:
        for piece in client.generate("smollm2", "Why is the sky blue?", max_tokens=64):
            print(piece.text, end="", flush=True)

What calls answer stands in `rkd_client.v1`, a dataclass for each message of the protos; every
error is an `RkdError`. Names are imported when they are used: the sync half never pays for the
asyncio one.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rkd_client.aio import AsyncAnswer, AsyncClient, AsyncStream
    from rkd_client.errors import (
        AbortedError,
        AlreadyExistsError,
        BeyondRangeError,
        ConnectionBrokenError,
        DataLossError,
        ExhaustedError,
        ForbiddenError,
        InternalError,
        InvalidInputError,
        NotBuiltError,
        NotFoundError,
        PreconditionError,
        RkdError,
        TimedOutError,
        UnauthenticatedError,
        UnavailableError,
    )
    from rkd_client.sync import Answer, Client, Stream
    from rkd_client.v1.types import Message, Tool, ToolCall

__all__ = [
    "AbortedError",
    "AlreadyExistsError",
    "Answer",
    "AsyncAnswer",
    "AsyncClient",
    "AsyncStream",
    "BeyondRangeError",
    "Client",
    "ConnectionBrokenError",
    "DataLossError",
    "ExhaustedError",
    "ForbiddenError",
    "InternalError",
    "InvalidInputError",
    "Message",
    "NotBuiltError",
    "NotFoundError",
    "PreconditionError",
    "RkdError",
    "Stream",
    "TimedOutError",
    "Tool",
    "ToolCall",
    "UnauthenticatedError",
    "UnavailableError",
]

_ROOMS = {
    "Async": "rkd_client.aio",
    "Error": "rkd_client.errors",
    **dict.fromkeys(("Answer", "Client", "Stream"), "rkd_client.sync"),
    **dict.fromkeys(("Message", "Tool", "ToolCall"), "rkd_client.v1.types"),
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    room = _ROOMS.get(name) or _ROOMS["Async" if name.startswith("Async") else "Error"]
    return getattr(importlib.import_module(room), name)
