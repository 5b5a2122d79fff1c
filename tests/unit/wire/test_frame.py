"""Frames come out whole and in order, however the bytes arrive."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rkd.wire import frame

HUGE = (frame.MAX_FRAME_BYTES + 1).to_bytes(4, "little")


class FakeBody(bytes):
    """A body that says it is too long, without the memory for it."""

    __slots__ = ()

    def __len__(self) -> int:
        return frame.MAX_FRAME_BYTES + 1


@given(
    bodies=st.lists(st.binary(max_size=40), max_size=6),
    cuts=st.lists(st.integers(0, 300), max_size=12),
)
def test_any_split_gives_the_bodies(bodies: list[bytes], cuts: list[int]) -> None:
    """Cut anywhere, also inside the length; an empty body is a frame too."""
    stream = b"".join(frame.pack(body) for body in bodies)
    at = sorted({0, len(stream), *(cut % (len(stream) + 1) for cut in cuts)})
    buffer = frame.FrameBuffer()
    out = [body for start, end in itertools.pairwise(at) for body in buffer.feed(stream[start:end])]

    assert bodies == out
    assert buffer.feed(b"") == []


def test_the_length_is_four_bytes_little_endian() -> None:
    """As the wire's own page says."""
    assert frame.pack(b"abc") == b"\x03\x00\x00\x00abc"


def test_an_unfinished_frame_waits() -> None:
    """One byte short is not there yet; the last byte brings it."""
    buffer = frame.FrameBuffer()
    whole = frame.pack(b"abc")

    assert buffer.feed(whole[:-1]) == []
    assert buffer.feed(whole[-1:]) == [b"abc"]


def test_an_impossible_length_is_a_broken_peer() -> None:
    """Nothing is waited for, and no memory taken, on the word of four bytes."""
    with pytest.raises(frame.FrameError, match="announces"):
        frame.FrameBuffer().feed(HUGE)


def test_nothing_over_the_limit_is_sent() -> None:
    """The writer is held to what the reader takes."""
    with pytest.raises(frame.FrameError, match="over the limit"):
        frame.pack(FakeBody())
