"""Texts cut into pieces, and what a splitter made of the pieces as one."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from hypothesis import strategies as st

from rkd.backend.text.splitter import Split
from rkd.tokens import ToolCallDelta

CUTS = st.lists(st.integers(min_value=0, max_value=200), max_size=12)


def pieces_of(whole: str, cuts: list[int]) -> list[str]:
    """*whole* cut at *cuts*, each taken modulo its length."""
    at = sorted({0, len(whole), *(cut % (len(whole) + 1) for cut in cuts)})
    return [whole[start:end] for start, end in itertools.pairwise(at)]


def merged(parts: Iterable[Split]) -> Split:
    """What *parts* make in all: pieces of one call are one call."""
    listed = list(parts)
    calls: dict[int, ToolCallDelta] = {}
    for piece in (call for part in listed for call in part.tool_calls):
        had = calls.get(piece.index, ToolCallDelta(piece.index))
        calls[piece.index] = ToolCallDelta(
            piece.index,
            had.id or piece.id,
            had.name or piece.name,
            had.arguments + piece.arguments,
        )
    return Split(
        "".join(part.text for part in listed),
        "".join(part.reasoning for part in listed),
        tuple(calls.values()),
    )
