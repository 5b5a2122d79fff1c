"""Circles are found, and nothing else is."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rkd.backend.text.circle import LOOKS, ROUNDS, LoopGuard, shortest_period

LENGTH = 400


def ended_at(tokens: list[int], length: int = LENGTH) -> int | None:
    """After how many tokens the guard speaks up, or None."""
    guard = LoopGuard(length)
    return next((at for at, token in enumerate(tokens, 1) if guard.feed(token)), None)


@given(
    st.lists(st.integers(0, 5), max_size=300),
    st.lists(st.integers(0, 5), min_size=1, max_size=LENGTH // ROUNDS),
)
def test_a_circle_is_found_in_time(before: list[int], circle: list[int]) -> None:
    """Whatever came before, and however often a token stands in it: a quarter late at most."""
    rounds = LENGTH * 2 // len(circle) + 2
    at = ended_at(before + circle * rounds)

    assert at is not None
    assert at <= len(before) + LENGTH + LENGTH // LOOKS


@given(st.lists(st.integers(0, 2), min_size=1, max_size=60))
def test_the_period_is_the_shortest(tokens: list[int]) -> None:
    """As found by trying them all."""
    tried = next(
        p
        for p in range(1, len(tokens) + 1)
        if all(tokens[at] == tokens[at - p] for at in range(p, len(tokens)))
    )

    assert shortest_period(tuple(tokens)) == tried


@given(st.integers(0, 2**32), st.integers(1, 40))
def test_what_differs_once_a_row_is_no_circle(seed: int, width: int) -> None:
    """A table, a numbered list, lines of code: the same but for one token of each line."""
    chance = random.Random(seed)  # noqa: S311 - figures, not secrets
    frame = [chance.randrange(50) for _ in range(width)]
    rows = [[*frame, 1000 + number] for number in range(4 * LENGTH // (width + 1))]

    assert ended_at([token for row in rows for token in row]) is None


@given(st.lists(st.integers(0, 50_000), min_size=LENGTH, max_size=2 * LENGTH, unique=True))
def test_prose_is_no_circle(tokens: list[int]) -> None:
    """Nor is a passage said three times."""
    assert ended_at(tokens) is None
    assert ended_at(tokens[:150] * 3 + tokens[150:]) is None


@pytest.mark.parametrize("times", [1, 50, LENGTH - 1])
def test_a_short_run_of_one_token_is_none(times: int) -> None:
    """A ruler, an indentation, a row of zeros."""
    assert ended_at([*range(1000, 1300), *[7] * times, *range(2000, 2600)]) is None


def test_it_looks_at_each_token_a_few_times() -> None:
    """However long the answer is: operations grow with it and no more."""
    guard = LoopGuard(LENGTH)
    for token in range(40_000):
        guard.feed(token)

    assert guard.looked <= (LOOKS + 1) * 40_000


def test_it_can_be_switched_off_and_stays_with_its_word() -> None:
    """0 finds nothing; a circle found stays found."""
    assert ended_at([7] * 5000, 0) is None
    guard = LoopGuard(8)
    assert [guard.feed(7) for _ in range(10)] == [False] * 7 + [True] * 3
    assert guard.feed(9)
    assert guard.period == 1
