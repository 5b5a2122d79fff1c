"""The automaton and its grammar are the expression: Python's own reader is the oracle."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rkd.grammar.automaton import MAX_EDGES, MAX_STATES, automaton_of
from rkd.grammar.gbnf import judge
from rkd.grammar.regex import PatternError
from tests.unit.grammar.gbnf_reader import Grammar

ATOMS = st.sampled_from(["a", "b", "ab", "[ab]", "[^a]", ".", r"\d", "é", r"\.", "-"])
EXPRESSIONS = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map("".join),
        st.lists(inner, min_size=1, max_size=3).map(lambda them: f"({'|'.join(them)})"),
        st.tuples(inner, st.sampled_from(["*", "+", "?", "{2}", "{0,2}", "{1,}"])).map(
            lambda pair: f"({pair[0]}){pair[1]}"
        ),
    ),
    max_leaves=6,
)
TEXTS = st.text(alphabet="abé1.-\n", max_size=6)


@settings(max_examples=300, deadline=None)
@given(pattern=EXPRESSIONS, text=TEXTS)
def test_it_matches_what_the_expression_does(pattern: str, text: str) -> None:
    """For every expression and text, as it is and as a grammar."""
    made = automaton_of(pattern)
    expected = re.fullmatch(pattern, text) is not None

    assert made.matches(text) is expected
    assert Grammar(made.gbnf()).makes(text) is expected


@settings(max_examples=100, deadline=None)
@given(pattern=EXPRESSIONS)
def test_the_next_character_tells_the_way(pattern: str) -> None:
    """No state has two ways with one character: the engine follows each of them at once."""
    for state in automaton_of(pattern).states:
        ranges = sorted(span for spans, _ in state.edges for span in spans)
        assert all(one[1] < other[0] for one, other in pairwise(ranges))


def test_the_largest_is_a_grammar_an_engine_bears() -> None:
    """What is made here is not refused there."""
    for pattern in (".{0,1000}", "[a-z]{1,999}", "(a|b)*a(a|b){9}", "x" * 4096):
        made = automaton_of(pattern)

        assert list(judge(made.gbnf())) == []
        assert len(made.states) <= MAX_STATES
        assert sum(len(state.edges) for state in made.states) <= MAX_EDGES


def test_the_same_expression_is_made_once() -> None:
    """It is asked for three times in a request."""
    assert automaton_of("a+b") is automaton_of("a+b")
    with pytest.raises(PatternError):
        automaton_of("(")
