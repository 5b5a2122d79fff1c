"""
One walk through the queue, in order, doing for each request what can be done now.

The decision tree of the scheduler: `docs/scheduler.md` has the same numbers and words.
"""

from __future__ import annotations

import math

from rkd.errors import RkdError
from rkd.pool.deciding import refusals
from rkd.pool.deciding.admission import (
    Admit,
    MakeRoom,
    Never,
    Situation,
    Wait,
    choose_plan,
    decide,
    serves,
)
from rkd.pool.deciding.budget import Held
from rkd.pool.deciding.state import (
    Action,
    Grant,
    LoadPlan,
    Moment,
    Phase,
    Refuse,
    Residence,
    Waiter,
)
from rkd.pool.deciding.table import Granted, Table


class Walk:
    """
    What one walk has seen and decided so far.

    Args:
        table: what it decides on, and changes.
        now: the same for the whole walk.
    """

    def __init__(self, table: Table, now: Moment) -> None:
        self.actions: list[Action] = []
        self.look_again_s = math.inf
        """When something changes by time alone."""
        self._table = table
        self._now = now
        self._ahead: set[str] = set()
        self._later: list[str] = []
        self._claims: list[Held] = []

    def through(self) -> None:
        """Walk once; afterwards `actions` and `look_again_s` stand."""
        order = self._table.queue.in_order(self._now.at_s)
        self._later = [one.key for one in reversed(order)]
        for waiter in order:
            self._later.pop()
            if self.place(waiter):
                self._ahead.add(waiter.key)
                self._note_times(waiter)
        self._relieve()
        self._let_go()
        for key in [one for one in self._table.evicting if one not in self._ahead]:
            del self._table.evicting[key]

    def place(self, waiter: Waiter) -> bool:
        """
        Do what can be done for *waiter*; True while it goes on waiting.

        1. Its deadline has passed: LOAD_TIMEOUT; it never starts a load.
        2. Its model is in memory:
           a. loading, draining or unloading: it waits;
           b. ready and fit for it: granted if a slot and the NPU are free, or it needs none,
              and nobody earlier wants them; else it waits;
           c. ready but needs a reload: once nobody earlier waits for it, it drains, so that
              nobody later passes.
        3. Somebody earlier waits for the same absent model: it waits for that load.
        4. No way to run it is left: MODEL_FAILED, MODEL_TOO_LARGE.
        5. It fits: the load begins.
        6. It fits once others have left: the idle go, the busy drain; its room is kept for it.
        7. Room will come of itself: it waits; its room is kept for it.
        8. What is in the way is pinned or not ours: NO_EVICTABLE_MODEL.
        """
        table = self._table
        if waiter.deadline_s <= self._now.at_s:  # 1
            waited_s = self._now.at_s - waiter.arrived_s
            return self._refuse(waiter, refusals.waited_too_long(waiter.plans[0].model, waited_s))
        resident = table.residents.get(waiter.key)
        if resident is not None:  # 2
            return self._place_resident(waiter, resident)
        if waiter.key in self._ahead:  # 3
            return True
        plan = choose_plan(waiter, table.failures, table.capacity, self._now.at_s)
        if isinstance(plan, RkdError):  # 4
            return self._refuse(waiter, plan)
        return self._place_absent(waiter, plan)

    def _place_resident(self, waiter: Waiter, resident: Residence) -> bool:
        key = resident.key
        if resident.phase is not Phase.READY:  # 2a
            return True
        if serves(resident, waiter) and not resident.outdated:  # 2b
            # A walk only takes slots: what one finds taken, nobody after it finds free.
            if waiter.takes_slot and not self._table.slot_free(resident):
                return True
            self._grant(waiter, resident)
            return False
        if key not in self._ahead:  # 2c
            self.actions += self._table.leave(resident)
        return True

    def _place_absent(self, waiter: Waiter, plan: LoadPlan) -> bool:
        table = self._table
        decision = decide(plan, self.situation(), pressed=waiter.pressed)
        match decision:
            case Admit(chosen, domain):  # 5
                self.actions += table.launch(chosen, domain, self._now)
            case MakeRoom(_, generations, _):  # 6
                leavers = [one for one in map(table.of, generations) if one is not None]
                known = table.evicting.get(waiter.key, ())
                names = (one.plan.model for one in leavers)
                table.evicting[waiter.key] = tuple(dict.fromkeys((*known, *names)))
                for one in leavers:
                    self.actions += table.leave(one)
                self._claims.append(Held(plan.need, arriving=True))
            case Wait(_, until_s, _):  # 7
                self._look_again(until_s)
                self._claims.append(Held(plan.need, arriving=True))
            case Never(error):  # 8
                return self._refuse(waiter, error)
        return True

    def situation(self) -> Situation:
        """What a decision about an absent model rests on at this point of the walk."""
        table = self._table
        return Situation(
            residents=tuple(table.residents.values()),
            capacity=table.capacity,
            now=self._now,
            pinned=frozenset(table.pins),
            ahead=frozenset(self._ahead),
            behind=frozenset(self._later) - self._ahead,
            claims=tuple(self._claims),
            jobs=tuple(table.jobs.values()),
            turn_s=table.rules.turn_s,
        )

    def _relieve(self) -> None:
        """Let the idle go, the longest idle first, while models are larger than was thought."""
        table = self._table
        staying = [one for one in table.residents.values() if not one.leaving]
        total_bytes = sum(one.need.ram_bytes for one in staying)
        idle = [one for one in staying if table.is_idle(one, self._ahead)]
        # One alone is not sent away for its size: the machine evidently bears it.
        spare = len(staying) - 1
        for resident in sorted(idle, key=lambda one: one.idle_since_s)[:spare]:
            if total_bytes <= table.capacity.ram_bytes:
                return
            total_bytes -= resident.need.ram_bytes
            self.actions += table.leave(resident)

    def _let_go(self) -> None:
        """End who drained, is outdated or has been idle for as long as it may."""
        for resident in self._table.residents.values():
            if resident.holders:
                continue
            if resident.phase is Phase.DRAINING:
                self.actions += self._table.leave(resident)
            elif resident.phase is Phase.READY and resident.key not in self._ahead:
                expires_s = math.inf if resident.expires_s is None else resident.expires_s
                if expires_s <= self._now.at_s or resident.outdated:
                    self.actions += self._table.leave(resident)
                self._look_again(expires_s)

    def _grant(self, waiter: Waiter, resident: Residence) -> None:
        self._table.queue.serve(waiter)
        resident.holders[waiter.ticket] = waiter.takes_slot
        resident.expires_s = None
        if waiter.keep_alive_s is not None:
            resident.keep_alive_s = waiter.keep_alive_s
        lease = Granted(waiter, resident.generation, self._now.at_s)
        self._table.granted[waiter.ticket] = lease
        self.actions.append(Grant(waiter.ticket, resident.generation))

    def _refuse(self, waiter: Waiter, error: RkdError) -> bool:
        self._table.queue.leave(waiter.ticket)
        self.actions.append(Refuse(waiter.ticket, error))
        return False

    def _note_times(self, waiter: Waiter) -> None:
        self._look_again(waiter.deadline_s)
        ageing_s = self._table.rules.ageing_s
        if waiter.priority and ageing_s > 0:
            waited_s = self._now.at_s - waiter.arrived_s
            self._look_again(self._now.at_s + ageing_s - waited_s % ageing_s)

    def _look_again(self, at_s: float) -> None:
        if at_s > self._now.at_s:
            self.look_again_s = min(self.look_again_s, at_s)
