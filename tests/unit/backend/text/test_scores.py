"""Log-odds and probabilities are one thing; a document is cut exactly where it stops to fit."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rkd.backend.text.scores import fitted, of_log_odds, of_pair
from rkd.errors import BeyondRangeError


@given(st.floats(-80, 80))
def test_both_kinds_of_number_are_one(number: float) -> None:
    """What a head gives as log-odds is what a softmax gives as two probabilities."""
    yes = of_log_odds(number, normalize=True)
    no = of_log_odds(-number, normalize=True)

    assert of_log_odds(number, normalize=False) == number
    assert of_pair(yes, no, normalize=True) == pytest.approx(yes)
    assert of_pair(yes, no, normalize=False) == pytest.approx(number, abs=1e-9)


@pytest.mark.parametrize("number", [-1e300, -1000.0, 1000.0, 1e300])
def test_no_number_is_too_large(number: float) -> None:
    """The probability is 0 or 1, and nothing overflows."""
    assert of_log_odds(number, normalize=True) == pytest.approx(float(number > 0))


def test_a_word_without_a_chance_has_a_score() -> None:
    """A number all the same, the lowest there is; two such words are even."""
    lowest = of_pair(0.0, 1.0, normalize=False)
    assert math.isfinite(lowest)
    assert lowest < -80
    assert of_pair(0.0, 0.0, normalize=True) == 0.5


class Counter:
    """A word is a token, the query has five; knows how often it was asked."""

    def __init__(self) -> None:
        self.characters = 0
        self.calls = 0

    def __call__(self, document: str) -> int:
        """So many."""
        self.calls += 1
        self.characters += len(document)
        return 5 + len(document.split())


@given(st.integers(1, 300), st.integers(7, 40))
def test_a_document_is_cut_where_it_stops_to_fit(words: int, limit: int) -> None:
    """Its beginning has as many tokens as fit, and it is whole where all do."""
    document = " ".join(f"w{at}" for at in range(words))
    cut = fitted(0, document, Counter(), limit, truncate=True)

    assert document.startswith(cut)
    assert len(cut.split()) == min(words, limit - 5)


def test_a_long_document_is_not_read_again_and_again() -> None:
    """What is counted together is of the size of what fits, not of the document."""
    count = Counter()
    fitted(0, "word " * 200_000, count, 100, truncate=True)

    assert count.calls < 40
    assert count.characters < 40 * 4 * 500


def test_what_does_not_fit_is_named() -> None:
    """The document by its place; the query where not a character fits beside it."""
    with pytest.raises(BeyondRangeError) as caught:
        fitted(3, "a b c d", Counter(), 8, truncate=False)
    assert caught.value.metadata == {"prompt_tokens": "9", "limit": "8", "field": "documents[3]"}
    for truncate in (False, True):
        with pytest.raises(BeyondRangeError) as caught:
            fitted(3, "a b", Counter(), 5, truncate=truncate)
        assert caught.value.violations[0].field == "query"
