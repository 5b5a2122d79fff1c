"""A request's body, read within bounds of bytes and time."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final

from rkd_client.errors import InvalidInputError, UnavailableError
from starlette.types import Receive

MOST_BYTES: Final = 24 << 20
"""One body: the daemon's 12 MiB of pictures as base64, or 4 MiB of text, as JSON writes it."""

TOGETHER_BYTES: Final = 96 << 20
"""All bodies held at once."""

WITHIN_S: Final = 30.0
"""A body that has not come by then is not awaited."""


class ClientGoneError(Exception):
    """The client hung up: there is nobody to answer."""


class Shelf:
    """Where bodies are held while their calls are made out; bounded together."""

    def __init__(self, most_bytes: int = TOGETHER_BYTES) -> None:
        self.most_bytes, self.held_bytes = most_bytes, 0

    def put(self, size_bytes: int) -> None:
        """
        Hold so much more.

        Raises:
            UnavailableError: GATEWAY_BUSY, there is no room.
        """
        if self.held_bytes + size_bytes > self.most_bytes:
            said = "the gateway holds as many requests as it can"
            raise UnavailableError("GATEWAY_BUSY", said, retry_after_s=1.0)
        self.held_bytes += size_bytes

    def take(self, size_bytes: int) -> None:
        """Hold so much less."""
        self.held_bytes -= size_bytes


async def read(receive: Receive, announced: str | None, shelf: Shelf) -> bytes:
    """
    Return the whole body.

    Args:
        receive: of ASGI.
        announced: the header `content-length`, if it was sent.
        shelf: what all bodies share; given back when this one is read.

    Raises:
        InvalidInputError: BODY_TOO_LARGE, BODY_TOO_SLOW.
        UnavailableError: GATEWAY_BUSY.
        ClientGoneError: it will never be whole.
    """
    if announced is not None and announced.isdecimal() and int(announced[:20]) > MOST_BYTES:
        raise _too_large()
    pieces: list[bytes] = []
    with contextlib.ExitStack() as held:
        try:
            async with asyncio.timeout(WITHIN_S):
                more, size = True, 0
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise ClientGoneError
                    piece, more = message.get("body", b""), message.get("more_body", False)
                    size += len(piece)
                    if size > MOST_BYTES:
                        raise _too_large()
                    shelf.put(len(piece))
                    held.callback(shelf.take, len(piece))
                    pieces.append(piece)
        except TimeoutError as error:
            said = f"the body did not come within {WITHIN_S:.0f} s"
            raise InvalidInputError("BODY_TOO_SLOW", said) from error
    return b"".join(pieces)


async def passing(receive: Receive) -> AsyncIterator[bytes]:
    """
    Yield the pieces of a body that goes on to somebody else; each within its bound of time.

    Raises:
        InvalidInputError: BODY_TOO_SLOW.
        ClientGoneError: it will never be whole.
    """
    more = True
    while more:
        try:
            async with asyncio.timeout(WITHIN_S):
                message = await receive()
        except TimeoutError as error:
            said = f"nothing came for {WITHIN_S:.0f} s"
            raise InvalidInputError("BODY_TOO_SLOW", said) from error
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        more = message.get("more_body", False)
        if piece := message.get("body", b""):
            yield piece


async def no_pieces() -> AsyncIterator[bytes]:
    """Yield nothing."""
    nothing: tuple[bytes, ...] = ()
    for piece in nothing:
        yield piece


def _too_large() -> InvalidInputError:
    return InvalidInputError("BODY_TOO_LARGE", f"a body has at most {MOST_BYTES} bytes")
