"""
Models in memory: the pool carries out what the scheduler decides.

The only writer is the event loop's thread; between reading state and acting on it nothing is
awaited, so there are no locks.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from rkd.errors import PreconditionError, Reason, RkdError, UnavailableError
from rkd.events import Event, Publish, Topic
from rkd.inference import Chunk, LoadSpec, Outcome, Run
from rkd.model import BackendChoice, Format, Model
from rkd.pool import views
from rkd.pool.calibration import Calibration
from rkd.pool.deciding import refusals
from rkd.pool.deciding.placement import Placement, Wish
from rkd.pool.deciding.prospect import Prospect
from rkd.pool.deciding.runtimes import LibraryReport
from rkd.pool.deciding.settings import PoolSettings
from rkd.pool.deciding.state import Phase, Resident, Waiter
from rkd.pool.desk import Desk, Memory
from rkd.pool.pairings import Pairings
from rkd.pool.sessions import Session, SessionOffer, SessionShelf, mark_of
from rkd.pool.ticket import Ask, Lease, Served, Ticket, Update
from rkd.pool.views import Preview
from rkd.pool.vocabularies import Vocabularies
from rkd.pool.workers.handle import LaunchWorker, Piece, RunStream, WorkerDiedError, WorkerHandle
from rkd.weights.estimate import kv_cache_bytes

T = TypeVar("T")

NO_VOCABULARY = "vocabulary"
"""Capability an engine's library lacks that cannot read a vocabulary without its weights."""
END_BOUND_S = 5.0
"""Longest a worker nobody reads from may take to end by itself when the daemon stops."""
KILL_BOUND_S = 5.0
"""Longest wait for a killed one: the kernel keeps a process that hangs in a driver."""


