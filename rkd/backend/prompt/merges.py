"""The merges of byte pair encoding, packed into 9 to 16 bytes each."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from heapq import heapify, heappop, heappush
from itertools import islice
from operator import eq

from rkd.backend.prompt.words import HASH, ID_BITS, LIMIT, Words

_RANK = LIMIT - 1
_NONE = -1


class Merges:
    """
    Which two neighbours become one, and in which order.

    Found by the hash of both words, and certain by what they make and where it was cut: looking up
    the ids of 300,000 words would take longer than all else.

    Args:
        lefts: a word of each merge, the first to be made first.
        rights: the word that stands behind it.
        made: the id of what they become.
        words: by their ids.

    Raises:
        ValueError: there are LIMIT or more, or one pair stands there twice.
    """

    def __init__(
        self, lefts: Sequence[str], rights: Sequence[str], made: Iterable[int], words: Words
    ) -> None:
        if len(lefts) >= LIMIT:
            raise ValueError("more merges than ranks")
        hashes = map(hash, zip(lefts, rights, strict=True))
        packed = sorted((one & HASH) << ID_BITS | rank for rank, one in enumerate(hashes))
        found = [one >> ID_BITS for one in packed]
        if any(map(eq, found, islice(found, 1, None))) and _repeat(lefts, rights):
            raise ValueError("one pair has two ranks")
        self._packed = array("Q", packed)
        self._made = made if isinstance(made, range) else array("I", made)
        self._cut = _packed(list(map(len, lefts)))
        self._words = words

    def merged(self, ids: Sequence[int]) -> list[int]:
        """
        Put together what belongs together in one word, lowest rank first, then from the left.

        Takes as long as *ids* are many, times the logarithm.
        """
        texts = [self._words[one] for one in ids]
        ranks = map(self._rank, texts, islice(texts, 1, None))
        waiting = [(rank, at) for at, rank in enumerate(ranks) if rank != _NONE]
        return self._carried_out(waiting, list(ids), texts) if waiting else list(ids)

    def _carried_out(
        self, waiting: list[tuple[int, int]], ids: list[int], texts: list[str]
    ) -> list[int]:
        end = len(ids)
        following = list(range(1, end + 1))
        before = list(range(-1, end - 1))

        def ask(at: int) -> None:
            if at != _NONE and following[at] < end:
                rank = self._rank(texts[at], texts[following[at]])
                if rank != _NONE:
                    heappush(waiting, (rank, at))

        heapify(waiting)
        while waiting:
            rank, at = heappop(waiting)
            right = following[at]
            # Either may have been merged with another neighbour since.
            if ids[at] == _NONE or right >= end or self._rank(texts[at], texts[right]) != rank:
                continue
            ids[at], ids[right] = self._made[rank], _NONE
            texts[at] += texts[right]
            following[at] = following[right]
            if following[at] < end:
                before[following[at]] = at
            ask(before[at])
            ask(at)
        return [one for one in ids if one != _NONE]

    def _rank(self, left: str, right: str) -> int:
        """Which merge the two are, or _NONE."""
        wanted = hash((left, right)) & HASH
        place = bisect_left(self._packed, wanted << ID_BITS)
        while place < len(self._packed) and self._packed[place] >> ID_BITS == wanted:
            rank = self._packed[place] & _RANK
            if self._cut[rank] == len(left) and self._words[self._made[rank]] == left + right:
                return rank
            place += 1
        return _NONE


def _packed(lengths: Sequence[int]) -> Sequence[int]:
    return bytes(lengths) if max(lengths, default=0) < 256 else array("I", lengths)  # noqa: PLR2004


def _repeat(lefts: Sequence[str], rights: Sequence[str]) -> bool:
    return len(set(zip(lefts, rights, strict=True))) < len(lefts)
