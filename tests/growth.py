"""
Show that a reader of outside text takes linear time: CPU time at one size and at four times it.

    from tests.growth import assert_linear

    def test_comments_are_linear() -> None:
        '''A line of blanks takes time in proportion.'''
        assert_linear(lambda size: "a" + " " * size + "b", parse, most=4_000_000)

No absolute time is judged, so a slow or busy machine changes nothing: both sizes are measured in
turn over about the same CPU time, each by its best of several, and a ratio that looks wrong is
measured on: both bests come nearer to what an idle machine takes, none is thrown away.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import TypeVar

Input = TypeVar("Input")

FACTOR = 4
"""How much larger the second input is."""

LARGEST_RATIO = 8.0
"""Four times the input may take eight times as long: n log n (5) passes, n² (16) does not."""

VISIBLE_S = 0.02
"""CPU time from which the clock's steps and the noise of a busy machine no longer matter."""

_BEST_OF = 3
_MOST = 10
"""Times both sizes are measured while the ratio looks wrong."""


def growth(
    make: Callable[[int], Input], run: Callable[[Input], object], *, most: int, start: int = 1_000
) -> float:
    """
    Return the CPU time of *run* at four times a size, divided by that at the size.

    Args:
        make: builds the input of a size (bytes, items, depth: whatever is doubled).
        run: reads it; an error the reader is documented to raise is caught in here.
        most: the largest size *make* may be asked for, the reader's own bound as a rule.
        start: size to begin with; doubled until one run takes `VISIBLE_S`, or `most` is near.
    """
    size = min(start, most // FACTOR)
    while size * 2 * FACTOR <= most and _seconds(run, make(size), 1) < VISIBLE_S:
        size *= 2
    small, large = make(size), make(size * FACTOR)
    calls = 1
    while _seconds(run, small, calls) < VISIBLE_S:
        calls *= 2
    return _ratio(run, small, large, calls)


def assert_linear(
    make: Callable[[int], Input], run: Callable[[Input], object], *, most: int, start: int = 1_000
) -> None:
    """Fail where four times the input takes more than `LARGEST_RATIO` times as long."""
    ratio = growth(make, run, most=most, start=start)
    assert ratio <= LARGEST_RATIO, f"{FACTOR} times the input took {ratio:.1f} times as long"


def _ratio(run: Callable[[Input], object], small: Input, large: Input, calls: int) -> float:
    """Measure both in turn, so that a slow moment of the machine meets both."""
    best_small = best_large = float("inf")
    few = max(calls // FACTOR, 1)  # a longer one would find a quiet moment less often
    for times in range(1, _MOST + 1):
        best_small = min(best_small, _seconds(run, small, calls) / calls)
        best_large = min(best_large, _seconds(run, large, few) / few)
        ratio = best_large / best_small
        if ratio <= FACTOR * 1.25 or (times >= _BEST_OF and ratio <= LARGEST_RATIO):
            break
    return ratio


def _seconds(run: Callable[[Input], object], given: Input, calls: int) -> float:
    was_on = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        begun = time.process_time()
        for _ in range(calls):
            run(given)
        return time.process_time() - begun
    finally:
        if was_on:
            gc.enable()
