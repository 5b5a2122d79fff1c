"""
The tokens of one answer as they are told: ids and log probabilities, one of each for every token.

Tokens that only began a character come without either. Their ids are found by their bytes at
once; their probabilities have to be asked for when the engine is done (`chances.py`), so that from
the first of them on all wait for the end: they are told in order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rkd.backend.llamacpp.fragments import Fragments
from rkd.backend.llamacpp.http import Json
from rkd.tokens import Logprob, TokenLogprobs


class TokenRecord:
    """
    Collects what the events tell of tokens; used on the run's thread.

    Args:
        alternatives: how many rivals to tell with each token; None for no probabilities.
        fragments: finds tokens again; None where nobody wants them.
    """

    def __init__(self, alternatives: int | None, fragments: Fragments | None) -> None:
        self._alternatives = alternatives
        self._fragments = fragments
        self.ids: list[int] = []
        """Of all tokens so far that are known."""
        self._told_ids = 0
        self._entries: list[TokenLogprobs | None] = []
        self._first = 0
        """Of how many tokens the probabilities were told."""
        self.lost = 0
        """Tokens nobody knows the ids of."""

    def take(self, event: Json, new: int) -> None:
        """Take an event that stands for *new* tokens."""
        ids = [int(one) for one in event.get("tokens") or ()]
        found: Sequence[int] = ()
        missing = new - len(ids)
        if missing > 0 and self._fragments is not None:
            found = self._fragments.before(_bytes_of(event), ids[-1], missing) if ids else ()
            self.lost += missing - len(found)
        self.ids += [*found, *ids]
        if self._alternatives is not None:
            self._entries += [None] * len(found)
            self._entries += [
                logprobs_of(one, self._alternatives)
                for one in event.get("completion_probabilities", ())
            ]

    def new_ids(self) -> tuple[int, ...]:
        """Return the ids not told yet."""
        ids = tuple(self.ids[self._told_ids :])
        self._told_ids = len(self.ids)
        return ids

    def new_logprobs(self, most: int | None = None) -> tuple[TokenLogprobs, ...]:
        """Return what is certain and not told yet, at most *most* of it."""
        known: list[TokenLogprobs] = []
        for entry in self._entries[self._first : None if most is None else self._first + most]:
            if entry is None:
                break
            known.append(entry)
        self._first += len(known)
        return tuple(known)

    @property
    def gaps(self) -> list[int]:
        """The places of tokens whose probabilities are still to be asked for."""
        return [at for at, entry in enumerate(self._entries) if entry is None]

    def fill(self, at: int, entry: TokenLogprobs) -> None:
        """Say the probabilities of the token at the place *at*."""
        self._entries[at] = entry

    def give_up(self) -> int:
        """Leave the gaps; return how many there were."""
        left: list[TokenLogprobs | None] = [one for one in self._entries if one is not None]
        gone = len(self._entries) - len(left)
        self._entries = left
        return gone


def logprobs_of(entry: Json, alternatives: int) -> TokenLogprobs:
    """Read what the engine says of one token, with so many of its rivals."""
    best = tuple(logprob_of(one) for one in entry.get("top_logprobs", ())[:alternatives])
    return TokenLogprobs(logprob_of(entry), best)


def logprob_of(entry: Json) -> Logprob:
    """Read one candidate."""
    text = bytes(entry.get("bytes", ())).decode(errors="replace")
    return Logprob(int(entry["id"]), text, float(entry["logprob"]))


def _bytes_of(event: Json) -> bytes:
    """The bytes of an event's text; what is no UTF-8 is only kept beside probabilities."""
    entries: Any = event.get("completion_probabilities")
    if entries and entries[-1].get("bytes"):
        return bytes(entries[-1]["bytes"])
    return str(event["content"]).encode()
