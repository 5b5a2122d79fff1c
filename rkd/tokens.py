"""The smallest pieces of an answer, and the ranges in which engines count."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

Count = Annotated[int, Meta(ge=0, le=2**32 - 1)]
"""How many of something."""
Int32 = Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)]
"""A token id, among others: the engines' own type."""
Size = Annotated[int, Meta(ge=0)]
"""Bytes, or a mask of bits; 64 bits at most, as all integers on a wire."""


@dataclass(frozen=True, slots=True)
class Logprob:
    """One candidate token and its natural-log probability."""

    token_id: Int32
    text: str
    logprob: float


@dataclass(frozen=True, slots=True)
class TokenLogprobs:
    """The chosen token and the most likely alternatives, best first."""

    chosen: Logprob
    alternatives: tuple[Logprob, ...] = ()


@dataclass(frozen=True, slots=True)
class ToolCallDelta:
    """A piece of a tool call: id and name come once, then argument text in pieces."""

    index: Count
    id: str = ""
    name: str = ""
    arguments: str = ""
