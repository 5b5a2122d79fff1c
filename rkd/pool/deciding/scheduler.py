"""
Which model is resident, who waits, who leaves: events in, actions out, no effects, no clock.

`pool/desk.py` feeds it what happened and carries out what it says. After every event the whole
queue is walked again, in order, by the tree in `walk.py`, which `docs/scheduler.md` shows too.
"""

from __future__ import annotations

import math
from dataclasses import replace

from rkd.errors import Reason, RkdError
from rkd.inference import FirstAnswer, Loaded
from rkd.pool.deciding import refusals
from rkd.pool.deciding.admission import serves
from rkd.pool.deciding.budget import Capacity, Held, Need
from rkd.pool.deciding.runtimes import another_may_do
from rkd.pool.deciding.state import (
    Action,
    Actions,
    Announce,
    LoadFault,
    LoadPlan,
    Moment,
    Phase,
    Refuse,
    Residence,
    Stop,
    Waiter,
)
from rkd.pool.deciding.table import SETTLED, Rules, Table
from rkd.pool.deciding.walk import Walk


class Scheduler:
    """
    The state machine of the pool; one loop owns it.

    Every `on_…` says what happened and returns what to do about it.

    Args:
        capacity: what there is.
        rules: the numbers to go by.
    """

    def __init__(self, capacity: Capacity, rules: Rules) -> None:
        self.table = Table(capacity, rules)
        self._stopping = False
        self._look_again_s = math.inf

    def wake_at(self) -> float:
        """When to call `on_expired` next, on the monotonic clock; math.inf for never."""
        return self._look_again_s

    def on_request(self, waiter: Waiter, now: Moment) -> Actions:
        """Take a new request in: it is refused at once, granted at once, or waits."""
        waiter.arrived_s = now.at_s
        if self._stopping:
            return (Refuse(waiter.ticket, refusals.shutting_down()),)
        if self.table.queue.full and not self._free_for(waiter):
            model = waiter.plans[0].model
            error = refusals.queue_full(
                model, self.table.queue.limit, self.table.pace.run_s(waiter.key)
            )
            return (Refuse(waiter.ticket, error),)
        self.table.queue.join(waiter)
        return self._settle(now)

    def on_cancel(self, ticket: int, now: Moment) -> Actions:
        """Let a waiting request go; one that runs ends with `on_finished`."""
        if self.table.queue.leave(ticket) is None:
            return ()
        return self._settle(now)

    def on_finished(self, ticket: int, now: Moment, *, served: bool = True) -> Actions:
        """Take a lease back; *served* when the model answered, so that it is known to work."""
        granted = self.table.granted.pop(ticket, None)
        if granted is None:
            return ()
        waiter = granted.waiter
        resident = self.table.of(granted.generation)
        if resident is not None:
            resident.holders.pop(ticket, None)
            if served:
                resident.served += 1
                self.table.failures.pop((resident.key, resident.plan.way), None)
            if not resident.holders:
                self.table.fall_idle(resident, now)
        if served and waiter.takes_slot:
            self.table.pace.ran(waiter.key, now.at_s - granted.since_s)
        return self._settle(now)

    def has_another_library(self, ticket: int) -> bool:
        """Whether a request whose worker died of its first answer can be given another library."""
        granted = self.table.granted.get(ticket)
        return (
            granted is not None
            and granted.avoid is not None
            and _another(granted.waiter, granted.avoid)
        )

    def on_retry(self, ticket: int, now: Moment) -> Actions:
        """Put a request back whose worker died before it had said anything."""
        granted = self.table.granted.pop(ticket, None)
        if granted is None:
            return ()
        resident = self.table.of(granted.generation)
        if resident is not None:
            resident.holders.pop(ticket, None)
        if self._stopping:
            return (Refuse(ticket, refusals.shutting_down()), *self._settle(now))
        if granted.dismissed:
            error = refusals.dismissed(granted.waiter.plans[0].model)
            return (Refuse(ticket, error), *self._settle(now))
        granted.waiter.retries += 1
        if granted.avoid and _another(granted.waiter, granted.avoid):
            granted.waiter.plans = _without(granted.waiter, granted.avoid, "")
        self.table.queue.rejoin(granted.waiter)
        return self._settle(now)

    def on_loaded(
        self, generation: int, loaded: Loaded, measured_bytes: int, now: Moment
    ) -> Actions:
        """Make a resident ready."""
        resident = self.table.of(generation)
        if resident is None or resident.phase is not Phase.LOADING:
            return ()
        if self._is_worth_another(resident, loaded.first_answer):
            error = refusals.garbage(resident.plan.model, loaded)
            return self.on_load_failed(generation, error, LoadFault.REFUSED, now)
        resident.loaded = loaded
        resident.phase = Phase.READY
        resident.ready_s = now.at_s
        resident.load_s = now.at_s - resident.since_s
        self.table.measure(resident, measured_bytes)
        self.table.pace.loaded(resident.key, resident.load_s)
        failure = self.table.failures.pop((resident.key, resident.plan.way), None)
        if failure is not None and failure.crashes:
            self.table.failures[resident.key, resident.plan.way] = replace(
                failure, loads=0, deadly=False
            )
        for waiter in self.table.queue:
            if waiter.key == resident.key:
                # It can be loaded after all: what failed before was not its fault.
                waiter.pressed, waiter.crashes = False, 0
        self.table.fall_idle(resident, now)
        ready = Announce(
            "ready",
            resident.plan.model,
            (
                ("backend", str(resident.plan.backend)),
                ("runtime", loaded.runtime),
                ("load_ms", f"{resident.load_s * 1000:.0f}"),
                ("reason", resident.plan.reason),
                *((("first_answer", str(loaded.first_answer)),) if loaded.first_answer else ()),
            ),
        )
        return (ready, *self._settle(now))

    def on_load_failed(
        self, generation: int, error: RkdError, fault: LoadFault, now: Moment
    ) -> Actions:
        """Give a failed load another chance where there is one, else tell whoever waited for it."""
        resident = self.table.of(generation)
        if resident is None or resident.phase is not Phase.LOADING:
            return ()
        resident.phase = Phase.UNLOADING
        actions: list[Action] = [Stop(generation, resident.plan.model, kill=True)]
        again = self.table.press(resident) if fault is LoadFault.MEMORY else []
        actions += again
        if fault is LoadFault.MEMORY:
            needed = resident.need.ram_bytes
            error = refusals.short_of_memory(error, needed, now.available_bytes)
        died = error.reason is Reason.WORKER_CRASHED
        before = self.table.failures.get((resident.key, resident.plan.way))
        retried = False
        for waiter in [one for one in self.table.queue if serves(resident, one)]:
            # What killed a worker is tried another way where there is one, else once more (it may
            # have been killed for memory); what has killed two is given no third one by itself.
            other = died and _another(waiter, resident.plan)
            if died and not other and not waiter.crashes and not (before and before.deadly):
                waiter.crashes += 1
                waiter.plans = _unheard(waiter.plans, resident.plan)
                retried = True
            elif not died and again and not waiter.pressed:
                waiter.pressed = retried = True
            else:
                waiter.crashes += other
                actions += self._give_up(waiter, resident.plan, error)
        if not retried:
            self.table.count_failure(resident, error, now, load=True, deadly=died)
            detail = (("reason", str(error.reason)), ("message", error.message))
            actions.append(Announce("failed", resident.plan.model, detail))
        return (*actions, *self._settle(now))

    def on_worker_died(self, generation: int, error: RkdError, now: Moment) -> Actions:
        """Note the death of a worker that was ready; its tickets come back one by one."""
        resident = self.table.of(generation)
        if resident is None or resident.phase not in {Phase.READY, Phase.DRAINING}:
            return ()
        resident.phase = Phase.UNLOADING
        if not resident.served and error.metadata.get("signal") != "SIGKILL":
            # Died of its first answer: whoever asked is given another library, where there is one.
            self.table.avoid(resident)
        resident.holders.clear()
        self.table.count_failure(resident, error, now, load=False)
        signal = error.metadata.get("signal", "")
        detail = (("reason", str(error.reason)), ("signal", signal), ("message", error.message))
        return (
            Stop(generation, resident.plan.model, kill=True),
            Announce("failed", resident.plan.model, detail),
            *self._settle(now),
        )

    def on_unloaded(self, generation: int, now: Moment) -> Actions:
        """Forget a resident whose process is gone and whose memory is back."""
        resident = self.table.of(generation)
        if resident is None:
            return ()
        del self.table.residents[resident.key]
        return (Announce("unloaded", resident.plan.model), *self._settle(now))

    def on_measured(self, generation: int, measured_bytes: int, now: Moment) -> Actions:
        """Note what a worker takes after an answer; more than was thought makes others leave."""
        resident = self.table.of(generation)
        if resident is None:
            return ()
        resident.now_bytes = measured_bytes
        resident.first_bytes = resident.first_bytes or measured_bytes
        grows = measured_bytes > resident.need.ram_bytes
        self.table.measure(resident, measured_bytes)
        return self._settle(now) if grows else ()

    def on_expired(self, now: Moment) -> Actions:
        """Look again: a deadline, a keep-alive or a turn may have ended."""
        return self._settle(now)

    def on_unload(self, key: str, now: Moment, *, kill: bool = False) -> Actions:
        """Let a model leave; *kill* does not wait for what it is doing."""
        self.table.claims.pop(key, None)
        self.table.clear_failures(key)
        resident = self.table.residents.get(key)
        if resident is None:
            return self._settle(now)
        self.table.dismiss(resident)
        return (*self.table.leave(resident, kill=kill), *self._settle(now))

    def on_pin(self, key: str, now: Moment, *, pinned: bool, claim: int = SETTLED) -> Actions:
        """
        Set or take away a pin; without it the keep-alive counts from now.

        Args:
            key: the model's.
            now: the time.
            pinned: True sets it.
            claim: who holds it: a number while its load is waited for, SETTLED once it stays.
                Taking back a number leaves the pins of others, taking back SETTLED ends all.
        """
        claims = self.table.claims.setdefault(key, set())
        if pinned:
            claims.add(claim)
        else:
            claims.discard(claim)
            if claim == SETTLED or not claims:
                del self.table.claims[key]
        resident = self.table.residents.get(key)
        if resident is not None and not resident.holders:
            self.table.fall_idle(resident, now)
        return self._settle(now)

    def on_pinned(self, key: str, claim: int) -> None:
        """Let a claim stay for good; one that was taken away meanwhile is not brought back."""
        claims = self.table.claims.get(key)
        if claims is not None:
            claims.discard(claim)
            claims.add(SETTLED)

    def on_forget(self, key: str, now: Moment) -> Actions:
        """Note that a model changed on disk, or is no more: what is resident serves no more."""
        self.table.clear_failures(key)
        self.table.pace.forget(key)
        resident = self.table.residents.get(key)
        if resident is None:
            return self._settle(now)
        if resident.phase is Phase.LOADING:
            resident.outdated = True
            return self._settle(now)
        return (*self.table.leave(resident), *self._settle(now))

    def on_clear(self, key: str, now: Moment) -> Actions:
        """Let a model that rests after failures be tried again: somebody asked for its load."""
        self.table.clear_failures(key)
        return self._settle(now)

    def on_settings(self, capacity: Capacity, rules: Rules, now: Moment) -> Actions:
        """Go by other numbers from now on."""
        self.table.capacity = capacity
        self.table.rules = rules
        self.table.queue.reload(rules.max_queue, rules.ageing_s)
        return self._settle(now)

    def would_serve(self, waiter: Waiter) -> LoadPlan | None:
        """The plan of what is in memory if that serves *waiter* as it is."""
        resident = self.table.residents.get(waiter.key)
        if resident is None or resident.leaving or resident.outdated:
            return None
        return resident.plan if serves(resident, waiter) else None

    def on_job(self, job: int, need: Need | None, now: Moment) -> Actions:
        """Count the memory of a conversion or the like; None when it has ended."""
        if need is None:
            self.table.jobs.pop(job, None)
        else:
            self.table.jobs[job] = Held(need, arriving=True, place=False)
        return self._settle(now)

    def on_shutdown(self, now: Moment) -> Actions:
        """Refuse whoever waits, end loads, let what runs run out."""
        self._stopping = True
        actions: list[Action] = []
        for waiter in list(self.table.queue):
            self.table.queue.leave(waiter.ticket)
            actions.append(Refuse(waiter.ticket, refusals.shutting_down()))
        self.table.claims.clear()
        for resident in self.table.residents.values():
            actions += self.table.leave(resident)
        return (*actions, *self._settle(now))

    def _settle(self, now: Moment) -> Actions:
        walk = Walk(self.table, now)
        walk.through()
        self._look_again_s = walk.look_again_s
        return tuple(walk.actions)

    def _free_for(self, waiter: Waiter) -> bool:
        """Whether *waiter* would not have to wait at all, so that a full queue is no matter."""
        resident = self.table.residents.get(waiter.key)
        return (
            resident is not None
            and resident.phase is Phase.READY
            and not resident.outdated
            and serves(resident, waiter)
            and (not waiter.takes_slot or self.table.slot_free(resident))
            and all(one.key != waiter.key for one in self.table.queue)
        )

    def _is_worth_another(self, resident: Residence, heard: FirstAnswer) -> bool:
        """Whether all who wait are better served another way; silence, by another library."""
        if heard not in {FirstAnswer.GARBAGE, FirstAnswer.SILENT}:
            return False
        waiting = [one for one in self.table.queue if serves(resident, one)]
        anywhere = heard is FirstAnswer.GARBAGE
        return bool(waiting) and all(
            _another(one, resident.plan, anywhere=anywhere) for one in waiting
        )

    def _give_up(self, waiter: Waiter, plan: LoadPlan, error: RkdError) -> list[Action]:
        """Take the way that failed from *waiter*; without another one it ends."""
        left = _without(waiter, plan, error.message, whole_backend=not another_may_do(error))
        if left:
            waiter.plans = left
            return []
        self.table.queue.leave(waiter.ticket)
        before = next((one.tried for one in waiter.plans if one.way == plan.way), ())
        return [Refuse(waiter.ticket, refusals.after_others(error, before))]


