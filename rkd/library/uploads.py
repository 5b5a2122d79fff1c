"""Brings a stream of pieces into the blob store, off the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import ParamSpec, TypeVar

from rkd.errors import bad_field
from rkd.library import refusals
from rkd.library.blobs import Blobs, Receiving, Standing

MAX_PIECE_BYTES = 1 << 20
"""Source: the contract of Upload."""

_P = ParamSpec("_P")
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class UploadPiece:
    """One message of an upload; digest and size count in the first one."""

    digest: str
    size_bytes: int
    offset_bytes: int
    data: bytes


class Uploads:
    """
    Receives uploads into *blobs*, in the thread `rkd-upload`.

    One thread for all of them: a disk gains nothing from two writers, and the newest upload of a
    digest takes over from an older one without a lock.
    """

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="rkd-upload")
        self._hashing = ThreadPoolExecutor(1, thread_name_prefix="rkd-upload-hash")

    async def close(self) -> None:
        """Let the thread end."""
        self._blobs.close()
        for thread in (self._thread, self._hashing):
            await asyncio.to_thread(thread.shutdown, wait=True, cancel_futures=True)

    async def receive(self, pieces: AsyncIterator[UploadPiece]) -> Standing:
        """
        Take *pieces* in until they end; returns where the upload then stands.

        What was received stays when the stream breaks, and the next upload goes on there.

        Raises:
            InvalidInputError: INVALID_FIELD, UPLOAD_OFFSET.
            ExhaustedError: DISK_FULL, before the first byte where the size tells.
            DataLossError: DIGEST_MISMATCH.
        """
        first = await anext(pieces, None)
        if first is None:
            raise bad_field("digest", "the upload has no message")
        # Not in the one thread of all uploads: a model's file may have to be hashed for it.
        standing = await self._in(self._hashing, self._blobs.standing, first.digest)
        if standing.complete:
            return standing
        await self._run(self._blobs.check_room, first.digest, first.size_bytes)
        receiving: Receiving | None = None
        piece: UploadPiece | None = first
        try:
            while piece is not None:
                if len(piece.data) > MAX_PIECE_BYTES:
                    raise bad_field(
                        "data", f"{len(piece.data)} bytes; {MAX_PIECE_BYTES} is the most"
                    )
                if piece.data and receiving is None:
                    receiving = await self._run(
                        self._blobs.receive, first.digest, first.size_bytes, piece.offset_bytes
                    )
                if piece.data and receiving is not None:
                    await self._run(receiving.write, piece.offset_bytes, piece.data)
                piece = await anext(pieces, None)
            return await self._end(first, standing, receiving)
        finally:
            if receiving is not None:
                await asyncio.shield(self._run(receiving.abandon))

    async def _end(
        self, first: UploadPiece, standing: Standing, receiving: Receiving | None
    ) -> Standing:
        if receiving is None and standing.committed_bytes == first.size_bytes > 0:
            # Killed after the last byte and before the check: only the check is left.
            receiving = await self._run(
                self._blobs.receive, first.digest, first.size_bytes, first.size_bytes
            )
        return standing if receiving is None else await self._run(receiving.close)

    async def _run(self, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        return await self._in(self._thread, work, *args, **kwargs)

    async def _in(
        self,
        thread: ThreadPoolExecutor,
        work: Callable[_P, _T],
        *args: _P.args,
        **kwargs: _P.kwargs,
    ) -> _T:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(thread, partial(work, *args, **kwargs))
        except OSError as error:
            raise refusals.disk(error, self._blobs.root) from error
