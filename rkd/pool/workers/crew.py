"""
The workers of the pool: launches, loads, watches and ends them, and says what became of each.

It decides nothing. Every process it starts it ends and reaps; every task it starts it owns.
"""

from __future__ import annotations

import asyncio
import errno
import re
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import structlog

from rkd.errors import InternalError, PreconditionError, Reason, RkdError, TimedOutError
from rkd.inference import Loaded, LoadProgress
from rkd.pool.deciding import refusals
from rkd.pool.deciding.state import Death, Launch, LoadFault, LoadPlan, Stop
from rkd.pool.workers.handle import LaunchWorker, WorkerDiedError, WorkerHandle

RETURN_BOUND_S = 2.0
"""Longest wait for the memory of an ended worker to be seen again."""
RETURN_STEP_S = 0.01
RETURN_LEAST_BYTES = 1024 * 1024

LOAD_SILENCES = 12
"""How many times its longest silence a load may take in all, however much it says."""

_OUT_OF_MEMORY = re.compile(
    r"out of memory|bad_alloc|enomem|errno[: ]*(?:12|14)\b"
    r"|(?:cannot|can't|unable to|failed to) (?:allocate|malloc|alloc)",
    re.IGNORECASE,
)
"""How engines say it. Source: llama.cpp and rknpu messages (airockchip/rknn-llm issue 139)."""


@dataclass(frozen=True, slots=True)
class LoadSaid:
    """A load goes on."""

    generation: int
    progress: LoadProgress


@dataclass(frozen=True, slots=True)
class LoadDone:
    """A worker is ready."""

    generation: int
    loaded: Loaded


@dataclass(frozen=True, slots=True)
class LoadEnded:
    """A load failed; the worker still has to be stopped."""

    generation: int
    error: RkdError
    fault: LoadFault


@dataclass(frozen=True, slots=True)
class WorkerLost:
    """A worker that was ready is dead; it still has to be stopped."""

    generation: int
    death: Death


@dataclass(frozen=True, slots=True)
class WorkerGone:
    """A stopped worker is reaped and its memory is back."""

    generation: int


News = LoadSaid | LoadDone | LoadEnded | WorkerLost | WorkerGone

Available = Callable[[], int]
"""Reads MemAvailable, bytes."""


