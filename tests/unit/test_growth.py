"""The measure of growth tells linear from quadratic."""

from __future__ import annotations

import pytest

from tests.growth import LARGEST_RATIO, assert_linear, growth


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


def test_small_inputs_are_repeated() -> None:
    """A reader whose bound comes before it takes visible time is measured all the same."""
    assert growth(lambda size: size, counted, most=400) <= LARGEST_RATIO
