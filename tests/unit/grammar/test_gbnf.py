"""Grammars are judged by what the engine has to follow: few bytes can be very many ways."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rkd.grammar.gbnf import (
    MAX_ALIKE,
    MAX_CHAIN,
    MAX_GRAMMAR_BYTES,
    MAX_RULES,
    MAX_WAYS,
    judge,
    literal,
)
from tests.growth import assert_linear


def doubling(deep: int, way: str = "r{0} | r{0}") -> str:
    """Rules of which each begins twice with the next."""
    rules = [f"r{at} ::= {way.format(at + 1)}" for at in range(deep)]
    return "\n".join(["root ::= r0", *rules, f'r{deep} ::= "a"'])


def chain(long: int, way: str = "r{0}") -> str:
    """Rules of which each begins with the next."""
    return doubling(long, way)


@pytest.mark.parametrize(
    "grammar",
    [
        doubling(60),
        doubling(60, 'r{0} "x" | r{0} "y"'),
        doubling(60, '"x"? r{0} | "y"* r{0}'),
        doubling(60, '("" | r{0}) r{0}'),
        doubling(60, '"a" r{0} | (r{0} | r{0} "b")'),
        doubling(30, "(r{0} | r{0}) | (r{0} | r{0})"),
        doubling(60, 'r{0} | # a comment "\n r{0}'),
        'root ::= "x" ' + "e? " * 3 + "\ne ::= " + " | ".join(["d"] * 4000) + '\nd ::= "a"',
        "\n".join(
            ["root ::= r0", *(f"r{at} ::= r{at + 1}?" for at in range(2000)), 'r2000 ::= "a"']
        ),
    ],
)
def test_ways_that_multiply_are_refused(grammar: str) -> None:
    """Sixty rules are more ways than anything can follow."""
    assert [one for one in judge(grammar) if "ways" in one or "begins with the next" in one]


@pytest.mark.parametrize("way", ["r{0}", '"x"? r{0}', '(r{0}) "y"', '"x"* (r{0} "b")'])
def test_long_chains_are_refused(way: str) -> None:
    """The engine follows each by a call inside a call."""
    (said,) = judge(chain(15_000 if "(" not in way else 4_900, way)[:MAX_GRAMMAR_BYTES])

    assert str(MAX_CHAIN) in said or str(MAX_RULES) in said


@pytest.mark.parametrize("part", ['"a"?', "[a-z]*", "r?", '("x" [0-9])?', '((r) "b"?)*', ".?"])
def test_the_same_many_times_over_is_refused(part: str) -> None:
    """Each token would be tried in every way at once; the way out is named."""
    tail = '\nr ::= "a"'
    (said,) = judge("root ::= " + f"{part} " * 13 + tail)

    assert str(MAX_ALIKE) in said
    assert list(judge("root ::= " + f"{part} " * 12 + tail)) == []
    apart = "root ::= " + f'{part} "," ' * 40 + tail
    assert list(judge(apart)) == []


@pytest.mark.parametrize(
    "grammar",
    [
        doubling(10),
        chain(900),
        'root ::= "a" | "b" root',
        'root ::= item+\nitem ::= "- " [^\\n]+ "\\n"',
        "root ::= " + " | ".join(f'"{at}"' for at in range(MAX_WAYS)),
        "\n".join(f'r{at} ::= "a" r{at + 1}' for at in range(5000))
        + '\nr5000 ::= "a"\nroot ::= r0',
        'root ::= root "a" | "a"',  # the engine says itself what is wrong with it
        "root ::= nothing_of_this_name",
        "root ::= (",
        "| ) root",
        'value ::= object | list\nobject ::= "{" (value ("," value)*)? "}"\nlist ::= "[" value "]"',
    ],
)
def test_what_an_engine_bears_passes(grammar: str) -> None:
    """Recursion, long lists, long ways one after the other."""
    assert list(judge(grammar)) == []


@pytest.mark.parametrize(
    "make",
    [
        lambda size: chain(size // 14)[:size],
        lambda size: doubling(size // 20)[:size],
        lambda size: "root ::= " + "(" * 60 + "a " * (size // 2),
        lambda size: "root ::= " + "a? " * (size // 3),
        lambda size: "a ::= a\n" * (size // 8),
        lambda size: "root ::= " + "(a)" * (size // 3),
        lambda size: "root ::= " + ") " * (size // 2),
    ],
)
def test_it_is_judged_in_linear_time(make: Callable[[int], str]) -> None:
    """Whatever is repeated in it."""
    assert_linear(make, lambda grammar: list(judge(grammar)), most=MAX_GRAMMAR_BYTES)


def test_text_is_written_so_that_nothing_in_it_means_anything() -> None:
    """Quotes, backslashes, line breaks and what is not ASCII go by their numbers."""
    assert literal('a "b"\\\n🎉') == (
        '"a \\U00000022b\\U00000022\\U0000005C\\U0000000A\\U0001F389"'
    )
