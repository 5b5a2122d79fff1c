"""Texts of which an answer is one, as GBNF; pure."""

from __future__ import annotations

from collections.abc import Sequence

from rkd.grammar.gbnf import literal


def gbnf_of(choices: Sequence[str]) -> str:
    """
    Write *choices*, texts of at least one character, as a grammar of the engine.

    What they begin with in common is written once: the next character tells the way, so that the
    engine follows one and not all of them (see `automaton.py`).
    """
    rules: list[str] = []
    waiting: list[tuple[int, list[str]]] = [(0, sorted(set(choices)))]
    while len(rules) < len(waiting):
        at, texts = waiting[len(rules)]
        ways: list[str] = []
        begin = 0
        while begin < len(texts):
            sign = texts[begin][at : at + 1]
            end = begin
            while end < len(texts) and texts[end][at : at + 1] == sign:
                end += 1
            group = texts[begin:end]
            begin = end
            if not sign:
                ways.append('""')
                continue
            common = _common(group[0], group[-1], at)
            if len(group) == 1:
                ways.append(literal(common))
                continue
            ways.append(f"{literal(common)} c{len(waiting)}")
            waiting.append((at + len(common), group))
        rules.append(f"{f'c{len(rules)}' if rules else 'root'} ::= {' | '.join(ways)}")
    return "\n".join(rules)


def _common(first: str, last: str, at: int) -> str:
    """What two sorted neighbours and all between them have in common from *at* on."""
    end = at
    while end < min(len(first), len(last)) and first[end] == last[end]:
        end += 1
    return first[at:end]
