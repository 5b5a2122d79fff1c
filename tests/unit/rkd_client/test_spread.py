"""Which of several boards is asked next."""

from __future__ import annotations

import pytest
from rkd_client.errors import (
    ExhaustedError,
    InvalidInputError,
    NotFoundError,
    RkdError,
    UnavailableError,
)
from rkd_client.spread import CONNECT_S, SETTLE_S, Round, Spread, State, patience_s

READY, DECIDING, FAILING = State.READY, State.DECIDING, State.FAILING
MISSING = NotFoundError("MODEL_NOT_FOUND", "no")
BROKEN = UnavailableError("UNAVAILABLE", "gone")
FULL = ExhaustedError("QUEUE_FULL", "full", retry_after_s=1)


def test_calls_that_come_at_once_are_spread() -> None:
    """The one with the fewest under way; equals take turns."""
    spread = Spread(3)
    chosen = [spread.choose([READY] * 3, frozenset()) for _ in range(6)]

    assert sorted(chosen) == [0, 0, 1, 1, 2, 2]  # type: ignore[type-var]
    assert spread.busy == [2, 2, 2]


def test_a_busy_board_is_spared() -> None:
    """However it came to be."""
    spread = Spread(2)
    spread.busy = [5, 0]

    assert [spread.choose([READY] * 2, frozenset()) for _ in range(5)] == [1] * 5


@pytest.mark.parametrize(
    ("states", "avoid", "expected"),
    [
        ([FAILING, DECIDING, READY], frozenset(), 2),
        ([FAILING, DECIDING, READY], frozenset({2}), None),
        ([FAILING, FAILING], frozenset(), None),
    ],
)
def test_what_is_not_ready_is_passed_over(
    states: list[State], avoid: frozenset[int], expected: int | None
) -> None:
    """And what the call was at already."""
    assert Spread(len(states)).choose(states, avoid) == expected


@pytest.mark.parametrize(
    ("states", "looked_for_s", "expected"),
    [
        ([READY, READY], 0.0, 0.0),
        ([READY, FAILING], 0.0, 0.0),
        ([READY, DECIDING], 0.0, SETTLE_S),
        ([READY, DECIDING], SETTLE_S + 1, 0.0),
        ([FAILING, DECIDING], 1.0, CONNECT_S - 1.0),
        ([FAILING, FAILING], 0.0, 0.0),
    ],
)
def test_the_slow_are_awaited_for_a_while(
    states: list[State], looked_for_s: float, expected: float
) -> None:
    """Longer where nobody is ready; never once the time is over."""
    assert patience_s(states, looked_for_s) == expected


@pytest.mark.parametrize("error", [MISSING, BROKEN, FULL])
def test_a_refusal_of_its_own_is_asked_of_the_next(error: RkdError) -> None:
    """Nothing was done there."""
    visit = Round()

    assert visit.refused(1, error)
    assert visit.avoid == {1}


def test_what_every_board_would_say_is_said_once() -> None:
    """A wrong request is wrong everywhere."""
    assert not Round().refused(0, InvalidInputError("INVALID_FIELD", "no"))


@pytest.mark.parametrize(
    ("errors", "told"),
    [((MISSING, FULL, BROKEN), FULL), ((BROKEN, MISSING), MISSING), ((BROKEN, BROKEN), BROKEN)],
)
def test_of_many_refusals_the_most_telling_is_told(
    errors: tuple[RkdError, ...], told: RkdError
) -> None:
    """A full board has the model; one that is gone says nothing of it."""
    visit = Round()
    for at, error in enumerate(errors):
        visit.refused(at, error)

    assert visit.telling() is told
    assert visit.avoid == frozenset()
