"""
The texts of a GGUF's tokens, looked for without building a vocabulary.

**Source**: the GGUF specification: an array of strings is a type, a count, and each string behind
its length as a u64. A vocabulary of 150,000 tokens has 3 MB; a text is found in 1 ms.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from rkd.outside import open_regular
from rkd.weights.gguf import Header

TOKENS = "tokenizer.ggml.tokens"
MAX_VOCABULARY_BYTES = 64 << 20
"""Largest looked through: ten times Gemma's, of 262,144 tokens."""

_LENGTH = struct.Struct("<Q")
_HEAD_BYTES = 12
"""Type and count of an array."""


class TokenTexts:
    """
    The tokens as they stand in the file.

    Args:
        strings: each behind its length.
    """

    def __init__(self, strings: bytes) -> None:
        self._strings = strings

    @classmethod
    def of(cls, path: Path, header: Header) -> TokenTexts:
        """
        Read that of *path*; empty where it has none, or one larger than any known.

        Raises:
            OSError: the file cannot be read.
        """
        span = header.spans.get(TOKENS)
        if span is None or span[1] - span[0] > MAX_VOCABULARY_BYTES:
            return cls(b"")
        with open_regular(path) as file:
            file.seek(span[0])
            pair = file.read(span[1] - span[0])
        # The pair's key and its type stand before the array.
        return cls(pair[_LENGTH.size + len(TOKENS) + 4 + _HEAD_BYTES :])

    def has(self, text: str) -> bool:
        """Whether there is a token of exactly that *text*."""
        data = text.encode()
        return _LENGTH.pack(len(data)) + data in self._strings

    def text(self, token_id: int) -> str:
        """Return the text of a token, "" where there is none; walks over those before it."""
        return next(islice(self, token_id, None), b"").decode(errors="replace")

    def __iter__(self) -> Iterator[bytes]:
        """Yield the text of every token, by its id, as it stands in the file."""
        at = 0
        while at + _LENGTH.size <= len(self._strings):
            (length,) = _LENGTH.unpack_from(self._strings, at)
            at += _LENGTH.size
            yield self._strings[at : at + length]
            at += length
