"""A stream of pieces into the store."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from rkd.errors import DataLossError, ExhaustedError, InvalidInputError, Reason
from rkd.library.blobs import Blobs, Standing
from rkd.library.uploads import MAX_PIECE_BYTES, UploadPiece, Uploads

DATA = bytes(range(256)) * 40
DIGEST = f"sha256:{hashlib.sha256(DATA).hexdigest()}"


async def stream(*pieces: UploadPiece) -> AsyncIterator[UploadPiece]:
    """Send *pieces* and end."""
    for piece in pieces:
        yield piece


async def broken(*pieces: UploadPiece) -> AsyncIterator[UploadPiece]:
    """Send *pieces*, then lose the connection."""
    for piece in pieces:
        yield piece
    raise ConnectionError


def pieces(start: int = 0, end: int = len(DATA), length: int = 1000) -> list[UploadPiece]:
    """DATA from *start* to *end*, the first piece with digest and size."""
    return [
        UploadPiece(DIGEST if at == start else "", len(DATA), at, DATA[at : min(at + length, end)])
        for at in range(start, end, length)
    ]


ASK = UploadPiece(DIGEST, len(DATA), 0, b"")


async def test_a_question_is_answered(tmp_path: Path) -> None:
    """Nothing there, part of it, all of it."""
    uploads = Uploads(Blobs(tmp_path))
    answers = [await uploads.receive(stream(ASK))]
    await uploads.receive(stream(*pieces(0, 2000)))
    answers.append(await uploads.receive(stream(ASK)))
    await uploads.receive(stream(*pieces(2000)))
    answers.append(await uploads.receive(stream(ASK)))
    await uploads.close()

    assert answers == [
        Standing(0, complete=False),
        Standing(2000, complete=False),
        Standing(len(DATA), complete=True),
    ]


async def test_a_broken_stream_keeps_what_came(tmp_path: Path) -> None:
    """The next one goes on there."""
    uploads = Uploads(Blobs(tmp_path))
    with pytest.raises(ConnectionError):
        await uploads.receive(broken(*pieces(0, 3000)))
    standing = await uploads.receive(stream(ASK))
    whole = await uploads.receive(stream(*pieces(3000)))
    await uploads.close()

    assert standing.committed_bytes == 3000
    assert whole.complete


async def test_only_the_check_is_left(tmp_path: Path) -> None:
    """Killed between the last byte and the check: asking finishes it."""
    uploads = Uploads(Blobs(tmp_path))
    with pytest.raises(ConnectionError):
        await uploads.receive(broken(*pieces()))
    standing = await uploads.receive(stream(ASK))
    await uploads.close()

    assert standing == Standing(len(DATA), complete=True)


async def test_a_second_upload_of_the_same_file_needs_no_byte(tmp_path: Path) -> None:
    """Whatever it sends is not looked at."""
    uploads = Uploads(Blobs(tmp_path))
    await uploads.receive(stream(*pieces()))
    again = await uploads.receive(stream(*pieces()))
    await uploads.close()

    assert again.complete


async def test_the_disk_is_checked_before_the_first_byte(tmp_path: Path) -> None:
    """Already when asked."""
    uploads = Uploads(Blobs(tmp_path, free_bytes=lambda _path: 100))
    with pytest.raises(ExhaustedError) as caught:
        await uploads.receive(stream(ASK))
    await uploads.close()

    assert caught.value.reason is Reason.DISK_FULL


async def test_other_bytes_than_promised_are_refused(tmp_path: Path) -> None:
    """DIGEST_MISMATCH."""
    uploads = Uploads(Blobs(tmp_path))
    with pytest.raises(DataLossError):
        await uploads.receive(stream(UploadPiece(DIGEST, len(DATA), 0, b"x" * len(DATA))))
    await uploads.close()


@pytest.mark.parametrize(
    "piece",
    [
        UploadPiece("", 10, 0, b""),
        UploadPiece(DIGEST, 0, 0, b""),
        UploadPiece(DIGEST, len(DATA), 7, b"x"),
        UploadPiece(DIGEST, 2 * MAX_PIECE_BYTES, 0, b"x" * (MAX_PIECE_BYTES + 1)),
    ],
)
async def test_nonsense_is_refused(tmp_path: Path, piece: UploadPiece) -> None:
    """A digest that is none, no size, a gap, a piece too long."""
    uploads = Uploads(Blobs(tmp_path))
    with pytest.raises(InvalidInputError):
        await uploads.receive(stream(piece))
    await uploads.close()


async def test_an_empty_stream_is_refused(tmp_path: Path) -> None:
    """There is nothing to answer."""
    uploads = Uploads(Blobs(tmp_path))
    with pytest.raises(InvalidInputError):
        await uploads.receive(stream())
    await uploads.close()
