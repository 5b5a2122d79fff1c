"""RPCs of the contract that nobody has built yet: UNIMPLEMENTED with a reason, nothing pretends."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from google.protobuf.descriptor import ServiceDescriptor

from rkd.errors import NotBuiltError, Reason


def unbuilt(descriptor: ServiceDescriptor) -> Any:
    """Make a servicer all of whose methods refuse."""
    methods = {
        method.name: _stream(method.full_name)
        if method.server_streaming
        else _single(method.full_name)
        for method in descriptor.methods
    }
    return type(f"Unbuilt{descriptor.name}", (), methods)()


def _refusal(name: str) -> NotBuiltError:
    return NotBuiltError(Reason.NOT_IMPLEMENTED, f"{name} is not built yet.")


def _single(name: str) -> Any:
    async def call(_self: object, _request: object, _context: object) -> None:
        raise _refusal(name)

    return call


def _stream(name: str) -> Any:
    async def call(_self: object, _request: object, _context: object) -> AsyncIterator[None]:
        for error in (_refusal(name),):
            raise error
        yield None

    return call