class Pool:
    """
    The models in memory.

    Args:
        settings: the daemon's.
        obstacle: what keeps the NPU from being used, or None.
        launch: starts workers.
        memory: reads the machine's memory.
        calibration: what models were seen to take.
        publish: the event log.
        pairings: how NPU libraries got on with weights; None remembers it for this life alone.
        sessions: the conversations on disk; None keeps none.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        settings: PoolSettings,
        *,
        obstacle: RkdError | None,
        launch: LaunchWorker,
        memory: Memory,
        calibration: Calibration,
        publish: Publish,
        pairings: Pairings | None = None,
        sessions: SessionShelf | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        pairings = pairings or Pairings(None)
        self.sessions = sessions or SessionShelf(Path("/nonexistent"), 0)
        """The conversations on disk."""
        self._obstacle = obstacle
        self._measured = calibration.measured
        self._pairings = pairings
        self._publish = publish
        self._placement = Placement(settings, obstacle, calibration.measured, pairings.of)
        self._desk = Desk(
            settings,
            launch=launch,
            memory=memory,
            calibration=calibration,
            pairings=pairings,
            publish=publish,
            clock=clock,
        )
        self._vocabularies = Vocabularies(launch, self.job)

    # What the service asks.

    def request(self, ask: Ask) -> Ticket:
        """
        Make a ticket for *ask*: enter it to join the queue; `ticket.plan` says what is planned.

        Raises:
            PreconditionError: there is no way to run it as asked, see `Placement.candidates`.
        """
        plans = self._placement.candidates(ask.model, ask.wish)
        return self._desk.ticket(ask, plans)

    async def stream(self, ask: Ask, run: Run) -> AsyncGenerator[Update | Piece | Served, None]:
        """
        Do *run*: yield updates while it waits, then its pieces, then Served, last.

        Use it under `contextlib.aclosing`: closing it stops the run. A worker that dies before
        the first chunk is replaced once, in silence.

        Raises:
            RkdError: any refusal of the pool or the engine, WORKER_CRASHED.
        """
        async with self.request(ask) as ticket:
            async for item in self.follow(ticket, run):
                yield item

    async def follow(
        self, ticket: Ticket, run: Run
    ) -> AsyncGenerator[Update | Piece | Served, None]:
        """Do *run* as `stream` does, with a ticket that was entered already."""
        while True:
            async for update in ticket.updates():
                yield update
            lease = ticket.lease
            offer = self._offer(ticket.ask, lease, run)
            stream = self._begin(lease, run, offer)
            self._desk.own(self._desk.watch(ticket, lease))
            seen = 0
            try:
                async for piece in stream:
                    yield piece
                    if isinstance(piece, Chunk):
                        seen += max(1, piece.tokens)
            except WorkerDiedError as error:
                await self._suspect(offer)
                if not self._desk.again(ticket, lease, error.death, seen):
                    raise refusals.died(lease.plan, error.death, seen) from error
                continue
            except UnavailableError as error:
                # The engine gave up and its worker lives: part of the answer is lost all the same.
                if error.reason is Reason.WORKER_CRASHED and seen:
                    raise refusals.cut_short(error, seen) from error
                raise
            outcome = _whole(stream)
            if stream.ended.is_set():  # else the desk ends it once its conversation is kept
                self._desk.done(ticket, served=True)
            yield Served(outcome, lease.plan, lease.loaded, lease.queue_ms, lease.load_ms)
            return

    def _offer(self, ask: Ask, lease: Lease, run: Run) -> SessionOffer | None:
        """What is kept of the conversation *ask* belongs to, if to any."""
        if not ask.session:
            return None
        plan, model = lease.plan, ask.model
        mark = mark_of(plan.version, plan.spec, lease.loaded.runtime, run)
        token_bytes = kv_cache_bytes(
            model.details,
            1,
            plan.spec.kv_cache_type,
            weights_bytes=sum(one.size_bytes for one in model.weights),
        )
        return self.sessions.offer(Session(ask.client, ask.session), plan.key, mark, token_bytes)

    def _begin(self, lease: Lease, run: Run, offer: SessionOffer | None) -> RunStream:
        if offer is None:
            return lease.run(run)
        return lease.run(replace(run, session=offer.file), partial(self.sessions.keep, offer))

    async def _suspect(self, offer: SessionOffer | None) -> None:
        """A worker died, perhaps of what it was given to read: that is not given to another."""
        if offer is not None and offer.file.path:
            await self.sessions.remove(lambda one: one.key == offer.file.key)

    async def use(self, ask: Ask, call: Callable[[Lease], Awaitable[T]]) -> T:
        """
        Do *call* with a lease: embed, rank, tokenize, detokenize; once more if the worker dies.

        Raises:
            RkdError: any refusal of the pool or the engine, WORKER_CRASHED.
        """
        async with self.request(ask) as ticket:
            while True:
                lease = await ticket.ready()
                work: asyncio.Future[T] = asyncio.ensure_future(call(lease))
                lease.call = work
                try:
                    # Shielded: a slot whose caller went away is taken until the engine is done.
                    answer = await asyncio.shield(work)
                except WorkerDiedError as error:
                    if not self._desk.again(ticket, lease, error.death):
                        raise refusals.died(lease.plan, error.death) from error
                else:
                    self._desk.done(ticket, served=True)
                    return answer

    async def spell(
        self, ask: Ask, call: Callable[[WorkerHandle], Awaitable[T]], *, exact: bool = False
    ) -> T:
        """
        Do *call* with the vocabulary alone: tokenize, detokenize, spell; no weights are loaded.

        A model that is in memory answers itself, unless *exact* (it cannot spell). One whose
        vocabulary cannot be had without it is loaded, as for every other call.

        Raises:
            RkdError: any refusal; WORKER_CRASHED.
        """
        specs = self._placement.vocabularies(ask.model, ask.wish)
        refused: RkdError | None = None
        for spec in specs:
            try:
                if not exact and self._answers(ask.model.name.key, spec):
                    # Left to `auto` it would be loaded anew on the backend that has just refused.
                    there = replace(ask.wish, backend=BackendChoice(spec.backend.value))
                    return await self.use(
                        replace(ask, wish=there), lambda lease: call(lease.worker)
                    )
                return await self._vocabularies.use(ask.model, spec, call)
            except PreconditionError as error:
                if error.reason is not Reason.CAPABILITY_UNSUPPORTED:
                    raise
                refused = refused or error
        if refused is not None and (exact or refused.metadata.get("capability") != NO_VOCABULARY):
            raise refused
        return await self.use(ask, lambda lease: call(lease.worker))

    def _answers(self, key: str, spec: LoadSpec) -> bool:
        """Whether the model is in memory, on the backend of *spec*."""
        here = self._desk.table.residents.get(key)
        ready = here is not None and here.phase is Phase.READY and not here.outdated
        return ready and here is not None and here.plan.backend is spec.backend

    async def load(self, ask: Ask) -> AsyncGenerator[Update | Resident, None]:
        """Make a model resident; the Resident comes last. Close it to give up waiting."""
        wanted = replace(ask, takes_slot=False, deliberate=True)
        weights = ask.model.weights_of(Format.RKLLM)
        self._desk.clear(ask.model.name.key, weights.fingerprint if weights else "")
        async with self.request(wanted) as ticket:
            async for update in ticket.updates():
                yield update
            self._desk.done(ticket, served=False)
        here = [one for one in self.residents() if one.key == ask.model.name.key]
        for one in here[:1]:
            yield one

    async def unload(self, key: str, *, grace_s: float | None = None) -> bool:
        """
        Let a model leave and wait until it has; False when it was not there.

        Args:
            key: `ModelName.key`.
            grace_s: runs may go on this long, then the worker is killed; None: as long as they do.

        Raises:
            PreconditionError: MODEL_BUSY, the kernel does not let its killed worker go.
        """
        generation = self._desk.unload(key)
        if generation is None:
            return False
        if not await _within(grace_s, self._desk.until_gone(generation)):
            self._desk.unload(key, kill=True)
            if not await _within(KILL_BOUND_S, self._desk.until_gone(generation)):
                raise refusals.not_ending(key)
        return True

    async def pin(self, ask: Ask) -> Resident:
        """
        Keep a model resident whatever wants room; loads it if it is not.

        Raises:
            RkdError: it cannot be loaded; it is not pinned then.
        """
        key = ask.model.name.key
        claim = self._desk.pin(key)
        try:
            async with aclosing(self.load(ask)) as items:
                async for item in items:
                    if isinstance(item, Resident):
                        self._desk.settle(key, claim)
                        return item
        except BaseException:
            self._desk.unpin(key, claim)
            raise
        raise AssertionError("a load ends with its resident")

    def unpin(self, key: str) -> bool:
        """Take a pin away; the keep-alive counts from now. False when there was none."""
        return self._desk.unpin(key)

    def plan(self, model: Model, wish: Wish) -> Preview:
        """Say what loading would do, without doing it; raises as `request`."""
        plans = self._placement.candidates(model, wish)
        return views.preview(self._desk.table, Waiter(0, plans), self._desk.now())

    def prospects(self, model: Model) -> tuple[Prospect, ...]:
        """As `Placement.prospects`."""
        return self._placement.prospects(model)

    def libraries(self, model: Model) -> tuple[LibraryReport, ...]:
        """How each NPU library of the board stands to *model*; looks at the files' times."""
        return self._placement.libraries(model)

    def residents(self) -> tuple[Resident, ...]:
        """Who is in memory, and who failed; looking changes nothing."""
        return views.residents(self._desk.table, self._desk.pids)

    @property
    def free_bytes(self) -> int:
        """Memory a further model may take now."""
        return views.free_bytes(self._desk.table, self._desk.now())

    @property
    def queued(self) -> int:
        """How many requests wait, over all models."""
        return len(self._desk.table.queue)

    @property
    def queue_limit(self) -> int:
        """How many may."""
        return self._desk.table.queue.limit

    # What the rest of the daemon tells.

    async def start(self, preload: tuple[Ask, ...] = ()) -> None:
        """Begin loading *preload*, in the background; failures are announced like any other."""
        for ask in preload:
            self._desk.own(self._preload(ask))

    async def close(self, grace_s: float) -> None:
        """
        Refuse whoever waits, let runs go on for *grace_s*, end every worker.

        Takes at most grace_s + END_BOUND_S + KILL_BOUND_S, whatever the workers do; may be called
        at any time, twice too.
        """
        self._desk.shut()
        await self._vocabularies.close()
        if await _within(grace_s, self._desk.until_unread()):
            await _within(END_BOUND_S, self._desk.until_empty())
        for key in tuple(self._desk.table.residents):
            self._desk.unload(key, kill=True)
        await self._desk.close(KILL_BOUND_S)

    def forget(self, key: str) -> None:
        """A model changed on disk or is no more: what is resident drains, a failure is cleared."""
        self._desk.forget(key)

    def forget_sessions(self, key: str) -> None:
        """A model is no more: neither are the conversations with it."""
        self._desk.own(self.sessions.forget(key))

    def in_use(self, key: str) -> bool:
        """Whether somebody runs or waits for the model."""
        table = self._desk.table
        resident = table.residents.get(key)
        held = resident is not None and bool(resident.holders)
        return held or any(one.key == key for one in table.queue)

    def reload(self, settings: PoolSettings) -> None:
        """Take new settings over; what is resident stays until it leaves by itself."""
        self._placement = Placement(settings, self._obstacle, self._measured, self._pairings.of)
        self._desk.reload(settings)

    @asynccontextmanager
    async def job(self, ram_bytes: int) -> AsyncIterator[None]:
        """Count the memory of a conversion or quantization for as long as it runs."""
        with self._desk.job(ram_bytes):
            yield

    async def _preload(self, ask: Ask) -> None:
        try:
            async with self.request(replace(ask, takes_slot=False)) as ticket:
                await ticket.ready()
        except RkdError as error:
            detail = (("reason", str(error.reason)), ("message", error.message))
            self._publish(Event(Topic.RESIDENT, "failed", str(ask.model.name), detail))


def _whole(stream: RunStream) -> Outcome:
    if stream.outcome is None:
        raise AssertionError("a run that ended well has an outcome")
    return stream.outcome


async def _within(bound_s: float | None, work: Coroutine[Any, Any, None]) -> bool:
    """Do *work*; False when it takes longer than *bound_s*."""
    try:
        async with asyncio.timeout(bound_s):
            await work
    except TimeoutError:
        return False
    return True
