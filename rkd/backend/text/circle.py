"""
Whether an answer runs in a circle: the same tokens over and over, and nothing else. Pure.

Small models and broken conversions do it, and go on until the context is full. Tables, lists and
code repeat themselves too, but not token for token for hundreds of tokens: that alone is a circle.
"""

from __future__ import annotations

from array import array
from collections import deque

ROUNDS = 4
"""So often a circle is gone round before it is called one."""

LOOKS = 4
"""So often the last tokens are looked at while *length* new ones come."""

LONG = 4
"""So many times *length* must be nothing but a circle that is too long for `ROUNDS` in *length*."""

_TAIL = 32
"""Where so many last tokens were not said before there is no circle: most looks end here."""


class LoopGuard:
    """
    Takes the tokens of one answer; constant time a token on average, constant memory.

    A circle of up to *length* tokens is found: a short one when it has filled the last *length*,
    a long one when it has filled `LONG` times as many; a quarter of *length* later at most.

    Args:
        length: so many tokens must be nothing but a circle; 0 looks at nothing.
    """

    def __init__(self, length: int) -> None:
        self._length = length
        self._step = max(1, length // LOOKS)
        self._last: deque[int] = deque(maxlen=LONG * length)
        self._until = length
        self.looked = 0
        """Tokens compared one by one, all looks together."""
        self.period = 0
        """How many tokens the circle has; 0 as long as there is none."""

    def feed(self, token: int) -> bool:
        """Take a token, any number of 64 bits; whether the answer runs in a circle."""
        if not self._length or self.period:
            return self.period > 0
        self._last.append(token)
        self._until -= 1
        if not self._until:
            self._until = self._step
            self._look()
        return self.period > 0

    def _look(self) -> None:
        last = array("q", self._last)
        if not _said_before(last, min(_TAIL, max(1, self._length // ROUNDS))):
            return
        self.looked += len(last)
        found = periods(tuple(reversed(last)))
        for long in (self._length, LONG * self._length):
            if long <= len(found) and found[long - 1] * ROUNDS <= long:
                self.period = found[long - 1]
                return


def _said_before(tokens: array[int], most: int) -> bool:
    """Whether the last *most* of *tokens* stand somewhere before as well; never False if so."""
    whole = tokens.tobytes()
    return whole.rfind(tokens[-most:].tobytes(), 0, len(whole) - 1) >= 0


def periods(tokens: tuple[int, ...]) -> list[int]:
    """
    Return for each beginning of *tokens* its shortest period; linear time.

    The shortest period is the least p over 0 with `tokens[i] == tokens[i - p]` for all of them.

    **Source:** the failure function of Knuth, Morris and Pratt.
    """
    border = [0] * len(tokens)
    for at in range(1, len(tokens)):
        held = border[at - 1]
        while held and tokens[at] != tokens[held]:
            held = border[held - 1]
        border[at] = held + (tokens[at] == tokens[held])
    return [length - held for length, held in enumerate(border, 1)]


def shortest_period(tokens: tuple[int, ...]) -> int:
    """Return the shortest period of *tokens*, 0 of none."""
    return periods(tokens)[-1] if tokens else 0
