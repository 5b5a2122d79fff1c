"""
Which of several boards is asked next: purely, from what gRPC says of its channels to them.

A channel that is ready has a connection and a board behind it that says SERVING for what is asked
of it: one that drains, lacks the model or is gone is not.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import Final

from rkd_client.errors import (
    ExhaustedError,
    NotFoundError,
    PreconditionError,
    RkdError,
    UnavailableError,
)

SETTLE_S: Final = 0.5
"""
For so long after the first look the slower boards are awaited, so that calls that come at once
are spread and do not all go to the first that answers.
"""

CONNECT_S: Final = 3.0
"""Longest wait for any board at all to be ready."""

KEPT_SERVICES: Final = 32
"""Models whose boards a client keeps an eye on; the one asked for least lately is forgotten."""


class State(enum.Enum):
    """What is known of one board."""

    READY = "ready"
    DECIDING = "deciding"
    FAILING = "failing"


class Spread:
    """The boards of one client: how many calls each has, and whose turn it is."""

    def __init__(self, count: int) -> None:
        self.busy = [0] * count
        self._turn = 0

    def choose(self, states: Sequence[State], avoid: frozenset[int]) -> int | None:
        """
        Return the ready board with the fewest calls of ours under way, and count one more there.

        Among equals they take turns. None where none is ready but those to *avoid*.
        """
        count = len(states)
        order = [(self._turn + at) % count for at in range(count)]
        ready = [at for at in order if states[at] is State.READY and at not in avoid]
        if not ready:
            return None
        chosen = min(ready, key=self.busy.__getitem__)
        self._turn = (chosen + 1) % count
        self.busy[chosen] += 1
        return chosen


def patience_s(states: Sequence[State], looked_for_s: float) -> float:
    """Return how much longer to wait before a board is chosen; 0 to choose now."""
    if State.DECIDING not in states:
        return 0.0
    return max(0.0, (SETTLE_S if State.READY in states else CONNECT_S) - looked_for_s)


class Round:
    """
    The boards one call has been to.

    What one refuses for a reason of its own, before anything came of an answer, is asked of the
    next: nothing was done there. Where all refuse, the most telling refusal is told.
    """

    def __init__(self) -> None:
        self.avoid: frozenset[int] = frozenset()
        self._errors: list[RkdError] = []

    def refused(self, at: int, error: RkdError) -> bool:
        """Remember that the board *at* ended the call with *error*; whether to ask another."""
        self._errors.append(error)
        if not _own(error):
            return False
        self.avoid |= {at}
        return True

    def telling(self) -> RkdError:
        """Return what to tell, of all that was refused; the next round begins anew."""
        errors, self._errors, self.avoid = self._errors, [], frozenset()
        return min(errors, key=_rank)


def _own(error: RkdError) -> bool:
    """Whether *error* may be the board's own, and another one's answer differ."""
    if error.reason in {"AUTH_RATE_LIMITED", "BOARD_NEEDED"}:
        return False
    kinds = (NotFoundError, UnavailableError, ExhaustedError, PreconditionError)
    return isinstance(error, kinds)


def _rank(error: RkdError) -> int:
    if not _own(error):
        return 0
    if isinstance(error, ExhaustedError | PreconditionError):
        return 1
    if isinstance(error, NotFoundError):
        return 3 if error.reason == "MODEL_NOT_FOUND" else 2
    return 4 if error.reason == "UNAVAILABLE" else 2
