"""
Whether an answer runs in a circle: the same tokens over and over, and nothing else. Pure.

Small models and broken conversions do it, and go on until the context is full. Tables, lists and
code repeat themselves too, but not token for token for hundreds of tokens: that alone is a circle.
"""

from __future__ import annotations

from collections import deque

ROUNDS = 4
"""So often a circle is gone round within the tokens that are looked at."""

LOOKS = 4
"""So often the last tokens are looked at while that many new ones come."""


class LoopGuard:
    """
    Takes the tokens of one answer; constant time a token on average, constant memory.

    Every quarter of *length* tokens it asks for the shortest period of the last *length*: a circle
    that has filled them is found before a quarter more has come.

    Args:
        length: so many tokens must be nothing but a circle; 0 looks at nothing.
    """

    def __init__(self, length: int) -> None:
        self._length = length
        self._step = max(1, length // LOOKS)
        self._last: deque[int] = deque(maxlen=length)
        self._until = length
        self.looked = 0
        """Tokens looked at, all looks together."""
        self.period = 0
        """How many tokens the circle has; 0 as long as there is none."""

    def feed(self, token: int) -> bool:
        """Take a token; whether the answer runs in a circle."""
        if not self._length or self.period:
            return self.period > 0
        self._last.append(token)
        self._until -= 1
        if not self._until:
            self._until = self._step
            self.looked += len(self._last)
            found = shortest_period(tuple(self._last))
            self.period = found if found * ROUNDS <= self._length else 0
        return self.period > 0


def shortest_period(tokens: tuple[int, ...]) -> int:
    """
    Return the least p over 0 with `tokens[i] == tokens[i - p]` for all of them; linear time.

    **Source:** the failure function of Knuth, Morris and Pratt.
    """
    border = [0] * len(tokens)
    for at in range(1, len(tokens)):
        held = border[at - 1]
        while held and tokens[at] != tokens[held]:
            held = border[held - 1]
        border[at] = held + (tokens[at] == tokens[held])
    return len(tokens) - (border[-1] if border else 0)
