"""How much of a header may be read, walked over and kept; parts of a split model share it."""

from __future__ import annotations

from dataclasses import dataclass

MAX_HEADER_BYTES = 32 << 20
"""A vocabulary of 262,144 with its merges takes 16 MB."""

MAX_KEPT_BYTES = 32 << 20
"""
Texts, numbers and names of a header in memory, as Python counts them.

A model of 1,000 tensors with a template of 20 kB takes 0.5 MB. Without this bound 16-bit arrays
took twenty times the file, 900 MB for a header of 40 MB.
"""


MAX_WORDS = 2**21
"""Texts of arrays walked over; the largest vocabulary and its merges are 777,000. They take a
tenth of a microsecond each, which empty ones would make the most of."""


@dataclass(slots=True)
class Allowance:
    """
    What is left of the three bounds.

    Args:
        read_bytes: of headers, whatever of them is kept.
        kept_bytes: in memory.
        words: texts of arrays.
    """

    read_bytes: int = MAX_HEADER_BYTES
    kept_bytes: int = MAX_KEPT_BYTES
    words: int = MAX_WORDS
