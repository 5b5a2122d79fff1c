"""Who leaves."""

from __future__ import annotations

from collections.abc import Callable

from rkd.pool.deciding.eviction import Candidate, choose


def enough(*sizes: tuple[int, int], wanted: int) -> Callable[[frozenset[int]], bool]:
    """Whether the generations gone free *wanted*."""
    freed = dict(sizes)
    return lambda gone: sum(freed[one] for one in gone) >= wanted


def test_the_longest_idle_goes_first() -> None:
    """All else equal."""
    candidates = [Candidate(1, 10, 5, 1), Candidate(2, 90, 5, 1), Candidate(3, 50, 5, 1)]
    assert choose(candidates, enough((1, 5), (2, 5), (3, 5), wanted=5)) == (2,)


def test_what_is_dear_to_bring_back_stays() -> None:
    """A load of a minute outweighs some idle seconds."""
    candidates = [Candidate(1, 60, 5, 60), Candidate(2, 20, 5, 1)]
    assert choose(candidates, enough((1, 5), (2, 5), wanted=5)) == (2,)


def test_nobody_leaves_needlessly() -> None:
    """Where a later one makes the earlier ones needless, these stay."""
    candidates = [Candidate(1, 100, 2, 1), Candidate(2, 1, 8, 1)]
    assert choose(candidates, enough((1, 2), (2, 8), wanted=8)) == (2,)


def test_nobody_leaves_when_all_are_not_enough() -> None:
    """None, and nothing is done."""
    assert choose([Candidate(1, 1, 5, 1)], enough((1, 5), wanted=6)) is None


def test_nobody_leaves_when_it_fits_already() -> None:
    """Nothing to choose."""
    assert choose([Candidate(1, 1, 5, 1)], enough((1, 5), wanted=0)) == ()


def test_the_busy_are_last() -> None:
    """They have no idle time; equal scores go by age."""
    candidates = [Candidate(1, 0, 50, 1), Candidate(2, 5, 5, 1), Candidate(3, 0, 50, 1)]
    sizes = ((1, 5), (2, 5), (3, 5))
    assert choose(candidates, enough(*sizes, wanted=5)) == (2,)
    assert choose(candidates, enough(*sizes, wanted=10)) == (2, 1)


def test_the_score_is_idle_time_times_size_over_reload_cost() -> None:
    """In plain numbers; nothing that is zero makes it zero."""
    assert Candidate(1, 5.0, 100, 2.0).score == 250.0
    assert Candidate(1, 5.0, 0, 1.0).score == 5.0
