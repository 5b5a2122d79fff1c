"""
Vocabularies without their models: a small process each, kept for a moment after its last use.

So a hundred questions in a row cost one start, and nothing stays of them. Lives on the event
loop's thread; memory is counted like that of a job.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from rkd.errors import Reason, UnavailableError
from rkd.inference import LoadSpec
from rkd.model import Model
from rkd.pool.deciding import refusals
from rkd.pool.deciding.budget import Need
from rkd.pool.deciding.state import LoadPlan
from rkd.pool.workers.handle import LaunchWorker, WorkerDiedError, WorkerHandle

T = TypeVar("T")

KEPT_S = 20.0
"""How long one stays after its last use."""
MOST_KEPT = 2
"""How many stay: beyond, the one unused the longest leaves."""
MOST_AT_ONCE = 4
"""Questions answered at the same time, and so the most processes beside those that stay."""
LOAD_BOUND_S = 60.0
START_BYTES = 256 << 20
"""Counted until one is there and can be measured. Measured: 61 MB for 49,000 tokens, its process
included; 262,144 take some 160."""
Admit = Callable[[int], AbstractAsyncContextManager[None]]
"""Counts memory while it is taken (`Pool.job`)."""


class Timer(Protocol):
    """What `later` gives."""

    def cancel(self) -> None:
        """Let nothing happen."""


Key = tuple[str, ...]
"""Model, version and backend."""
Later = Callable[[float, Callable[[], None]], Timer]


@dataclass(slots=True)
class _Held:
    """One vocabulary's process; `worker` is there once `ready` is set."""

    worker: WorkerHandle | None = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    counted: AsyncExitStack = field(default_factory=AsyncExitStack)
    users: int = 0
    leaves: Timer | None = None


class Vocabularies:
    """
    The vocabularies in use.

    Args:
        launch: starts workers.
        admit: counts their memory.
        later: calls back after some seconds; the loop's own when None.
    """

    def __init__(self, launch: LaunchWorker, admit: Admit, later: Later | None = None) -> None:
        self._launch = launch
        self._admit = admit
        self._later = later
        self._held: dict[Key, _Held] = {}
        self._closed = False
        self._turns = asyncio.Semaphore(MOST_AT_ONCE)
        self._leaving: set[asyncio.Task[None]] = set()

    async def use(
        self, model: Model, spec: LoadSpec, call: Callable[[WorkerHandle], Awaitable[T]]
    ) -> T:
        """
        Do *call* with the vocabulary of *model*, started where it is not there.

        Args:
            model: whose.
            spec: where its files lie, and which kind they are.
            call: asks its worker.

        Raises:
            RkdError: its refusal; WORKER_CRASHED, SHUTTING_DOWN.
        """
        async with self._turns:
            if self._closed:
                raise refusals.shutting_down()
            return await self._used(model, spec, call)

    async def _used(
        self, model: Model, spec: LoadSpec, call: Callable[[WorkerHandle], Awaitable[T]]
    ) -> T:
        key = (model.name.key, model.version, str(spec.backend))
        held = self._held.setdefault(key, _Held())
        held.users += 1
        if held.leaves is not None:
            held.leaves.cancel()
        try:
            worker = await self._ready(key, held, model, spec)
            return await call(worker)
        except WorkerDiedError as error:
            raise _crashed(model, error) from error
        finally:
            held.users -= 1
            if not held.users:
                self._rest(key, held)

    async def close(self) -> None:
        """End every process, and begin none any more."""
        self._closed = True
        for key, held in tuple(self._held.items()):
            self._let_go(key, held)
        await asyncio.gather(*self._leaving)

    async def _ready(self, key: Key, held: _Held, model: Model, spec: LoadSpec) -> WorkerHandle:
        async with held.lock:  # one start, however many wait for it
            if held.worker is None or held.worker.died.done():
                await held.counted.aclose()
                held.worker = await self._started(held, model, spec)
                held.worker.died.add_done_callback(lambda _: self._gone(key, held))
            return held.worker

    def _gone(self, key: Key, held: _Held) -> None:
        """It ended by itself: what nobody uses is counted no more."""
        if not held.users and self._held.get(key) is held:
            self._let_go(key, held)

    async def _started(self, held: _Held, model: Model, spec: LoadSpec) -> WorkerHandle:
        plan = LoadPlan(str(model.name), model.name.key, model.version, spec, Need(START_BYTES))
        async with self._admit(START_BYTES):
            worker = await self._launch(plan)
            try:
                async with asyncio.timeout(LOAD_BOUND_S):
                    await worker.load(spec, lambda _: None)
            except BaseException:
                await asyncio.shield(worker.close(kill=True))
                raise
        if self._closed:
            await worker.close(kill=True)
            raise refusals.shutting_down()
        await held.counted.enter_async_context(self._admit(worker.memory_bytes() or START_BYTES))
        return worker

    def _rest(self, key: Key, held: _Held) -> None:
        """Nobody uses it: it leaves after a moment, and at once where others are newer."""
        if self._held.get(key) is not held:
            return
        if held.worker is None or held.worker.died.done():
            self._let_go(key, held)
            return
        later = self._later or asyncio.get_running_loop().call_later
        held.leaves = later(KEPT_S, lambda: self._let_go(key, held))
        self._held[key] = self._held.pop(key)  # the newest stands last
        idle = [(name, one) for name, one in self._held.items() if not one.users]
        for name, one in idle[: max(0, len(idle) - MOST_KEPT)]:
            self._let_go(name, one)

    def _let_go(self, key: Key, held: _Held) -> None:
        if held.leaves is not None:
            held.leaves.cancel()
        self._held.pop(key, None)
        task = asyncio.ensure_future(_ended(held))
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)


async def _ended(held: _Held) -> None:
    if held.worker is not None:
        await held.worker.close(kill=True)
    await held.counted.aclose()


def _crashed(model: Model, error: WorkerDiedError) -> UnavailableError:
    said = f": {error.death.last_lines[-1]}" if error.death.last_lines else ""
    return UnavailableError(
        Reason.WORKER_CRASHED,
        f"the process with the vocabulary of {model.name} was {error.death.description}{said}",
        remedy="Try again; if it goes on, its weights may be damaged: pull the model again.",
        metadata={"model": str(model.name), "signal": error.death.signal},
    )
