"""The scheduler's invariants over hundreds of thousands of steps; `slow` for its time alone."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings

from tests.unit.pool.deciding.test_scheduler_properties import EVENTS, WORLDS, end, live
from tests.unit.pool.world import World

LONG = settings(
    max_examples=6000,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    database=None,
)


@pytest.mark.slow
@pytest.mark.timeout(900)
@LONG
@given(WORLDS, EVENTS)
def test_invariants_at_length(world: World, events: list[tuple[int, int, int]]) -> None:
    """No waiter forgotten, no busy or pinned one evicted, no budget broken, all end once."""
    live(world, events)


@pytest.mark.slow
@pytest.mark.timeout(900)
@settings(LONG, max_examples=2000)
@given(WORLDS, EVENTS)
def test_shutdown_at_length(world: World, events: list[tuple[int, int, int]]) -> None:
    """Stopping in the middle of anything ends every request and every worker."""
    end(world, events)
