"""Whether a failed call is tried again, and when: purely, from what came back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rkd_client.errors import ExhaustedError, RkdError, UnavailableError

TRIES = 3
"""Tries of one call, the first included."""

LONGEST_S = 5.0
"""A daemon that says to come back later than this is for the caller to wait for."""

PAUSE_S = 0.2
"""Before a broken connection is tried again; longer each time."""


@dataclass(slots=True)
class Attempts:
    """
    The tries of one call.

    Args:
        repeatable: the call changes nothing, so that it may be sent again when nobody knows
            whether it arrived.
        bound_s: for all tries together, None for no bound.
        clock: seconds.
    """

    repeatable: bool
    bound_s: float | None
    clock: Callable[[], float]
    _until_s: float | None = None
    _failed: int = 0
    _broken: RkdError | None = None

    def __post_init__(self) -> None:
        if self.bound_s is not None:
            self._until_s = self.clock() + self.bound_s

    def left_s(self) -> float | None:
        """Return how long the next try may take."""
        return None if self._until_s is None else max(0.0, self._until_s - self.clock())

    def telling(self, error: RkdError) -> RkdError:
        """Return what to raise for *error*, the last one: how a connection broke at first."""
        return self._broken or error if error.reason == "UNAVAILABLE" else error

    def pause_s(self, error: RkdError, *, begun: bool) -> float | None:
        """
        Return how long to wait before the next try after *error*; None to give up.

        1. An answer of which something has come is never asked for again.
        2. What is full or stopping did nothing and says when to come back.
        3. Whoever guessed tokens too often is not helped to guess on.
        4. A connection that broke may have delivered: only what is repeatable is sent again.
        """
        self._failed += 1
        if error.reason == "UNAVAILABLE":
            self._broken = self._broken or error
        if begun or self._failed >= TRIES:
            return None
        pause_s = None
        waits = isinstance(error, UnavailableError | ExhaustedError)
        if error.retry_after_s is not None and waits and error.reason != "AUTH_RATE_LIMITED":
            pause_s = error.retry_after_s
        elif self.repeatable and error.reason == "UNAVAILABLE":
            pause_s = PAUSE_S * self._failed
        left_s = self.left_s()
        if pause_s is None or pause_s > (LONGEST_S if left_s is None else min(LONGEST_S, left_s)):
            return None
        return pause_s
