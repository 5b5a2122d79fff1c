"""
A regular expression as a deterministic automaton: written as GBNF, and tried on a text; pure.

Deterministic, because the engine follows every way through a grammar at once, and for each token
all of them anew at each of its characters. Measured (llama.cpp b11549, 49,152 tokens): `"a"?` three
hundred times takes minutes for one token, the same automaton 0.1 s.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from rkd.grammar.gbnf import character
from rkd.grammar.regex import (
    Chars,
    Either,
    Node,
    PatternError,
    Ranges,
    Repeat,
    Sequence,
    merged,
    read,
)

MAX_STATES = 4200
MAX_EDGES = 10_000
"""Ranges of characters between states."""
MAX_STEPS = 2_000_000
"""Positions looked at while the automaton is made: some seconds at most."""


KEPT = 16
"""A request's is asked for when it is judged, written and when its answer is tried."""


@dataclass(frozen=True, slots=True)
class State:
    """
    What may come next.

    Args:
        ends: the text may end here.
        edges: characters, and the state behind them; of two edges no character is in both.
    """

    ends: bool
    edges: tuple[tuple[Ranges, int], ...]


@dataclass(frozen=True, slots=True)
class Automaton:
    """States, the first of them where it begins."""

    states: tuple[State, ...]

    def matches(self, text: str) -> bool:
        """Whether the whole of *text* is what was asked for; linear in its length."""
        state = self.states[0]
        for sign in text:
            code = ord(sign)
            behind = (
                target
                for ranges, target in state.edges
                if any(low <= code <= high for low, high in ranges)
            )
            target = next(behind, None)
            if target is None:
                return False
            state = self.states[target]
        return state.ends

    def gbnf(self) -> str:
        """It as a grammar of the engine: a rule a state, of which the next character tells one."""
        lines = []
        for at, state in enumerate(self.states):
            ways = [f"[{_class(ranges)}] s{target}" for ranges, target in state.edges]
            ways += ['""'] if state.ends else []
            lines.append(f"{f's{at}' if at else 'root'} ::= {' | '.join(ways)}")
        # The first state may come again, and only `root` is begun with.
        return "\n".join([*lines, "s0 ::= root"])


@lru_cache(maxsize=KEPT)
def automaton_of(pattern: str) -> Automaton:
    """
    Make the automaton of *pattern*.

    Raises:
        PatternError: it is none of the dialect, or too large.
    """
    return _Maker(read(pattern)).automaton()


def _class(ranges: Ranges) -> str:
    pieces = (
        character(low) if low == high else f"{character(low)}-{character(high)}"
        for low, high in ranges
    )
    return "".join(pieces)


@dataclass(frozen=True, slots=True)
class _Part:
    """
    A piece of the expression, by its characters' positions.

    Args:
        empty: it may be nothing.
        first, last: where it may begin and end.
    """

    empty: bool
    first: frozenset[int]
    last: frozenset[int]


_NOTHING = _Part(empty=True, first=frozenset(), last=frozenset())
_Key = tuple[frozenset[int], bool]


class _Maker:
    """
    Numbers the characters of an expression and notes which may follow which (Glushkov).

    A state is what may come next, so that ways that go on alike are one.
    """

    def __init__(self, node: Node) -> None:
        self._sets: list[Ranges] = []
        self._behind: list[set[int]] = []
        self._steps = 0
        self._whole = self._part(node)

    def automaton(self) -> Automaton:
        begin: _Key = (self._whole.first, self._whole.empty)
        numbers: dict[_Key, int] = {begin: 0}
        waiting = [begin]
        states: list[State] = []
        edges = 0
        while len(states) < len(waiting):
            key = waiting[len(states)]
            out: dict[_Key, list[tuple[int, int]]] = {}
            for low, high, target in self._ways(key[0]):
                out.setdefault(target, []).append((low, high))
            for target in out:
                if target not in numbers:
                    numbers[target] = len(waiting)
                    waiting.append(target)
            made = tuple((merged(iter(all_)), numbers[target]) for target, all_ in out.items())
            edges += sum(len(ranges) for ranges, _ in made)
            if len(waiting) > MAX_STATES or edges > MAX_EDGES:
                raise PatternError(0, _TOO_MUCH)
            states.append(State(key[1], made))
        return Automaton(tuple(states))

    def _ways(self, positions: frozenset[int]) -> Iterator[tuple[int, int, _Key]]:
        """The stretches of characters that go on alike, with what they go on to."""
        events: dict[int, tuple[set[int], set[int]]] = {}
        for position in positions:
            for low, high in self._sets[position]:
                events.setdefault(low, (set(), set()))[0].add(position)
                events.setdefault(high + 1, (set(), set()))[1].add(position)
        inside: set[int] = set()
        known: dict[frozenset[int], _Key] = {}
        edges = sorted(events)
        for low, after in pairwise(edges):
            come, go = events[low]
            inside = (inside - go) | come
            self._count(1 + len(inside))
            if not inside:
                continue
            here = frozenset(inside)
            if here not in known:
                known[here] = self._next(here)
            yield low, after - 1, known[here]

    def _next(self, here: frozenset[int]) -> _Key:
        behind: set[int] = set()
        for position in here:
            self._count(len(self._behind[position]))
            behind |= self._behind[position]
        return frozenset(behind), not here.isdisjoint(self._whole.last)

    def _count(self, steps: int) -> None:
        self._steps += steps
        if self._steps > MAX_STEPS:
            raise PatternError(0, _TOO_MUCH)

    def _part(self, node: Node) -> _Part:
        match node:
            case Chars():
                self._sets.append(node.ranges)
                self._behind.append(set())
                here = frozenset({len(self._sets) - 1})
                return _Part(empty=False, first=here, last=here)
            case Sequence():
                whole = _NOTHING
                for part in node.parts:
                    whole = self._joined(whole, self._part(part))
                return whole
            case Either():
                options = [self._part(option) for option in node.options]
                return _Part(
                    any(one.empty for one in options),
                    frozenset().union(*(one.first for one in options)),
                    frozenset().union(*(one.last for one in options)),
                )
            case Repeat():
                return self._repeated(node)

    def _repeated(self, node: Repeat) -> _Part:
        whole = part = _NOTHING
        for _ in range(node.least):
            part = self._part(node.part)
            whole = self._joined(whole, part)
        if node.most is None:
            if not node.least:
                part = self._part(node.part)
                whole = _optional(part)
            self._link(part.last, part.first)
            return whole
        # Each inside the one before, x(x(x)?)?, so that only the next may follow.
        more = _NOTHING
        for _ in range(node.most - node.least):
            more = _optional(self._joined(self._part(node.part), more))
        return self._joined(whole, more)

    def _joined(self, left: _Part, right: _Part) -> _Part:
        self._link(left.last, right.first)
        return _Part(
            left.empty and right.empty,
            left.first | right.first if left.empty else left.first,
            left.last | right.last if right.empty else right.last,
        )

    def _link(self, ends: frozenset[int], begins: frozenset[int]) -> None:
        self._count(len(ends) * (1 + len(begins)))
        for position in ends:
            self._behind[position] |= begins


def _optional(part: _Part) -> _Part:
    return _Part(empty=True, first=part.first, last=part.last)


_TOO_MUCH = "it can go on in too many ways at once: say less, or repeat less"
