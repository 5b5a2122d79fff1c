"""A world around the scheduler that knows the rules and complains when one is broken."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from rkd.errors import PreconditionError, Reason, UnavailableError
from rkd.model import BackendChoice
from rkd.pool.deciding.budget import GIB, Capacity, Need
from rkd.pool.deciding.scheduler import Scheduler
from rkd.pool.deciding.state import (
    Actions,
    Announce,
    Grant,
    Launch,
    LoadFault,
    LoadPlan,
    Moment,
    Phase,
    Priority,
    Refuse,
    Stop,
)
from rkd.pool.deciding.table import Rules
from tests.unit.pool.fakes import loaded, plan, waiter

DIED = UnavailableError(Reason.WORKER_CRASHED, "killed by SIGSEGV")
REFUSED = PreconditionError(Reason.LOAD_FAILED, "the engine refused the file")
RAM = 4 * GIB
KEYS = ("alpha", "beta", "gamma", "delta", "epsilon")


def plans_for(key: str, variant: int) -> tuple[LoadPlan, ...]:
    """The ways to run *key*; variants ask for contexts and backends."""
    match key, variant % 4:
        case "alpha", 3:
            return (plan(key, ram=GIB, context=8192, exact=True),)
        case "alpha" | "beta", _:
            return (plan(key, ram=GIB),)
        case "gamma", 3:
            return (plan(key, ram=2 * GIB, choice=BackendChoice.CPU),)
        case "gamma", _:
            return plan(key, ram=2 * GIB, npu=2 * GIB), plan(key, ram=2 * GIB)
        case "delta", _:
            npu = plan(key, ram=GIB, npu=5 * GIB, choice=BackendChoice.NPU)
            return (npu,)
        case _:
            return (plan(key, ram=3 * GIB, slots=2),)


@dataclass
class Worker:
    """What the world knows of one worker."""

    plan: LoadPlan
    need: Need
    ready: bool = False
    stopping: bool = False
    holders: set[int] = field(default_factory=set)


class World:
    """Feeds a scheduler events and checks every action against what is true."""

    def __init__(self, *, places: int = 0, npu_runs: int = 1, turn_s: float = 3.0) -> None:
        self.rules = Rules(20.0, 6, npu_runs, turn_s, 10.0)
        self.it = Scheduler(Capacity(RAM, max_resident=places), self.rules)
        self.now_s = 0.0
        self.tickets = 0
        self.waiting: dict[int, str] = {}
        self.granted: dict[int, int] = {}
        self.ended: set[int] = set()
        self.workers: dict[int, Worker] = {}
        self.pinned: set[str] = set()
        self.jobs: list[int] = []
        self.slotless: set[int] = set()
        self.crashes: dict[int, int] = {}
        self.draining: set[int] = set()
        self.stopped = False
        self.steps = 0

    @property
    def moment(self) -> Moment:
        """Now, in a machine where only our workers take memory."""
        taken = sum(one.need.ram_bytes for one in self.workers.values())
        return Moment(self.now_s, RAM + GIB - taken)

    # Events.

    def request(self, key: str, variant: int) -> None:
        """Somebody asks."""
        self.tickets += 1
        number = self.tickets
        self.waiting[number] = key
        if variant % 5 == 4:
            self.slotless.add(number)
        asked = waiter(
            number,
            *plans_for(key, variant),
            client=f"c{variant % 3}",
            priority=Priority(variant % 3),
            takes_slot=number not in self.slotless,
            keep_alive_s=(None, 0.0, 5.0, math.inf)[variant // 4 % 4],
            deadline_s=self.now_s + 15 if variant % 7 == 0 else math.inf,
        )
        full = len(self.waiting) > self.rules.max_queue
        self.carry(self.it.on_request(asked, self.moment))
        assert not (full and number in self.waiting), "the queue holds more than it may"

    def cancel(self, pick: int) -> None:
        """A waiting request goes away."""
        if self.waiting:
            number = sorted(self.waiting)[pick % len(self.waiting)]
            del self.waiting[number]
            self.ended.add(number)
            self.carry(self.it.on_cancel(number, self.moment))

    def finish(self, pick: int) -> None:
        """A lease ends; one of a dead worker tries again or gives up."""
        if not self.granted:
            return
        number = sorted(self.granted)[pick % len(self.granted)]
        worker = self.workers.get(self.granted.pop(number))
        if worker is not None and number in worker.holders:
            worker.holders.discard(number)
            self.ended.add(number)
            self.carry(self.it.on_finished(number, self.moment))
        elif number not in self.crashes:
            self.crashes[number] = 1
            self.waiting[number] = "again"
            self.carry(self.it.on_retry(number, self.moment))
        else:
            self.ended.add(number)
            self.carry(self.it.on_finished(number, self.moment, served=False))

    def load_ends(self, pick: int, how: int) -> None:
        """A load ends, one way or another."""
        loading = [g for g, one in self.workers.items() if not one.ready and not one.stopping]
        if not loading:
            return
        generation = sorted(loading)[pick % len(loading)]
        worker = self.workers[generation]
        if how % 6 < 3:
            worker.ready = True
            spec = worker.plan.spec
            ready = loaded(spec.slots, spec.context_tokens)
            self.carry(self.it.on_loaded(generation, ready, 0, self.moment))
            return
        fault = (LoadFault.REFUSED, LoadFault.MEMORY, LoadFault.CRASHED)[how % 3]
        self.carry(self.it.on_load_failed(generation, REFUSED, fault, self.moment), forced=True)

    def die(self, pick: int) -> None:
        """A ready worker dies."""
        ready = [g for g, one in self.workers.items() if one.ready and not one.stopping]
        if ready:
            generation = sorted(ready)[pick % len(ready)]
            self.workers[generation].holders.clear()
            self.carry(self.it.on_worker_died(generation, DIED, self.moment), forced=True)

    def gone(self, pick: int) -> None:
        """A stopped worker's memory is back."""
        stopping = [g for g, one in self.workers.items() if one.stopping]
        if stopping:
            generation = sorted(stopping)[pick % len(stopping)]
            del self.workers[generation]
            self.carry(self.it.on_unloaded(generation, self.moment))

    def wait(self, seconds: float) -> None:
        """Time passes; the timer fires when it said it would."""
        until = self.now_s + seconds
        while self.it.wake_at() <= until:
            wake = self.it.wake_at()
            assert wake > self.now_s, "a timer that does not move"
            self.now_s = wake
            self.carry(self.it.on_expired(self.moment))
        self.now_s = until

    def pin(self, key: str, pinned: int) -> None:
        """Pin or unpin."""
        (self.pinned.add if pinned % 2 else self.pinned.discard)(key)
        self.carry(self.it.on_pin(key, self.moment, pinned=bool(pinned % 2)))

    def unload(self, key: str, how: int) -> None:
        """Unload or forget."""
        if how % 2:
            self.pinned.discard(key)
            self.carry(self.it.on_unload(key, self.moment), forced=True)
        else:
            self.carry(self.it.on_forget(key, self.moment), forced=True)

    def job(self, how: int) -> None:
        """A conversion begins or ends."""
        if self.jobs and how % 2:
            self.carry(self.it.on_job(self.jobs.pop(), None, self.moment))
        elif len(self.jobs) < 1:
            self.tickets += 1
            self.jobs.append(self.tickets)
            self.carry(self.it.on_job(self.tickets, Need(GIB), self.moment))

    def shutdown(self) -> None:
        """The daemon stops."""
        self.stopped = True
        self.pinned.clear()
        self.carry(self.it.on_shutdown(self.moment), forced=True)

    # Checks.

    def carry(self, actions: Actions, *, forced: bool = False) -> None:
        """Do what the scheduler says, and hold it to the rules."""
        self.steps += 1
        for action in actions:
            match action:
                case Grant():
                    self._granted(action)
                case Refuse(number, _):
                    assert number in self.waiting, "refused twice, or after its end"
                    del self.waiting[number]
                    self.ended.add(number)
                case Launch():
                    self._launched(action)
                case Stop():
                    self._stopped(action, forced=forced)
                case Announce():
                    pass
        # What drains from this event on may still have been granted before, in the same walk.
        leaving = (one for one in self.it.table.residents.values() if one.leaving)
        self.draining = {one.generation for one in leaving}
        assert {one.ticket for one in self.it.table.queue} == set(self.waiting), "forgotten waiter"
        for number, generation in self.granted.items():
            resident = self.it.table.of(generation)
            held = resident is not None and number in resident.holders
            worker = self.workers.get(generation)
            assert held == (worker is not None and number in worker.holders), "a lost reference"
        self._progress()

    def _granted(self, grant: Grant) -> None:
        assert grant.ticket in self.waiting, "granted twice, or after its end"
        key = self.waiting.pop(grant.ticket)
        worker = self.workers[grant.generation]
        assert worker.ready
        assert not worker.stopping, "a reference on a worker that ends"
        assert key in {worker.plan.key, "again"}
        assert grant.generation not in self.draining, "a reference on a draining one"
        worker.holders.add(grant.ticket)
        self.granted[grant.ticket] = grant.generation
        using = worker.holders - self.slotless
        assert len(using) <= worker.plan.spec.slots, "more runs than slots"
        running = [
            number
            for one in self.workers.values()
            if one.plan.need.npu_bytes
            for number in one.holders - self.slotless
        ]
        assert len(running) <= (self.rules.npu_parallel_runs or 99), "more runs than the NPU takes"

    def _launched(self, launch: Launch) -> None:
        assert not self.stopped, "a load while stopping"
        wanted = {key for key in self.waiting.values() if key != "again"}
        again = "again" in self.waiting.values()
        assert launch.plan.key in wanted or again, "a load nobody waits for"
        assert launch.plan.key not in {one.plan.key for one in self.workers.values()}, (
            "loaded twice"
        )
        self.workers[launch.generation] = Worker(launch.plan, launch.plan.need)
        taken = sum(one.need.ram_bytes for one in self.workers.values())
        taken += GIB * len(self.jobs)
        assert taken <= RAM, "over the budget"
        places = self.it.table.capacity.max_resident
        assert not places or len(self.workers) <= places, "over the places"
        domains = [
            domain
            for one in self.workers.values()
            for domain in range(
                one.plan.spec.npu_domain, one.plan.spec.npu_domain + one.plan.need.domains
            )
        ]
        assert len(domains) == len(set(domains)), "two models in one NPU domain"

    def _stopped(self, stop: Stop, *, forced: bool) -> None:
        worker = self.workers[stop.generation]
        assert not worker.stopping, "stopped twice"
        assert not worker.holders, "a busy model evicted"
        if worker.plan.key in self.pinned and not forced:
            reload_due = worker.plan.key in self.waiting.values() or "again" in (
                self.waiting.values()
            )
            outdated = self.it.table.residents[worker.plan.key].outdated
            drained = self.it.table.residents[worker.plan.key].phase is Phase.UNLOADING
            assert reload_due or outdated or drained, "a pinned model evicted"
        worker.stopping = True

    def _progress(self) -> None:
        """Whoever waits waits for something that is under way."""
        if not self.waiting or self.jobs:
            return
        moving = [one for one in self.workers.values() if not one.ready or one.stopping]
        holding = [one for one in self.workers.values() if one.holders]
        assert moving or holding, "everybody waits for nothing"

    def run_out(self) -> None:
        """Let everything end: every request does, in bounded time."""
        while self.jobs:
            self.job(1)
        for key in KEYS:
            self.pin(key, 0)
        for _ in range(60 * (len(self.waiting) + 4)):
            if not self.waiting and not self.granted:
                break
            self.load_ends(0, 0)
            self.finish(0)
            self.gone(0)
            self.wait(1.0)
        assert not self.waiting
        assert not self.granted
        assert self.ended | set(self.jobs) <= set(range(1, self.tickets + 1))
