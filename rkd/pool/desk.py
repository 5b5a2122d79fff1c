"""
The pool's hands: tickets in, scheduler asked, its actions carried out, workers heard.

The only writer is the event loop's thread; between reading state and acting on it nothing is
awaited, so there are no locks.
"""

from __future__ import annotations

import asyncio
import itertools
import math
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, assert_never

from rkd.events import Event, Publish, Topic
from rkd.pool import views
from rkd.pool.calibration import Calibration
from rkd.pool.deciding import refusals
from rkd.pool.deciding.budget import Need
from rkd.pool.deciding.runtimes import Came, after_failed_load, after_load
from rkd.pool.deciding.scheduler import Scheduler
from rkd.pool.deciding.settings import PoolSettings
from rkd.pool.deciding.state import (
    Actions,
    Announce,
    Death,
    Grant,
    Launch,
    LoadPlan,
    Moment,
    Refuse,
    Stop,
)
from rkd.pool.deciding.table import SETTLED, Table
from rkd.pool.lessons import Lessons
from rkd.pool.pairings import Pairings
from rkd.pool.ticket import Ask, Lease, Ticket
from rkd.pool.workers.crew import Crew, LoadDone, LoadEnded, LoadSaid, News, WorkerGone, WorkerLost
from rkd.pool.workers.handle import LaunchWorker

MEMORY_FRESH_S = 0.05
"""How long a reading of the machine's memory is believed: it costs several file reads."""


Memory = Callable[[], tuple[int, int]]
"""Reads (total, available) bytes of the machine, or of our control group."""


