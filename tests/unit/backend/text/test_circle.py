"""Circles are found, and nothing else is."""

from __future__ import annotations

import base64
import random
import re

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


@pytest.mark.parametrize(("period", "at_most"), [(1, 500), (7, 500), (40, 500), (300, 1700)])
def test_circles_of_every_length(period: int, at_most: int) -> None:
    """Also those too long for four rounds within the guard's own length."""
    before = list(range(9000, 9100))

    at = ended_at(before + list(range(period)) * (3000 // period))

    assert at is not None
    assert at <= len(before) + at_most


def words(text: str) -> list[int]:
    """Tokens of *text*: its words, signs and blanks, as a tokenizer would cut it."""
    return [hash(piece) for piece in re.findall(r"\w|\s+|[^\w\s]", text)]


BASE64 = base64.b64encode(random.Random(7).randbytes(3000)).decode()  # noqa: S311 - no secret
NEARLY = {
    "a counter": "".join(f"{at}. the same words again\n" for at in range(1, 300)),
    "a table": "".join(f"| row | 0 | 0 | 0 | {at} |\n" for at in range(200)),
    "code": "".join(f"    assert table[{at}] == 0, 'row'\n    continue\n" for at in range(150)),
    "a poem": "".join(
        f"Row, row, row your boat\ngently down the stream {letter * 3}\n" * 2
        for letter in "abcdefgh"
    ),
    "base64": BASE64,
    "ASCII art": "".join("*" * at + " " * (40 - at) + "\n" for at in [*range(40), *range(40)]),
    "a ruler": "=" * 120 + "\ntitle\n" + "-" * 120 + "\n" + "=" * 120,
    "a matrix": "".join(f"[{', '.join('0' * 10)}],  # {at}\n" for at in range(40)),
    "an asked for list": ", ".join("0" * 130),
    "a chorus": "".join(f"verse {at} {'la ' * 60}\n" for at in range(20)),
}


@pytest.mark.parametrize("text", NEARLY.values(), ids=NEARLY)
def test_what_people_ask_for_is_no_circle(text: str) -> None:
    """It says the same over and over, but for something that moves on, or not for so long."""
    assert ended_at(words(text)) is None
