"""A client that speaks HTTP/2 by hand, to send what a gRPC client never would."""

from __future__ import annotations

import asyncio
import struct
from types import TracebackType
from typing import Self

DATA, HEADERS, RST_STREAM, SETTINGS, PING, WINDOW_UPDATE = 0, 1, 3, 4, 6, 8
END_STREAM, END_HEADERS = 1, 4
ACK = 1
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
UNREAD_BYTES = 65_535
"""What may be sent on a stream before the server widens its window. **Source:** RFC 9113."""


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """Build one frame."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def _literal(name: str, value: str) -> bytes:
    return b"\x00" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()


def _head(method: str) -> bytes:
    fields = {
        ":method": "POST",
        ":scheme": "http",
        ":path": method,
        ":authority": "x",
        "te": "trailers",
        "content-type": "application/grpc",
    }
    return b"".join(_literal(name, value) for name, value in fields.items())


class Http2:
    """One connection to a unix socket; use it as an async context manager."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._next = 1

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await asyncio.open_unix_connection(self._path)
        self._writer.write(PREFACE + frame(SETTINGS, 0, 0))
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        self._writer.close()

    def begin(self, method: str, announced_bytes: int, sent_bytes: int) -> int:
        """Begin a call and send the first *sent_bytes* of a message that never ends."""
        stream, self._next = self._next, self._next + 2
        self._writer.write(frame(HEADERS, END_HEADERS, stream, _head(method)))
        body = b"\x00" + struct.pack(">I", announced_bytes) + b"a" * sent_bytes
        for at in range(0, len(body), 16_384):
            self._writer.write(frame(DATA, 0, stream, body[at : at + 16_384]))
        return stream

    def empty(self, method: str) -> int:
        """Make a call that ends with its headers, without a message."""
        stream, self._next = self._next, self._next + 2
        self._writer.write(frame(HEADERS, END_HEADERS | END_STREAM, stream, _head(method)))
        return stream

    async def ended(self) -> int:
        """Wait until the server has ended a call with headers of its own; return its stream."""
        while True:
            head = await self._reader.readexactly(9)
            length, kind, flags = int.from_bytes(head[:3]), head[3], head[4]
            await self._reader.readexactly(length)
            if kind == SETTINGS and not flags & ACK:
                self._writer.write(frame(SETTINGS, ACK, 0))
            if kind == HEADERS:
                return int.from_bytes(head[5:9])
