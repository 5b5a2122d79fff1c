"""
Whatever happens in whatever order: the scheduler's invariants hold.

The same at length (hundreds of thousands of steps) is `tests/integration/test_pool_properties.py`.
"""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.pool.world import KEYS, World

EVENT = st.tuples(st.integers(0, 19), st.integers(0, 4), st.integers(0, 27))
SHORT = st.lists(EVENT, min_size=1, max_size=30)
"""Short lives, which shrink to the few events that matter."""
EVENTS = st.lists(EVENT, min_size=60, max_size=200)
"""Long ones, which get everywhere."""
WORLDS = st.builds(
    World,
    places=st.sampled_from([0, 0, 1, 2]),
    npu_runs=st.sampled_from([0, 1, 2]),
    turn_s=st.sampled_from([0.0, 3.0]),
)


def act(world: World, event: tuple[int, int, int]) -> None:
    """Make one thing happen; requests and what moves them on are the likeliest."""
    kind, pick, how = event
    match kind:
        case 0 | 1 | 2 | 3 | 4 | 5:
            world.request(KEYS[pick], how)
        case 6:
            world.cancel(how)
        case 7 | 8 | 9:
            world.finish(how)
        case 10 | 11 | 12:
            world.load_ends(pick, how)
        case 13 | 14:
            world.gone(how)
        case 15:
            world.die(how)
        case 16:
            world.wait(how / 2)
        case 17:
            world.pin(KEYS[pick], how)
        case 18:
            world.unload(KEYS[pick], how)
        case _:
            world.job(how)


def live(world: World, events: list[tuple[int, int, int]]) -> None:
    """One life of the pool, to its end."""
    for event in events:
        act(world, event)
    world.run_out()


def end(world: World, events: list[tuple[int, int, int]]) -> None:
    """One life, stopped in the middle."""
    half = len(events) // 2
    for event in events[:half]:
        act(world, event)
    world.shutdown()
    for event in events[half:]:
        act(world, event)
    world.run_out()
    for _ in range(len(world.workers) + 1):
        world.gone(0)
    assert not world.workers


QUICK = settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    database=None,
)


@QUICK
@given(WORLDS, SHORT)
def test_invariants_in_short_lives(world: World, events: list[tuple[int, int, int]]) -> None:
    """No waiter forgotten, no busy or pinned one evicted, no budget broken, all end once."""
    live(world, events)


@settings(QUICK, max_examples=90)
@given(WORLDS, EVENTS)
def test_invariants_in_long_lives(world: World, events: list[tuple[int, int, int]]) -> None:
    """The same over more than ten thousand steps."""
    live(world, events)


@settings(QUICK, max_examples=40)
@given(WORLDS, EVENTS)
def test_shutdown_at_any_moment(world: World, events: list[tuple[int, int, int]]) -> None:
    """Stopping in the middle of anything ends every request and every worker."""
    end(world, events)
