"""
What the scheduler knows of models in memory, and the small steps between their phases.

ABSENT -> LOADING -> READY -> DRAINING -> UNLOADING -> ABSENT; FAILED is ABSENT with a rest.
"""

from __future__ import annotations

import math
from collections.abc import KeysView
from dataclasses import dataclass, replace

from rkd.errors import RkdError
from rkd.pool.deciding.budget import Capacity, Held
from rkd.pool.deciding.pace import Pace
from rkd.pool.deciding.queue import Queue
from rkd.pool.deciding.state import (
    Action,
    Announce,
    FailedWay,
    Launch,
    LoadPlan,
    Moment,
    Phase,
    Residence,
    Stop,
    Waiter,
)

CRASH_LIMIT = 4
"""Workers of one model that may die in a row before it rests: two requests, each retried once."""

SETTLED = 0
"""The claim of a pin that stays; no ticket has this number."""

FIRST_REST_S = 5.0
LONGEST_REST_S = 300.0


@dataclass(frozen=True, slots=True)
class Rules:
    """The numbers of `PoolSettings` the scheduler goes by."""

    keep_alive_s: float = 300.0
    max_queue: int = 64
    npu_parallel_runs: int = 1
    turn_s: float = 3.0
    ageing_s: float = 30.0


def rest_s(failures_in_a_row: int) -> float:
    """How long a model rests after that many failures; the first costs nothing."""
    if failures_in_a_row <= 1:
        return 0.0
    return min(FIRST_REST_S * 2.0 ** min(failures_in_a_row - 2, 16), LONGEST_REST_S)


@dataclass(frozen=True, slots=True)
class Granted:
    """
    A lease.

    Args:
        waiter: whose.
        generation: on which worker.
        since_s: since when.
        dismissed: that one was told to leave.
        avoid: how it was loaded, where it died of its first answer.
    """

    waiter: Waiter
    generation: int
    since_s: float
    dismissed: bool = False
    avoid: LoadPlan | None = None


class Table:
    """Everything the scheduler holds; one loop owns it."""

    def __init__(self, capacity: Capacity, rules: Rules) -> None:
        self.capacity = capacity
        self.rules = rules
        self.queue = Queue(rules.max_queue, rules.ageing_s)
        self.residents: dict[str, Residence] = {}
        self.failures: dict[tuple[str, str], FailedWay] = {}
        """By model and `LoadPlan.way`."""
        self.granted: dict[int, Granted] = {}
        self.claims: dict[str, set[int]] = {}
        """Who holds the pin of a model: those still waiting for its load, SETTLED once it stays."""
        self.jobs: dict[int, Held] = {}
        self.evicting: dict[str, tuple[str, ...]] = {}
        self.pace = Pace()
        self._generation = 0

    @property
    def pins(self) -> KeysView[str]:
        """The keys of the pinned."""
        return self.claims.keys()

    @property
    def generations(self) -> tuple[int, ...]:
        """The identities of everyone in memory."""
        return tuple(one.generation for one in self.residents.values())

    def of(self, generation: int) -> Residence | None:
        """The resident of that identity, or None when it is gone."""
        found = (one for one in self.residents.values() if one.generation == generation)
        return next(found, None)

    def slot_free(self, resident: Residence) -> bool:
        """Whether it may begin one more run: a slot of its own, and the NPU if it runs there."""
        if resident.slots_used >= resident.slots:
            return False
        if not resident.on_npu or not self.rules.npu_parallel_runs:
            return True
        running = sum(one.slots_used for one in self.residents.values() if one.on_npu)
        return running < self.rules.npu_parallel_runs

    def is_idle(self, resident: Residence, wanted: set[str]) -> bool:
        """Whether nobody uses, wants or pins it."""
        return (
            resident.phase is Phase.READY
            and not resident.holders
            and resident.key not in self.pins
            and resident.key not in wanted
        )

    def launch(self, plan: LoadPlan, domain: int, now: Moment) -> list[Action]:
        """ABSENT to LOADING."""
        self._generation += 1
        placed = replace(plan, spec=replace(plan.spec, npu_domain=max(domain, 0)))
        keep_s = self.rules.keep_alive_s if plan.keep_alive_s is None else plan.keep_alive_s
        self.residents[plan.key] = Residence(
            generation=self._generation,
            plan=placed,
            domain=domain,
            phase=Phase.LOADING,
            keep_alive_s=keep_s,
            since_s=now.at_s,
            need=plan.need,
            measured=plan.measured,
        )
        self.evicting.pop(plan.key, None)
        detail = (("backend", str(plan.backend)), ("reason", plan.reason))
        return [Announce("loading", plan.model, detail), Launch(self._generation, placed)]

    def leave(self, resident: Residence, *, kill: bool = False) -> list[Action]:
        """Anything to UNLOADING, by way of DRAINING while somebody holds it; a load is ended."""
        if resident.phase is Phase.UNLOADING:
            return []
        loading = resident.phase is Phase.LOADING
        if resident.holders and not kill:
            resident.phase = Phase.DRAINING
            return []
        resident.phase = Phase.UNLOADING
        return [Stop(resident.generation, resident.plan.model, kill=loading or kill)]

    def dismiss(self, resident: Residence) -> None:
        """Note that *resident* is to go by somebody's wish: no request of its brings it back."""
        for ticket in resident.holders:
            self.granted[ticket] = replace(self.granted[ticket], dismissed=True)

    def avoid(self, resident: Residence) -> None:
        """Note that *resident* died of its first answer: its requests go another way, if any."""
        for ticket in resident.holders:
            self.granted[ticket] = replace(self.granted[ticket], avoid=resident.plan)

    def fall_idle(self, resident: Residence, now: Moment) -> None:
        """Begin the keep-alive, unless it is pinned or stays for ever."""
        resident.idle_since_s = now.at_s
        resident.expires_s = None
        if resident.key not in self.pins and math.isfinite(resident.keep_alive_s):
            resident.expires_s = now.at_s + resident.keep_alive_s

    def measure(self, resident: Residence, measured_bytes: int) -> None:
        """Note a measurement, and believe one that is more than what was thought."""
        resident.seen_bytes = max(resident.seen_bytes, measured_bytes)
        if measured_bytes > resident.need.ram_bytes:
            resident.need = replace(resident.need, ram_bytes=measured_bytes)
            resident.measured = True

    def press(self, loading: Residence) -> list[Action]:
        """Let everyone idle go, for a load that failed for memory."""
        wanted = {one.key for one in self.queue}
        actions: list[Action] = []
        for other in self.residents.values():
            if other is not loading and self.is_idle(other, wanted):
                actions += self.leave(other)
        return actions

    def count_failure(
        self, resident: Residence, error: RkdError, now: Moment, *, load: bool, deadly: bool = False
    ) -> None:
        """Note a failed load or a dead worker, and how long the model rests for it."""
        place = (resident.key, resident.plan.way)
        before = self.failures.get(place, FailedWay(error))
        loads = before.loads + load
        crashes = before.crashes + (not load)
        in_a_row = max(loads, crashes - CRASH_LIMIT + 2)
        rests_s = now.at_s + rest_s(in_a_row)
        self.failures[place] = FailedWay(error, loads, crashes, rests_s, before.deadly or deadly)

    def clear_failures(self, key: str) -> None:
        """Let a model be tried again at once."""
        for place in [one for one in self.failures if one[0] == key]:
            del self.failures[place]
