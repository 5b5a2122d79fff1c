"""
One worker that is started before anybody needs it: past its imports, waiting to be told its model.

A model that is loaded takes it over, and the next one is started when that load is over, so that
it does not compete with it. It is a child like all others: tied to the daemon's life before it
does anything, and bounded and confined the moment it learns what it is to hold.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

import structlog

from rkd.errors import RkdError
from rkd.model import BackendKind
from rkd.pool.deciding.state import LoadPlan
from rkd.pool.workers.handle import WorkerDiedError, WorkerHandle

LEAST_AVAILABLE_BYTES = 1 << 30
"""Below it nothing is started ahead: what little memory there is belongs to models."""

TAKE_BOUND_S = 5.0
"""Longest wait for a sign of a spare one that was taken; a fresh one is started then."""


class Started(WorkerHandle, Protocol):
    """A worker of `Starts`."""

    @property
    def over(self) -> asyncio.Future[None]:
        """Done once its load is over, or it is gone."""


_S = TypeVar("_S", bound=Started)


class Starts(Protocol[_S]):
    """Starts workers; see `Launcher`."""

    async def __call__(self, plan: LoadPlan) -> _S:
        """Start one for *plan*, which has said Hello."""

    async def ahead(self, kind: BackendKind) -> _S:
        """Start one that is past the imports of *kind*'s engine when it is told its plan."""

    async def become(self, spare: _S, plan: LoadPlan, bound_s: float) -> None:
        """
        Tell one started ahead its plan; it has said Hello when this returns.

        Raises:
            WorkerDiedError: it is gone.
            RkdError: it did not answer in time, and is ended.
        """


class Spare(Generic[_S]):
    """
    Hands out workers, the one kept first; implements `rkd.pool.workers.handle.LaunchWorker`.

    Lives on the loop's thread; owns at most one worker, and gives it away at most once.

    Args:
        starts: starts workers.
        available: MemAvailable, bytes.
        kind: of the engine the first model will probably want.
    """

    def __init__(
        self, starts: Starts[_S], available: Callable[[], int], kind: BackendKind = BackendKind.CPU
    ) -> None:
        self._starts = starts
        self._available = available
        self._kind = kind
        self._kept: _S | None = None
        self._making: asyncio.Task[None] | None = None
        self._closed = False
        self._log = structlog.get_logger("rkd.pool")

    @property
    def pid(self) -> int | None:
        """Of the one that is kept; None when there is none."""
        return None if self._kept is None else self._kept.pid

    async def __call__(self, plan: LoadPlan) -> _S:
        """A worker for *plan*: the one kept, or a fresh one where it is gone or says nothing."""
        worker = await self._told(plan) or await self._starts(plan)
        self._kind = plan.backend
        worker.over.add_done_callback(lambda _: self.make())
        return worker

    def make(self) -> None:
        """Start one, unless it is there, memory is short, or the daemon ends; returns at once."""
        if self._closed or self._kept is not None or self._making is not None:
            return
        if self._available() < LEAST_AVAILABLE_BYTES:
            return
        self._making = asyncio.get_running_loop().create_task(self._make(), name="spare")

    async def close(self) -> None:
        """End the one that is kept, and keep none from now on."""
        self._closed = True
        if self._making is not None:
            self._making.cancel()
            await asyncio.wait([self._making])
        kept, self._kept = self._kept, None
        if kept is not None:
            await kept.close(kill=True)

    async def _make(self) -> None:
        try:
            made = await self._starts.ahead(self._kind)
        except OSError as error:  # no processes or files left: a load will say so
            self._log.warning("spare.failed", error=str(error))
            return
        finally:
            self._making = None
        self._kept = made
        made.died.add_done_callback(lambda _: self._lost(made))

    def _lost(self, worker: _S) -> None:
        """Forget one that died; the next load's end makes another, so that none dies in a ring."""
        if self._kept is worker:
            self._kept = None
            self._log.warning("spare.died", how=worker.died.result().description)

    async def _told(self, plan: LoadPlan) -> _S | None:
        """The one kept, told its plan; None when there is none that answers."""
        worker, self._kept = self._kept, None
        if worker is None or worker.died.done():
            return None
        try:
            await self._starts.become(worker, plan, TAKE_BOUND_S)
        except (RkdError, WorkerDiedError) as error:
            self._log.warning("spare.failed", pid=worker.pid, error=str(error))
            return None
        return worker