class Desk:
    """
    Where tickets, scheduler and workers meet; implements `rkd.pool.ticket.Keeper`.

    Args:
        settings: the daemon's.
        launch: starts workers.
        memory: reads the machine's memory.
        calibration: what models were seen to take.
        pairings: how NPU libraries got on with weights.
        publish: the event log.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        settings: PoolSettings,
        *,
        launch: LaunchWorker,
        memory: Memory,
        calibration: Calibration,
        pairings: Pairings,
        publish: Publish,
        clock: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._memory = memory
        self._lessons = Lessons(calibration, pairings, publish, self.own)
        self._publish = publish
        self._clock = clock
        self._scheduler = Scheduler(settings.capacity(memory()[0]), settings.rules)
        self._crew = Crew(launch, lambda: memory()[1], self._hear, settings.load_timeout_s)
        self._numbers = itertools.count(1)
        self._tickets: dict[int, Ticket] = {}
        self._said: dict[int, tuple[str, float]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._left: set[int] = set()
        """Tickets nobody reads any more whose worker is still at it."""
        self._stirred = asyncio.Event()
        self._read_s = -math.inf
        self._available = 0

    def ticket(self, ask: Ask, plans: tuple[LoadPlan, ...]) -> Ticket:
        """Make a ticket; what is in memory already and serves it is its plan."""
        ticket = Ticket(next(self._numbers), ask, plans, self)
        here = self._scheduler.would_serve(ticket.waiter())
        if here is not None:
            ticket.plan = here
        return ticket

    def reload(self, settings: PoolSettings) -> None:
        """Take new settings over."""
        self._settings = settings
        self._crew.load_timeout_s = settings.load_timeout_s
        capacity = settings.capacity(self._memory()[0])
        self._do(self._scheduler.on_settings(capacity, settings.rules, self.now()))

    @property
    def table(self) -> Table:
        """What is in memory and who waits, to be looked at; only this desk changes it."""
        return self._scheduler.table

    @property
    def pids(self) -> dict[int, int]:
        """The processes of those in memory, by generation."""
        found = ((of, self._crew.of(of)) for of in self.table.generations)
        return {of: worker.pid for of, worker in found if worker is not None}

    # What people and the rest of the daemon ask.

    def clear(self, key: str, fingerprint: str = "") -> None:
        """Let a model that rests after failures be tried again, with every NPU library."""
        self._lessons.forgive(fingerprint)
        self._do(self._scheduler.on_clear(key, self.now()))

    def unload(self, key: str, *, kill: bool = False) -> int | None:
        """Let a model leave; its generation, or None when it was not there."""
        resident = self.table.residents.get(key)
        self._do(self._scheduler.on_unload(key, self.now(), kill=kill))
        return None if resident is None else resident.generation

    def pin(self, key: str) -> int:
        """Pin a model for now; `settle` the claim, or `unpin` it when it comes to nothing."""
        claim = next(self._numbers)
        self._do(self._scheduler.on_pin(key, self.now(), pinned=True, claim=claim))
        return claim

    def settle(self, key: str, claim: int) -> None:
        """Make a claim a pin that stays."""
        self._scheduler.on_pinned(key, claim)

    def unpin(self, key: str, claim: int = SETTLED) -> bool:
        """Take one claim back, or all of the pin; False when there was none."""
        was = key in self.table.pins
        self._do(self._scheduler.on_pin(key, self.now(), pinned=False, claim=claim))
        return was

    def forget(self, key: str) -> None:
        """A model changed on disk, or is no more."""
        self._do(self._scheduler.on_forget(key, self.now()))

    @contextmanager
    def job(self, ram_bytes: int) -> Iterator[None]:
        """Count the memory of a job while it runs."""
        number = next(self._numbers)
        self._do(self._scheduler.on_job(number, Need(ram_bytes), self.now()))
        try:
            yield
        finally:
            self._do(self._scheduler.on_job(number, None, self.now()))

    def shut(self) -> None:
        """Refuse whoever waits, and begin nothing new."""
        self._do(self._scheduler.on_shutdown(self.now()))

    async def close(self, bound_s: float) -> None:
        """Wait until every worker and every task is gone, at most *bound_s*; cancel the rest."""
        if self._timer is not None:
            self._timer.cancel()
        self.own(self._crew.close())
        await asyncio.wait(self._tasks, timeout=bound_s)
        for task in self._tasks:
            task.cancel()

    async def until_gone(self, generation: int) -> None:
        """Wait until that worker's memory is back."""
        while self.table.of(generation) is not None:
            await self._stirred.wait()

    async def until_unread(self) -> None:
        """Wait until nobody is there for whom a worker works."""
        while self._tickets.keys() - self._left:
            await self._stirred.wait()

    async def until_empty(self) -> None:
        """Wait until nothing is in memory."""
        while self.table.residents:
            await self._stirred.wait()

    def _stir(self) -> None:
        self._stirred.set()
        self._stirred = asyncio.Event()

    # What tickets ask.

    def enter(self, ticket: Ticket) -> None:
        """Put a ticket in the queue."""
        now = self.now()
        ticket.arrived_s = now.at_s
        waiter = ticket.waiter()
        longest_s = self._settings.max_wait_s
        if ticket.ask.wait_s is not None:
            longest_s = min(longest_s, ticket.ask.wait_s)
        waiter.deadline_s = now.at_s + longest_s
        self._tickets[ticket.number] = ticket
        self._do(self._scheduler.on_request(waiter, now))

    def exit(self, ticket: Ticket) -> None:
        """Give up whatever a ticket has; a run under way is stopped before its lease ends."""
        if ticket.number not in self._tickets:
            return
        if not ticket.granted:
            self._drop(ticket)
            self._do(self._scheduler.on_cancel(ticket.number, self.now()))
            return
        lease = ticket.lease
        if lease.busy:
            # The lease outlives its request: nobody else gets the slot before the run is over.
            self._left.add(ticket.number)
            self._stir()
            self.own(self._outlast(ticket, lease))
        else:
            self.done(ticket, served=lease.stream is not None and lease.stream.outcome is not None)

    def done(self, ticket: Ticket, *, served: bool) -> None:
        """End a lease."""
        if self._tickets.get(ticket.number) is not ticket:
            return
        self._drop(ticket)
        if served:
            self._measure(ticket.lease)
            stream = ticket.lease.stream
            outcome = stream.outcome if stream else None
            if outcome is not None and outcome.usage.completion_tokens:
                self._lessons.came(self.table.of(ticket.lease.generation), Came.SERVED)
        self._do(self._scheduler.on_finished(ticket.number, self.now(), served=served))

    def again(self, ticket: Ticket, lease: Lease, death: Death, seen: int = 0) -> bool:
        """
        Note the death of a worker under a ticket; True when the ticket waits for another one.

        It does once, while nothing of an answer was seen, unless it killed that worker itself; and
        once for each further NPU library, since the library may have been what it died of.
        """
        self._lessons.died(self.table.of(lease.generation), death)
        # Told here as well as by the crew: nobody must be granted a worker known to be dead.
        error = refusals.crashed(lease.plan.model, death)
        self._do(self._scheduler.on_worker_died(lease.generation, error, self.now()))
        if seen or ticket.number not in self._tickets:
            return False
        itself = death.blamed or ticket.crashes
        if itself and not self._scheduler.has_another_library(ticket.number):
            return False
        ticket.waits_again()
        self._do(self._scheduler.on_retry(ticket.number, self.now()))
        return True

    async def watch(self, ticket: Ticket, lease: Lease) -> None:
        """End the lease when the worker is done, however slow the reader of the answer is."""
        stream = lease.stream
        if stream is None:
            return
        await stream.ended.wait()
        # A dead worker's ticket may wait for another one by now: that is the reader's to decide.
        if not lease.worker.died.done() and ticket.holds(lease):
            self.done(ticket, served=stream.outcome is not None)

    async def _outlast(self, ticket: Ticket, lease: Lease) -> None:
        answered = False
        if (stream := lease.stream) is not None:
            answered = stream.outcome is not None  # and only its conversation is being written
            await stream.aclose()
        elif lease.call is not None:
            lease.call.cancel()  # what does not heed that, the worker's process bounds
            await asyncio.gather(lease.call, return_exceptions=True)
        self.done(ticket, served=answered)

    def own(self, work: Coroutine[Any, Any, None]) -> None:
        """Run *work* in a task that `close` waits for."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _drop(self, ticket: Ticket) -> None:
        del self._tickets[ticket.number]
        self._left.discard(ticket.number)
        self._stir()

    def _hear(self, news: News) -> None:
        """Feed the scheduler what a worker did."""
        now = self.now(fresh=not isinstance(news, LoadSaid))
        scheduler = self._scheduler
        match news:
            case LoadSaid(generation, progress):
                self._said[generation] = ("loading", progress.fraction)
                self._refresh(now)
            case LoadDone(generation, loaded):
                self._said.pop(generation, None)
                taken = self._taken(generation)
                self._lessons.came(
                    self.table.of(generation),
                    after_load(loaded.first_answer),
                    loaded.first_answer_detail,
                )
                self._do(scheduler.on_loaded(generation, loaded, taken, now))
            case LoadEnded(generation, error, fault):
                came = after_failed_load(error, fault)
                self._lessons.came(self.table.of(generation), came, error.message)
                self._do(scheduler.on_load_failed(generation, error, fault, now))
            case WorkerLost(generation, death):
                self._lessons.died(self.table.of(generation), death)
                resident = scheduler.table.of(generation)
                model = resident.plan.model if resident else ""
                self._do(scheduler.on_worker_died(generation, refusals.crashed(model, death), now))
            case WorkerGone(generation):
                self._said.pop(generation, None)
                self._lessons.took(self.table.of(generation))
                self._do(scheduler.on_unloaded(generation, now))
                self._stir()
            case _:
                assert_never(news)

    def _do(self, actions: Actions) -> None:
        """Carry *actions* out, tell whoever waits what changed, set the timer."""
        for action in actions:
            match action:
                case Grant(number, generation):
                    self._grant(self._tickets[number], generation)
                case Refuse(number, error):
                    ticket = self._tickets[number]
                    self._drop(ticket)
                    ticket.refuse(error)
                case Launch():
                    self._crew.launch(action)
                case Stop(generation):
                    resident = self.table.of(generation)
                    self._crew.stop(action, resident.need.ram_bytes if resident else 0)
                case Announce(word, model, detail):
                    self._publish(Event(Topic.RESIDENT, word, model, detail))
                case _:
                    assert_never(action)
        now = self.now()
        self._refresh(now)
        self._set_timer(now)

    def _grant(self, ticket: Ticket, generation: int) -> None:
        resident = self.table.of(generation)
        worker = self._crew.of(generation)
        if resident is None or worker is None or resident.loaded is None:
            raise AssertionError("only what is ready is granted")
        ticket.grant(Lease.of(resident, resident.loaded, worker, ticket.arrived_s, self._clock()))

    def _refresh(self, now: Moment) -> None:
        """Tell every waiting ticket what it waits for."""
        table = self.table
        ahead_of: dict[str, int] = {}
        for ahead, waiter in enumerate(table.queue.in_order(now.at_s)):
            ticket = self._tickets[waiter.ticket]
            same = ahead_of.get(waiter.key, 0)
            ahead_of[waiter.key] = same + 1
            planned = ticket.plans[0].backend
            ticket.tell(views.update(table, waiter, ahead, same, planned=planned, said=self._said))

    def _set_timer(self, now: Moment) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        at_s = self._scheduler.wake_at()
        if math.isfinite(at_s):
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(max(0.0, at_s - now.at_s), self._look_again)

    def _look_again(self) -> None:
        self._timer = None
        self._do(self._scheduler.on_expired(self.now()))

    # Memory and time.

    def now(self, *, fresh: bool = False) -> Moment:
        """What time it is and how much memory there is; *fresh* reads it whatever it costs."""
        now_s = self._clock()
        if fresh or now_s - self._read_s > MEMORY_FRESH_S:
            self._available = self._memory()[1]
            self._read_s = now_s
        return Moment(now_s, self._available)

    def _taken(self, generation: int) -> int:
        worker = self._crew.of(generation)
        return 0 if worker is None else worker.memory_bytes()

    def _measure(self, lease: Lease) -> None:
        # Only a run fills what the engine computes with, and so shows what it takes.
        taken = self._taken(lease.generation) if lease.stream is not None else 0
        if taken:
            self._do(self._scheduler.on_measured(lease.generation, taken, self.now()))
