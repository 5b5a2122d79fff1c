"""
Files brought to the board: hashed, asked for, and sent from where the board stands.

Killed in the middle, the same call later goes on there; so does this one when the connection
breaks, as long as every try brings it further.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import grpc

from rkctl.answer import details_of
from rkctl.failure import Failure
from rkctl.progress import Shown
from rkctl.session import QUICK_S, SLOW_S, Session
from rkctl.sources import LocalFile
from rkd.v1 import models_pb2 as pb

PIECE_BYTES = 1 << 20
"""The longest piece of the contract."""

TRIES = 5
"""Tries in a row that bring the board no byte further before giving up."""

_PAUSE_S = 2.0
_MENDABLE = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}


@dataclass(frozen=True, slots=True)
class Hashed:
    """A local file with its digest (`sha256:<hex>`) and size."""

    file: LocalFile
    digest: str
    size_bytes: int


class Carrier:
    """
    Brings files to the board of *session*, telling *shown* how far it is.

    Args:
        pause: waits some seconds between tries.
        clock: seconds, for the speed.
    """

    def __init__(
        self,
        session: Session,
        shown: Shown,
        *,
        pause: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._session = session
        self._shown = shown
        self._pause = pause
        self._clock = clock

    def bring(self, files: tuple[LocalFile, ...]) -> list[pb.UploadedFile]:
        """
        Bring every one of *files* the board lacks and return all by their digests.

        Raises:
            Failure: a file cannot be read, or the board refuses or stays away.
        """
        hashed = [self._hash(file) for file in files]
        for one in hashed:
            self._bring(one)
        return [pb.UploadedFile(name=one.file.name, digest=one.digest) for one in hashed]

    def _hash(self, file: LocalFile) -> Hashed:
        digest, done, began_s = hashlib.sha256(), 0, self._clock()
        try:
            size = file.path.stat().st_size
            with file.path.open("rb") as stream:
                while piece := stream.read(PIECE_BYTES):
                    digest.update(piece)
                    done += len(piece)
                    self._tell(file.path, "hashing", done, size, began=(began_s, 0))
        except OSError as error:
            said = f"{file.path} cannot be read: {error.strerror}"
            raise Failure(said, "INVALID_FILE") from error
        return Hashed(file, f"sha256:{digest.hexdigest()}", done)

    def _bring(self, one: Hashed) -> None:
        committed, tries = -1, 0
        while True:
            try:
                standing = self._ask(one)
                if standing.complete:
                    break
                if standing.committed_bytes >= one.size_bytes:
                    said = f"the board holds other bytes under the digest of {one.file.path}"
                    raise Failure(said, "DIGEST_MISMATCH")
                tries = 0 if standing.committed_bytes > committed else tries
                committed = standing.committed_bytes
                if self._send(one, committed).complete:
                    break
                tries += 1
            except grpc.RpcError as error:
                tries += 1
                self._mend(error, tries)
            if tries >= TRIES:
                raise Failure(f"{one.file.path} does not arrive whole", "UPLOAD_OFFSET")
        self._tell(one.file.path, "on the board", one.size_bytes, one.size_bytes)

    def _mend(self, error: grpc.RpcError, tries: int) -> None:
        """Wait before another try where one can help; raise what cannot be mended."""
        call = cast("grpc.Call", error)
        if details_of(call).reason == "UPLOAD_OFFSET" and tries < TRIES:
            return
        if call.code() not in _MENDABLE or tries >= TRIES:
            raise self._session.failure(error) from error
        self._pause(_PAUSE_S)

    def _ask(self, one: Hashed) -> pb.UploadResponse:
        request = pb.UploadRequest(digest=one.digest, size_bytes=one.size_bytes)
        return self._session.send(self._session.models.Upload, [request], QUICK_S)

    def _send(self, one: Hashed, offset: int) -> pb.UploadResponse:
        # The last answer comes after the board has hashed what it held before this call.
        bound_s = SLOW_S + one.size_bytes / 100_000
        return self._session.send(self._session.models.Upload, self._pieces(one, offset), bound_s)

    def _pieces(self, one: Hashed, offset: int) -> Iterator[pb.UploadRequest]:
        """Yield the file from *offset* on; runs in a thread of gRPC's."""
        began = (self._clock(), offset)
        first = True
        with Path(one.file.path).open("rb") as stream:
            stream.seek(offset)
            while piece := stream.read(PIECE_BYTES):
                request = pb.UploadRequest(offset_bytes=offset, data=piece)
                if first:
                    request.digest, request.size_bytes = one.digest, one.size_bytes
                    first = False
                yield request
                offset += len(piece)
                self._tell(one.file.path, "sending", offset, one.size_bytes, began=began)

    def _tell(
        self,
        path: Path,
        stage: str,
        done: int,
        total: int,
        *,
        began: tuple[float, int] | None = None,
    ) -> None:
        self._shown.update(path.name, stage, done, total, [])
        if began is None:
            self._shown.speed(0, None)
            return
        elapsed_s = self._clock() - began[0]
        rate = (done - began[1]) / elapsed_s if elapsed_s > 1 else 0.0
        self._shown.speed(rate, (total - done) / rate if rate > 0 else None)