def _another(waiter: Waiter, plan: LoadPlan, *, anywhere: bool = False) -> bool:
    """Whether *waiter* has another library to be served with, or another way *anywhere*."""
    others = (one for one in waiter.plans if one.way != plan.way)
    return any(anywhere or one.backend is plan.backend for one in others)


def _unheard(plans: tuple[LoadPlan, ...], plan: LoadPlan) -> tuple[LoadPlan, ...]:
    """Load *plan* without hearing its first answer: the request is to die of its own, if at all."""
    return tuple(
        replace(one, spec=replace(one.spec, first_answer=0)) if one.way == plan.way else one
        for one in plans
    )


def _without(
    waiter: Waiter, plan: LoadPlan, why: str, *, whole_backend: bool = False
) -> tuple[LoadPlan, ...]:
    """The ways *waiter* has besides that of *plan*, or besides its backend, and why that failed."""
    reason = f"The {plan.backend.upper()} could not load it: {why}"
    version = plan.library.version if plan.library else ""
    left: list[LoadPlan] = []
    for one in waiter.plans:
        if one.backend is not plan.backend:
            left.append(replace(one, reason=one.reason or reason))
        elif one.way != plan.way and not whole_backend:
            failed = f"RKLLM {version} could not load it: {why}" if why else _DIED.format(version)
            left.append(replace(one, warnings=(*one.warnings, failed), tried=(*one.tried, failed)))
    return tuple(left)


_DIED = "RKLLM {} died of its first answer"
