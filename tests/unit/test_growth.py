"""The measure of growth tells linear from quadratic."""

from __future__ import annotations

import pytest

from tests.growth import LARGEST_RATIO, assert_linear, growth

LEAST = 200_000
"""Steps of which one call takes visible time."""


def counted(steps: int) -> int:
    """Take time in proportion to *steps*."""
    total = 0
    for step in range(steps):
        total += step
    return total


def test_linear_work_passes() -> None:
    """Work in proportion to the size, and a little more than that, is linear enough."""
    assert_linear(lambda size: size, counted, most=10_000_000)
    assert_linear(lambda size: size * size.bit_length(), counted, most=10_000_000)


def test_quadratic_work_fails() -> None:
    """Work that grows with the square of the size is found out."""
    with pytest.raises(AssertionError, match="4 times the input took"):
        assert_linear(lambda size: size * size, counted, most=1_000, start=100)


class Disturbed:
    """Linear work that takes four times as long in all of its first calls with the larger size."""

    def __init__(self, calls: int) -> None:
        self._left = calls
        self._largest = 0

    def __call__(self, steps: int) -> int:
        """Work; sizes grow until the larger one is met."""
        self._largest = max(self._largest, steps)
        disturbed = steps == self._largest > LEAST and self._left > 0
        self._left -= disturbed
        return counted(steps * 4 if disturbed else steps)


def test_a_busy_moment_is_waited_out() -> None:
    """What other programs take of caches and time while one measures is no growth."""
    assert_linear(lambda size: size, Disturbed(8), most=4 * LEAST, start=LEAST)


def test_quadratic_work_is_found_in_a_busy_moment() -> None:
    """Being measured again and again lets nothing pass that is slow each time."""
    disturbed = Disturbed(2)
    with pytest.raises(AssertionError, match="4 times the input took"):
        assert_linear(lambda size: size * size // LEAST, disturbed, most=4 * LEAST, start=LEAST)


def test_small_inputs_are_repeated() -> None:
    """A reader whose bound comes before it takes visible time is measured all the same."""
    assert growth(lambda size: size, counted, most=400) <= LARGEST_RATIO