class Crew:
    """
    Workers by generation; lives on the loop's thread.

    Args:
        launch: starts a worker process.
        available: MemAvailable now.
        tell: takes what happened, on the loop.
        load_timeout_s: longest silence of a load.
    """

    def __init__(
        self,
        launch: LaunchWorker,
        available: Available,
        tell: Callable[[News], None],
        load_timeout_s: float,
    ) -> None:
        self.load_timeout_s = load_timeout_s
        self._launch = launch
        self._available = available
        self._tell = tell
        self._handles: dict[int, WorkerHandle] = {}
        self._loads: dict[int, asyncio.Task[None]] = {}
        self._stops: dict[int, asyncio.Task[None]] = {}
        self._log = structlog.get_logger("rkd.pool")

    def of(self, generation: int) -> WorkerHandle | None:
        """The worker of that generation, once it is started."""
        return self._handles.get(generation)

    def launch(self, order: Launch) -> None:
        """Start a worker and load the plan; LoadDone or LoadEnded follows."""
        task = _named(self._load(order.generation, order.plan), f"load-{order.plan.key}")
        self._loads[order.generation] = task

    def stop(self, order: Stop, need_bytes: int) -> None:
        """End a worker, loading ones too; WorkerGone follows. A second order may only hurry it."""
        before = self._stops.get(order.generation)
        if before is None:
            work = self._end(order, need_bytes)
            self._stops[order.generation] = _named(work, f"stop-{order.model}")
        elif order.kill and (handle := self._handles.get(order.generation)) is not None:
            hurry = _named(handle.close(kill=True), f"kill-{order.model}")
            before.add_done_callback(lambda _: hurry)

    async def close(self) -> None:
        """Wait until every worker that was told to stop is gone."""
        while self._stops:
            await asyncio.wait(self._stops.values())

    async def _load(self, generation: int, plan: LoadPlan) -> None:
        self._log.info("model.loading", model=plan.model, backend=str(plan.backend))
        try:
            handle = await self._launch(plan)
            self._handles[generation] = handle
            loaded = await self._bounded_load(handle, generation, plan)
        except RkdError as error:
            fault = LoadFault.MEMORY if _for_memory(error) else LoadFault.REFUSED
            self._load_ended(generation, plan, error, fault)
        except WorkerDiedError as error:
            # Who sends SIGKILL to a worker that loads is the kernel's memory killer, or we.
            killed = error.death.signal == "SIGKILL" and not error.death.blamed
            fault = LoadFault.MEMORY if killed else LoadFault.CRASHED
            self._load_ended(generation, plan, refusals.crashed(plan.model, error.death), fault)
        except OSError as error:
            fault = LoadFault.MEMORY if error.errno == errno.ENOMEM else LoadFault.REFUSED
            refusal = PreconditionError(
                Reason.LOAD_FAILED,
                f"no worker could be started for {plan.model}: {error.strerror or error}",
                remedy="See the log of the daemon; limits of processes or memory may be too low.",
                metadata={"model": plan.model},
            )
            self._load_ended(generation, plan, refusal, fault)
        except Exception as error:  # noqa: BLE001 - a defect; who waits hears of it
            self._log.error("load.defect", model=plan.model, exc_info=error)
            what = f"rkd made a mistake in loading {plan.model}: {type(error).__name__}"
            defect = InternalError(Reason.INTERNAL, what, metadata={"model": plan.model})
            self._load_ended(generation, plan, defect, LoadFault.REFUSED)
        else:
            self._log.info("model.ready", model=plan.model, pid=handle.pid, runtime=loaded.runtime)
            self._tell(LoadDone(generation, loaded))
            handle.died.add_done_callback(lambda died: self._died(generation, plan, died.result()))
        finally:
            self._loads.pop(generation, None)

    async def _bounded_load(self, handle: WorkerHandle, generation: int, plan: LoadPlan) -> Loaded:
        loop = asyncio.get_running_loop()
        silence_s = self.load_timeout_s
        latest_s = loop.time() + LOAD_SILENCES * silence_s

        try:
            async with asyncio.timeout(silence_s) as bound:

                def progress(said: LoadProgress) -> None:
                    if not bound.expired():
                        bound.reschedule(min(loop.time() + silence_s, latest_s))
                    self._tell(LoadSaid(generation, said))

                return await handle.load(plan.spec, progress)
        except TimeoutError as error:
            raise refusals.load_stalled(plan.model, silence_s) from error

    def _load_ended(
        self, generation: int, plan: LoadPlan, error: RkdError, fault: LoadFault
    ) -> None:
        self._log.warning(
            "model.load_failed",
            model=plan.model,
            backend=str(plan.backend),
            reason=str(error.reason),
            message=error.message,
        )
        self._tell(LoadEnded(generation, error, fault))

    def _died(self, generation: int, plan: LoadPlan, death: Death) -> None:
        if generation in self._stops or generation not in self._handles:
            return
        self._log.warning("worker.died", model=plan.model, how=death.description)
        self._tell(WorkerLost(generation, death))

    async def _end(self, order: Stop, need_bytes: int) -> None:
        load = self._loads.get(order.generation)
        if load is not None:
            load.cancel()
            await asyncio.wait([load])
        handle = self._handles.get(order.generation)
        try:
            if handle is not None:
                before = self._available()
                await handle.close(kill=order.kill)
                await self._returned(before + need_bytes // 2)
                self._log.info("model.unloaded", model=order.model, pid=handle.pid)
        finally:
            # However it went: who waits for the room, or for the end, hears of it.
            self._handles.pop(order.generation, None)
            self._stops.pop(order.generation, None)
            self._tell(WorkerGone(order.generation))

    async def _returned(self, wanted_bytes: int) -> None:
        """
        Wait until MemAvailable shows what the worker had, or rises no more.

        Mapped weights never counted as unavailable, so the whole sum need not come back.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + RETURN_BOUND_S
        last = self._available()
        while last < wanted_bytes and loop.time() < until:
            await asyncio.sleep(RETURN_STEP_S)
            now = self._available()
            if now < last + RETURN_LEAST_BYTES:
                return
            last = now


def _for_memory(error: RkdError) -> bool:
    if isinstance(error, TimedOutError):
        return False
    said = f"{error.message} {error.metadata.get('engine_log', '')}"
    return _OUT_OF_MEMORY.search(said) is not None


def _named(work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
    return asyncio.get_running_loop().create_task(work, name=name)
