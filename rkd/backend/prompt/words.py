"""The words of a vocabulary, packed: their bytes in a row, in the order of their ids."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate

ID_BITS = 20
"""Of an id beside a hash in 64 bits: the largest vocabularies of today have 262,144 words."""

LIMIT = 1 << ID_BITS
HASH = (1 << (64 - ID_BITS)) - 1


class Words:
    """
    Ids to words, and back where that is wanted; what is kept is the text and 4 or 12 bytes a word.

    Args:
        words: the word of each id, all different, at most LIMIT.
        findable: whether `find` will be asked.
    """

    def __init__(self, words: Sequence[str], *, findable: bool = False) -> None:
        encoded = list(map(str.encode, words))
        self._text = b"".join(encoded)
        self._ends = array("I", accumulate(map(len, encoded)))
        packed = ((hash(word) & HASH) << ID_BITS | at for at, word in enumerate(words))
        self._hashes = array("Q", sorted(packed) if findable else ())

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, token_id: int) -> str:
        """Return the word of an id from 0 to the length."""
        began = self._ends[token_id - 1] if token_id else 0
        return self._text[began : self._ends[token_id]].decode()

    def find(self, word: str) -> int | None:
        """Return the id of *word*, or None."""
        wanted = hash(word) & HASH
        place = bisect_left(self._hashes, wanted << ID_BITS)
        while place < len(self._hashes) and self._hashes[place] >> ID_BITS == wanted:
            token_id = self._hashes[place] & (LIMIT - 1)
            if self[token_id] == word:
                return token_id
            place += 1
        return None
