"""Choices as a grammar make the choices, and nothing else."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from rkd.grammar.choices import gbnf_of
from rkd.grammar.gbnf import judge
from tests.unit.grammar.gbnf_reader import Grammar

SIGNS = st.characters(min_codepoint=1, exclude_categories=["Cs"])
CHOICES = st.lists(st.text(alphabet=SIGNS, min_size=1, max_size=4), min_size=1, max_size=8)


@settings(max_examples=200, deadline=None)
@given(choices=CHOICES, other=st.text(alphabet=SIGNS, max_size=5))
def test_it_makes_the_choices_alone(choices: list[str], other: str) -> None:
    """Whatever characters they have, and however they begin alike."""
    grammar = Grammar(gbnf_of(choices))

    assert all(grammar.makes(choice) for choice in choices)
    assert grammar.makes(other) is (other in choices)
    assert not grammar.makes(choices[0] * 2) or choices[0] * 2 in choices


def test_what_begins_alike_is_written_once() -> None:
    """The engine follows one way at a time, not 256 of a thousand characters."""
    many = ["x" * 1000 + str(at) for at in range(256)]
    made = gbnf_of(many)

    assert made.count("x" * 1000) == 1
    assert list(judge(made)) == []
    assert all(Grammar(made).makes(one) for one in many[:3])
    assert gbnf_of(["yes", "yes please", "no"]).splitlines() == [
        'root ::= "no" | "yes" c1',
        'c1 ::= "" | " please"',
    ]
