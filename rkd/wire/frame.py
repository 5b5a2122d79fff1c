"""
One frame on a stream: a little-endian u32 length, then that many bytes of MessagePack.

What the bytes mean is `codec.py`'s; who reads and writes them is the pool's and the worker's.
"""

from __future__ import annotations

import struct

PROTOCOL = 2
"""Said in Hello; both ends must agree."""

MAX_FRAME_BYTES = 128 * 1024 * 1024
"""Above any real frame (a request has 16 MB, 2,048 vectors of 4,096 numbers have 75 MB): more means
a broken peer."""

_LENGTH = struct.Struct("<I")
HEADER_BYTES = _LENGTH.size


class FrameError(Exception):
    """The peer sent something that is no frame."""


def pack(body: bytes) -> bytes:
    """Put the length before *body*."""
    if len(body) > MAX_FRAME_BYTES:
        raise FrameError(f"a frame of {len(body)} bytes is over the limit of {MAX_FRAME_BYTES}")
    return _LENGTH.pack(len(body)) + body


class FrameBuffer:
    """
    Bytes as they arrive, cut into whole frame bodies; used by one thread or loop.

    Args:
        most_bytes: the largest frame taken; may be changed between two calls of `feed`.
    """

    def __init__(self, most_bytes: int = MAX_FRAME_BYTES) -> None:
        self.most_bytes = most_bytes
        self._bytes = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """
        Take *data* and return the bodies completed by it, in order.

        Raises:
            FrameError: a length over `most_bytes`.
        """
        held = self._bytes
        held += data
        bodies: list[bytes] = []
        at = 0
        while len(held) - at >= HEADER_BYTES:
            (length,) = _LENGTH.unpack_from(held, at)
            if length > self.most_bytes:
                raise FrameError(f"the peer announces a frame of {length} bytes")
            end = at + HEADER_BYTES + length
            if len(held) < end:
                break
            bodies.append(bytes(held[at + HEADER_BYTES : end]))
            at = end
        if at:
            del held[:at]
        return bodies
