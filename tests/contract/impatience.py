"""Callers that stop waiting at a place of their choice."""

from __future__ import annotations

from collections.abc import Callable


class FakeImpatience:
    """
    A handle that is cancelled after it was looked at so often, or when the engine is asked.

    Args:
        looks: how often it is still wanted.
        asked: whether what ends the engine's work is called as soon as it is known.
    """

    def __init__(self, looks: int = 1_000_000, *, asked: bool = False) -> None:
        self._looks, self._asked = looks, asked

    @property
    def cancelled(self) -> bool:
        """Whether it was looked at often enough."""
        self._looks -= 1
        return self._looks < 0

    def on_cancel(self, act: Callable[[], None]) -> None:
        """Be cancelled, when that was asked for."""
        if self._asked:
            self._looks = 0
            act()


HASTY = {
    "at once": lambda: FakeImpatience(0),
    "between two": lambda: FakeImpatience(3),
    "while it computes": lambda: FakeImpatience(asked=True),
}
"""Where a caller leaves, by name."""
