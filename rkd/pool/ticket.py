"""
One request in the pool: what it asks, what it is told while it waits, the lease it gets.

`desk.py` makes tickets and moves them on; the service reads `updates` and works with `lease`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, Protocol, Self

from rkd.errors import RkdError
from rkd.inference import Loaded, Outcome, Run
from rkd.model import BackendKind, Model
from rkd.pool.deciding.placement import Wish
from rkd.pool.deciding.state import LoadPlan, Priority, Residence, Waiter
from rkd.pool.workers.handle import Keep, RunStream, WorkerHandle


@dataclass(frozen=True, slots=True)
class Ask:
    """
    What a request wants of the pool.

    Args:
        model: from the library's snapshot.
        wish: what it says about the load.
        client: who asks, for fairness.
        keep_alive_s: how long the model stays after; None says nothing, math.inf for ever.
        wait_s: longest wait in the queue, of the call's deadline and its own the less.
        takes_slot: it decodes; False for tokenizing.
        session: names the conversation it belongs to, among the client's own; "" for none.
        deliberate: the load itself is asked for: a model resting after failures is tried.
    """

    model: Model
    wish: Wish = field(default_factory=Wish)
    client: str = ""
    priority: Priority = Priority.NORMAL
    keep_alive_s: float | None = None
    wait_s: float | None = None
    takes_slot: bool = True
    deliberate: bool = False
    session: str = ""


@dataclass(frozen=True, slots=True)
class Queued:
    """The request waits for its turn; so many are served before it, in about that time."""

    position: int
    estimate_s: float | None = None


@dataclass(frozen=True, slots=True)
class Loading:
    """
    The model is being made resident.

    Args:
        stage: `evicting`, `starting`, `loading`, `retrying` or `falling-back`.
        fraction: 0 to 1, negative where it cannot be known.
        detail: in words; for a fallback, why.
    """

    stage: str
    backend: BackendKind
    fraction: float = -1.0
    evicting: tuple[str, ...] = ()
    detail: str = ""


Update = Queued | Loading


@dataclass(frozen=True, slots=True)
class Served:
    """
    How a streamed run ended: last of what `Pool.stream` yields.

    Args:
        plan: what really served: its backend, and its reason where that is not the NPU.
        queue_ms, load_ms: waiting for a turn, and for the model.
    """

    outcome: Outcome
    plan: LoadPlan
    loaded: Loaded
    queue_ms: float
    load_ms: float


class Keeper(Protocol):
    """What a ticket needs of the pool."""

    def enter(self, ticket: Ticket) -> None:
        """Put it in the queue."""

    def exit(self, ticket: Ticket) -> None:
        """Take it out of wherever it is; a run under way is stopped before its lease ends."""

    def done(self, ticket: Ticket, *, served: bool) -> None:
        """End its lease: the worker is done with it."""


class Lease:
    """
    The right to use a resident model, until the ticket is left or its run has ended.

    Args:
        generation: identity of the resident.
        worker: use it directly for embed, rank, tokenize and detokenize; runs go through `run`.
    """

    def __init__(
        self,
        generation: int,
        worker: WorkerHandle,
        plan: LoadPlan,
        loaded: Loaded,
        *,
        queue_ms: float,
        load_ms: float,
    ) -> None:
        self.generation = generation
        self.worker = worker
        self.plan = plan
        self.loaded = loaded
        self.queue_ms = queue_ms
        self.load_ms = load_ms
        self.stream: RunStream | None = None
        self.call: asyncio.Future[Any] | None = None
        """For the pool: what `Pool.use` does with it."""

    @staticmethod
    def of(
        resident: Residence, loaded: Loaded, worker: WorkerHandle, arrived_s: float, now_s: float
    ) -> Lease:
        """The lease on *resident* of a request that waited since *arrived_s*."""
        loading_s = min(resident.load_s, max(0.0, resident.ready_s - arrived_s))
        return Lease(
            resident.generation,
            worker,
            resident.plan,
            loaded,
            queue_ms=max(0.0, now_s - arrived_s - loading_s) * 1000,
            load_ms=loading_s * 1000,
        )

    @property
    def busy(self) -> bool:
        """Whether the worker is still at it."""
        if self.call is not None:
            return not self.call.done()
        return self.stream is not None and not self.stream.ended.is_set()

    def run(self, run: Run, keep: Keep | None = None) -> RunStream:
        """Begin the one run of this lease, as the worker's `run`; leaving the ticket stops it."""
        if self.stream is not None:
            raise AssertionError("a lease is good for one run")
        self.stream = self.worker.run(run, keep)
        return self.stream


class Ticket:
    """
    One request on its way; made by `Pool.request`, used as an async context manager.

    Entering joins the queue and raises at once when it is refused at once. Leaving gives up
    whatever it has, also when the task is cancelled; it never waits.
    """

    def __init__(self, number: int, ask: Ask, plans: tuple[LoadPlan, ...], keeper: Keeper) -> None:
        self.number = number
        self.ask = ask
        self.plans = plans
        self.plan = plans[0]
        """What is planned now, told before anything has happened."""
        self.arrived_s = 0.0
        self.deadline_s = 0.0
        self.crashes = 0
        self._keeper = keeper
        self._lease: Lease | None = None
        self._error: RkdError | None = None
        self._update: Update | None = None
        self._told: Update | None = None
        self._changed = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._keeper.enter(self)
        if self._error is not None:
            raise self._error
        return self

    async def __aexit__(self, *_: object) -> None:
        self.give_up()

    def give_up(self) -> None:
        """Stop waiting, or stop the run under way; leaving the block does it too."""
        self._keeper.exit(self)

    @property
    def lease(self) -> Lease:
        """The lease; only after `updates` has ended."""
        if self._lease is None:
            raise AssertionError("the ticket has no lease yet: read its updates to their end")
        return self._lease

    def waiter(self) -> Waiter:
        """What the scheduler is told of it."""
        ask = self.ask
        return Waiter(
            self.number,
            self.plans,
            client=ask.client,
            priority=ask.priority,
            takes_slot=ask.takes_slot,
            keep_alive_s=ask.keep_alive_s,
            deliberate=ask.deliberate,
        )

    @property
    def granted(self) -> bool:
        """Whether it has its lease."""
        return self._lease is not None

    def holds(self, lease: Lease) -> bool:
        """Whether *lease* is the one it has now."""
        return self._lease is lease

    async def updates(self) -> AsyncIterator[Update]:
        """
        Yield what changes while it waits, the newest only for a slow reader; ends when granted.

        Raises:
            RkdError: the refusal.
        """
        while self._lease is None and self._error is None:
            if self._update is not None and self._update != self._told:
                self._told = self._update
                yield self._update
                continue
            self._changed.clear()
            await self._changed.wait()
        if self._error is not None:
            raise self._error

    async def ready(self) -> Lease:
        """Wait without looking at the updates; raises as they do."""
        async for _ in self.updates():
            pass
        return self.lease

    def tell(self, update: Update) -> None:
        """For the pool: what it waits for now."""
        if update != self._update:
            self._update = update
            self._changed.set()

    def grant(self, lease: Lease) -> None:
        """For the pool: its turn has come."""
        self._lease = lease
        self.plan = lease.plan
        self._changed.set()

    def refuse(self, error: RkdError) -> None:
        """For the pool: it ends with *error*."""
        self._error = error
        self._lease = None
        self._changed.set()

    def waits_again(self) -> None:
        """For the pool: its worker died before it had said anything."""
        self.crashes += 1
        self._lease = None
        self._update = self._told = None
