"""
Files brought to the board: hashed, asked for, and sent from where the board stands.

Killed in the middle, the same call later goes on there; so does this one when the connection
breaks, as long as every try brings it further. What to do next is decided here, purely; the two
halves of the library do it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

from rkd.v1 import models_pb2 as pb
from rkd_client.ask import QUICK_S, SLOW_S, Ask
from rkd_client.errors import (
    DataLossError,
    InvalidInputError,
    RkdError,
    TimedOutError,
    UnavailableError,
)
from rkd_client.files import named, open_regular, why_not

PIECE_BYTES = 1 << 20
"""The longest piece of the contract."""

TRIES = 5
"""Tries in a row that bring the board no byte further before giving up."""

PAUSE_S = 2.0
"""Between tries when the daemon is away."""

Told = Callable[[str, int, int], None]
"""Gets `hashing` or `sending`, the bytes done and all of them."""


@dataclass(frozen=True, slots=True)
class Hashed:
    """A local file with its digest (`sha256:<hex>`) and size."""

    path: Path
    digest: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Send:
    """Send the file from *offset_bytes* on; None only asks how much is there."""

    offset_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait before the next step."""

    pause_s: float


Step = Send | Pause
Came = pb.UploadResponse | RkdError | None


def digest_of(path: Path, told: Told = lambda *_: None) -> Hashed:
    """
    Read the file at *path* and return its digest and size.

    Raises:
        InvalidInputError: INVALID_FILE, it cannot be read.
    """
    digest, done = hashlib.sha256(), 0
    try:
        with open_regular(path) as stream:
            size = os.fstat(stream.fileno()).st_size
            while piece := stream.read(PIECE_BYTES):
                digest.update(piece)
                done += len(piece)
                told("hashing", done, size)
    except OSError as error:
        said = f"{named(path)} cannot be read: {why_not(error)}"
        raise InvalidInputError("INVALID_FILE", said) from error
    return Hashed(path, f"sha256:{digest.hexdigest()}", done)


def ask_of(one: Hashed, step: Send) -> Ask[pb.UploadResponse, object]:
    """Return the call that carries out *step*; its request is the first of those sent."""
    # The last answer comes after the board has hashed what it held before this call.
    bound_s = QUICK_S if step.offset_bytes is None else SLOW_S + one.size_bytes / 100_000
    request = pb.UploadRequest(digest=one.digest, size_bytes=one.size_bytes)
    return Ask(request, bound_s=bound_s)


def requests(one: Hashed, step: Send, told: Told) -> Iterator[pb.UploadRequest]:
    """Yield what *step* sends; reads the file, so not for an event loop's thread."""
    first = pb.UploadRequest(digest=one.digest, size_bytes=one.size_bytes)
    if step.offset_bytes is None:
        yield first
        return
    offset = step.offset_bytes
    with open_regular(one.path) as stream:
        stream.seek(offset)
        while piece := stream.read(PIECE_BYTES):
            request = pb.UploadRequest(offset_bytes=offset, data=piece)
            if offset == step.offset_bytes:
                request.MergeFrom(first)
            yield request
            offset += len(piece)
            told("sending", offset, one.size_bytes)


def journey(one: Hashed) -> Generator[Step, Came, None]:
    """
    Yield what to do until the board holds *one*; what came of each step is sent in.

    Raises:
        RkdError: the board refuses, stays away, or holds other bytes under this digest.
    """
    committed, tries = -1, 0
    while True:
        came = yield Send()
        if isinstance(came, pb.UploadResponse):
            if came.complete:
                return
            if came.committed_bytes >= one.size_bytes:
                said = f"the board holds other bytes under the digest of {one.path}"
                raise DataLossError("DIGEST_MISMATCH", said)
            tries = 0 if came.committed_bytes > committed else tries
            committed = came.committed_bytes
            came = yield Send(committed)
            if isinstance(came, pb.UploadResponse) and came.complete:
                return
        tries += 1
        if isinstance(came, RkdError) and came.reason != "UPLOAD_OFFSET":
            if tries >= TRIES or not isinstance(came, UnavailableError | TimedOutError):
                raise came
            yield Pause(PAUSE_S)
        if tries >= TRIES:
            raise InvalidInputError("UPLOAD_OFFSET", f"{one.path} does not arrive whole")
