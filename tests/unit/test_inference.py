"""Joining chunks loses nothing and keeps every order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rkd.inference import Chunk
from tests.unit.wire.shapes import CHUNKS


@given(pieces=st.lists(CHUNKS, min_size=1, max_size=5))
def test_a_joined_chunk_holds_every_piece_in_order(pieces: list[Chunk]) -> None:
    """Text, reasoning, calls, ids and probabilities follow each other; tokens add up."""
    joined = Chunk.join(pieces)

    assert joined.text == "".join(one.text for one in pieces)
    assert joined.reasoning == "".join(one.reasoning for one in pieces)
    assert joined.tool_calls == tuple(call for one in pieces for call in one.tool_calls)
    assert joined.token_ids == tuple(token for one in pieces for token in one.token_ids)
    assert joined.logprobs == tuple(entry for one in pieces for entry in one.logprobs)
    assert joined.tokens == sum(one.tokens for one in pieces)


@given(pieces=st.lists(CHUNKS, min_size=2, max_size=5), cut=st.integers(1, 4))
def test_joining_in_steps_is_joining_at_once(pieces: list[Chunk], cut: int) -> None:
    """Both ends of the wire may join: the reader sees the same."""
    at = min(cut, len(pieces) - 1)
    stepwise = Chunk.join([Chunk.join(pieces[:at]), Chunk.join(pieces[at:])])

    assert Chunk.join(pieces) == stepwise


def test_one_piece_is_itself() -> None:
    """The common case makes nothing new."""
    chunk = Chunk("a", tokens=1)

    assert Chunk.join([chunk]) is chunk
