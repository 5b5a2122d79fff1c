"""
Who leaves to make room: a pure function of what is wanted and what is resident.

The worth of keeping a model is what bringing it back would cost; the worth of letting it go is
the memory it frees for how long nobody wanted it. Whoever frees most for least leaves first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

_LEAST_S = 0.001
"""Keeps an instant load and a model that only just fell idle from making scores of 0."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """
    A resident that may leave.

    Args:
        generation: its identity.
        idle_s: how long nobody used it; 0 for one in use.
        freed_bytes: memory it would give back.
        reload_s: what its last load took.
    """

    generation: int
    idle_s: float
    freed_bytes: int
    reload_s: float

    @property
    def score(self) -> float:
        """Idle time times size over reload cost; the highest leaves first."""
        idle_s = max(self.idle_s, _LEAST_S)
        return idle_s * max(self.freed_bytes, 1) / max(self.reload_s, _LEAST_S)


def choose(
    candidates: Iterable[Candidate], fits_without: Callable[[frozenset[int]], bool]
) -> tuple[int, ...] | None:
    """
    Pick the residents to let go, the first to leave first; None when all of them are not enough.

    Args:
        candidates: who may leave at all: never one pinned, and one in use only to be drained.
        fits_without: whether the newcomer fits once these generations are gone.
    """
    ranked = sorted(candidates, key=lambda one: (-one.score, one.generation))
    chosen: list[int] = []
    for one in ranked:
        if fits_without(frozenset(chosen)):
            break
        chosen.append(one.generation)
    if not fits_without(frozenset(chosen)):
        return None
    # A large one picked late may have made smaller ones before it needless.
    for generation in tuple(chosen):
        fewer = frozenset(chosen) - {generation}
        if fits_without(fewer):
            chosen.remove(generation)
    return tuple(chosen)
