"""May it be loaded now, and if not what has to happen first: the cases at the edges."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from rkd.errors import PreconditionError, Reason
from rkd.model import BackendKind
from rkd.pool.deciding.admission import (
    LONGEST_TURN_S,
    MakeRoom,
    Situation,
    Wait,
    choose_plan,
    decide,
    serves,
    turn_ends,
)
from rkd.pool.deciding.budget import GIB, Capacity, Need, Shortfall
from rkd.pool.deciding.state import FailedWay, LoadPlan, Phase, Residence
from tests.unit.pool.fakes import at, loaded, plan, waiter

NOW_S = 100.0
CAPACITY = Capacity(8 * GIB)


def resident(generation: int, ram: int, phase: Phase = Phase.READY, **fields: object) -> Residence:
    """A model in memory, `m1` for generation 1; idle for ten seconds where nothing is said."""
    made = Residence(
        generation,
        plan(f"m{generation}", ram=ram),
        -1,
        phase,
        300.0,
        0.0,
        loaded=loaded() if phase is Phase.READY else None,
        need=Need(ram),
        idle_since_s=NOW_S - 10,
        load_s=1.0,
    )
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def situation(
    *residents: Residence,
    capacity: Capacity = CAPACITY,
    available: int = 64 * GIB,
    **fields: object,
) -> Situation:
    """What *residents* make of a board of 8 GiB."""
    return Situation(residents, capacity, at(NOW_S, available), **fields)  # type: ignore[arg-type]


class TestTurns:
    """How long a model in demand serves before others may push it out."""

    @pytest.mark.parametrize(
        ("turn_s", "load_s", "lasts_s"),
        [(3.0, 1.0, 3.0), (3.0, 4.0, 8.0), (3.0, 60.0, LONGEST_TURN_S), (40.0, 60.0, 40.0)],
    )
    def test_a_turn_is_worth_its_load(self, turn_s: float, load_s: float, lasts_s: float) -> None:
        """Twice the load, bounded, and never less than the setting."""
        one = resident(1, GIB, ready_s=50.0, load_s=load_s)

        assert turn_ends(one, turn_s) == 50.0 + lasts_s

    def test_who_waits_looks_again_when_a_turn_ends(self) -> None:
        """At the end of the earliest turn still to come; one that ends now is over."""
        busy = {1: True}
        over = resident(1, 4 * GIB, ready_s=NOW_S - 3, load_s=0.0, holders=busy)
        running = resident(2, 4 * GIB, ready_s=NOW_S - 1, load_s=0.0, holders=busy)
        pinned = resident(3, 0, ready_s=NOW_S - 2, load_s=0.0, holders=busy)
        held = situation(over, running, pinned, turn_s=3.0, pinned=frozenset({"m3"}))

        wait = decide(plan("new", ram=8 * GIB), held)

        assert isinstance(wait, Wait)
        assert wait.until_s == NOW_S + 2


class TestServing:
    """Whether what is resident is good enough."""

    def test_another_version_of_the_files_is_another_model(self) -> None:
        """However well the rest fits."""
        assert not serves(resident(1, GIB), waiter(1, plan("m1", ram=GIB, version="2")))
        assert serves(resident(1, GIB), waiter(1, plan("m1", ram=GIB)))

    def test_the_other_backend_serves_nobody_who_refused_it(self) -> None:
        """A request for the NPU is not served by a model on the CPU."""
        assert not serves(resident(1, GIB), waiter(1, plan("m1", npu=GIB)))


class TestChoosing:
    """Which of its ways a request takes."""

    @staticmethod
    def failing(npu: LoadPlan, retry_s: float) -> dict[tuple[str, BackendKind], FailedWay]:
        """The NPU failed and rests until *retry_s*."""
        why = PreconditionError(Reason.LOAD_FAILED, "no")
        return {(npu.key, npu.backend): FailedWay(why, retry_s=retry_s)}

    @pytest.mark.parametrize(
        ("retry_s", "taken"), [(NOW_S + 1, BackendKind.CPU), (NOW_S, BackendKind.NPU)]
    )
    def test_a_rest_ends_when_it_says(self, retry_s: float, taken: BackendKind) -> None:
        """From that moment on the way may be tried again."""
        npu, cpu = plan(npu=GIB), plan()
        chosen = choose_plan(waiter(1, npu, cpu), self.failing(npu, retry_s), CAPACITY, NOW_S)

        assert isinstance(chosen, LoadPlan)
        assert chosen.backend is taken


class TestRoom:
    """What makes room, and what is waited for."""

    def test_what_leaves_is_waited_for(self) -> None:
        """Nobody else is asked to go when those on their way out are enough."""
        held = situation(resident(1, 4 * GIB, Phase.UNLOADING), resident(2, 4 * GIB))

        decision = decide(plan("new", ram=4 * GIB), held)

        assert isinstance(decision, Wait)
        assert decision.until_s == math.inf

    def test_after_a_load_that_failed_for_memory_everybody_leaving_is_waited_for(self) -> None:
        """Though it would fit by the numbers; what it waits for is told in bytes."""
        held = situation(resident(1, GIB, Phase.UNLOADING))

        decision = decide(plan("new", ram=GIB), held, pressed=True)

        assert decision == Wait(plan("new", ram=GIB), math.inf, Shortfall("memory", GIB, 0))

    def test_memory_comes_back_with_its_worker(self) -> None:
        """Where the machine is short, what a resident took counts as free once it is gone."""
        tight = situation(resident(1, 4 * GIB), capacity=Capacity(64 * GIB), available=GIB)

        decision = decide(plan("new", ram=5 * GIB), tight)

        assert isinstance(decision, MakeRoom)
        assert decision.generations == (1,)
        assert not isinstance(decide(plan("new", ram=5 * GIB + 1), tight), MakeRoom)

    def test_one_still_loading_gives_nothing_back(self) -> None:
        """It may not have taken its memory yet."""
        tight = situation(
            resident(1, 4 * GIB, Phase.LOADING), capacity=Capacity(64 * GIB), available=5 * GIB
        )

        assert isinstance(decide(plan("new", ram=5 * GIB), tight), Wait)
        assert not isinstance(decide(plan("new", ram=6 * GIB), tight), Wait | MakeRoom)

    def test_the_longest_idle_leaves(self) -> None:
        """By what the clock says now, not by when it was."""
        early = resident(1, 4 * GIB, idle_since_s=NOW_S - 50)
        late = resident(2, 4 * GIB, idle_since_s=NOW_S - 5)

        decision = decide(plan("new", ram=4 * GIB), situation(late, early))

        assert isinstance(decision, MakeRoom)
        assert decision.generations == (1,)

    def test_a_busy_one_counts_as_not_idle_at_all(self) -> None:
        """An idle one goes before it, however short its rest was."""
        busy = resident(1, 4 * GIB, holders={7: True}, idle_since_s=0.0, ready_s=0.0)
        rested = resident(2, 4 * GIB, idle_since_s=NOW_S - 0.5, ready_s=0.0, holders={8: True})
        idle = resident(3, 4 * GIB, idle_since_s=NOW_S - 0.5)
        capacity = replace(CAPACITY, ram_bytes=12 * GIB)

        decision = decide(
            plan("new", ram=12 * GIB), situation(busy, rested, idle, capacity=capacity)
        )

        assert isinstance(decision, MakeRoom)
        assert decision.generations == (3, 1, 2)
