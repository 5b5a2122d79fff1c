"""A file passed on to the board as it comes, its size known or not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from rkd_client.passing import Passing

from rkd.v1 import models_pb2 as pb


async def _pieces(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def _calls(passing: Passing, *pieces: bytes) -> list[list[pb.UploadRequest]]:
    source = aiter(passing.left(_pieces(*pieces)))
    calls = []
    while not passing.ended:
        calls.append([one async for one in passing.requests(source)])
    return calls


def sent(calls: list[list[pb.UploadRequest]]) -> bytes:
    """Return the bytes of all messages; each belongs where the last one ended."""
    at = None
    for one in [one for call in calls for one in call if one.data]:
        assert at is None or one.offset_bytes == at
        at = one.offset_bytes + len(one.data)
    return b"".join(one.data for call in calls for one in call)


@pytest.mark.parametrize("held", [0, 3, 9])
def test_with_its_size_one_call_sends_what_is_left(held: int) -> None:
    """The first message says digest and size, also when there is nothing to send."""
    calls = asyncio.run(_calls(Passing("sha256:x", held, 9), b"abcd", b"efghi"))

    assert len(calls) == 1
    assert sent(calls) == b"abcdefghi"[held:]
    assert (calls[0][0].digest, calls[0][0].size_bytes) == ("sha256:x", 9)


@pytest.mark.parametrize("held", [0, 5])
def test_without_its_size_the_last_call_says_it(held: int) -> None:
    """And sends nothing: the board only looks at what it holds then."""
    calls = asyncio.run(_calls(Passing("sha256:x", held, None), b"abcd", b"efghi"))

    assert sent(calls) == b"abcdefghi"[held:]
    assert calls[0][0].size_bytes > 9
    assert [(one.size_bytes, one.data) for one in calls[-1]] == [(9, b"")]


def test_no_call_is_as_long_as_it_announces() -> None:
    """Else the board would take a piece of the file for all of it."""
    text = bytes(range(50))
    pieces = [text[at : at + 3] for at in range(0, 50, 3)]
    calls = asyncio.run(_calls(Passing("sha256:x", 0, None, window_bytes=8), *pieces))

    assert sent(calls) == text
    assert len(calls) > 5
    for call in calls[:-1]:
        last = call[-1].offset_bytes + len(call[-1].data)
        assert last < call[0].size_bytes


@pytest.mark.parametrize(("held", "offset"), [(0, 0), (3, 0), (3, 3), (7, 3)])
def test_pieces_may_begin_where_the_board_stands_or_before(held: int, offset: int) -> None:
    """What it holds already is left out, from wherever they begin."""
    whole = b"0123456789"

    async def left() -> bytes:
        passing = Passing("sha256:x", held, len(whole))
        pieces = passing.left(_pieces(whole[offset:6], whole[6:]), offset)
        return b"".join([piece async for piece in pieces])

    assert asyncio.run(left()) == whole[held:]
