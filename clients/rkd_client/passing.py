"""A file that comes piece by piece and is passed on to the board as it comes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from rkd.v1 import models_pb2 as pb
from rkd_client.ask import SLOW_S, Ask
from rkd_client.upload import PIECE_BYTES

WINDOW_BYTES: Final = 256 << 20
"""
Of a file whose size nobody knows yet, so much more than it has is announced at a time.

Less than announced is always sent, so that the board takes it for unfinished until the end.
"""


@dataclass(frozen=True, slots=True)
class Stands:
    """How much of a file the board holds, and whether that is all of it."""

    committed_bytes: int
    complete: bool


class Passing:
    """
    One file on its way, over one call, or several where its size is not known.

    Args:
        digest: of all of it.
        held_bytes: what the board holds already.
        size_bytes: of all of it, or None.
        window_bytes: announced at a time where its size is not known.
    """

    def __init__(
        self,
        digest: str,
        held_bytes: int,
        size_bytes: int | None,
        window_bytes: int = WINDOW_BYTES,
    ) -> None:
        self._digest, self._at, self._window_bytes = digest, held_bytes, window_bytes
        self._size_bytes = size_bytes
        self._rest = b""
        self.ended = False

    def ask(self) -> Ask[pb.UploadResponse, object]:
        """Return the next call; the last answer comes when the board has hashed everything."""
        size_bytes = self._size_bytes or self._at + self._window_bytes
        return Ask(self.first(), bound_s=SLOW_S + size_bytes / 100_000)

    def first(self) -> pb.UploadRequest:
        """Return what the next call says first."""
        announced = self._size_bytes or self._at + self._window_bytes
        return pb.UploadRequest(digest=self._digest, size_bytes=announced)

    async def left(
        self, pieces: AsyncIterator[bytes], offset_bytes: int = 0
    ) -> AsyncIterator[bytes]:
        """
        Yield what of *pieces* the board does not hold, cut to what a message may hold.

        They begin at *offset_bytes* of the file.
        """
        skip = self._at - offset_bytes
        async for piece in pieces:
            rest = memoryview(piece)[min(skip, len(piece)) :]
            skip -= len(piece) - len(rest)
            for at in range(0, len(rest), PIECE_BYTES):
                yield bytes(rest[at : at + PIECE_BYTES])

    async def requests(self, source: AsyncIterator[bytes]) -> AsyncIterator[pb.UploadRequest]:
        """Yield the messages of the next call, with what *source* still has."""
        first, end = self.first(), self._at + self._window_bytes - 1
        opening: pb.UploadRequest | None = first
        while True:
            piece = self._rest or await anext(source, b"")
            self._rest = b""
            if not piece:
                break
            if self._size_bytes is None and self._at + len(piece) > end:
                self._rest = piece
                return
            request = pb.UploadRequest(offset_bytes=self._at, data=piece)
            if opening is not None:
                request.MergeFrom(opening)
                opening = None
            self._at += len(piece)
            yield request
        if self._size_bytes is None and opening is None:
            self._size_bytes = self._at  # a last call says so, and the board looks at it
            return
        self.ended = True
        if opening is not None:
            self._size_bytes = self._size_bytes or self._at
            yield self.first()
