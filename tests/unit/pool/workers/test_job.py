"""A job in a child of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

import pytest

from rkd.errors import Reason, UnavailableError
from rkd.inference import LoadProgress
from rkd.pool.deciding.state import Death
from rkd.pool.workers.handle import WorkerDiedError
from rkd.pool.workers.job import RAM_BYTES, Jobs


class FakeWorker:
    """Does what it is told to."""

    def __init__(self, end: Callable[[], dict[str, str]] = dict) -> None:
        self.end = end
        self.working = asyncio.Event()
        self.gate = asyncio.Event()
        self.closed: list[bool] = []

    async def job(
        self,
        kind: str,
        arguments: Mapping[str, str],
        progress: Callable[[LoadProgress], None],
    ) -> dict[str, str]:
        """Tell of it, wait, end."""
        del arguments
        progress(LoadProgress(kind, 0.5))
        self.working.set()
        await self.gate.wait()
        return self.end()

    async def close(self, *, kill: bool = False) -> None:
        """Take it down."""
        self.closed.append(kill)


class FakePool:
    """Counts memory."""

    def __init__(self) -> None:
        self.held = 0

    @asynccontextmanager
    async def job(self, ram_bytes: int) -> AsyncIterator[None]:
        """Hold it."""
        self.held += ram_bytes
        try:
            yield
        finally:
            self.held -= ram_bytes


def died() -> dict[str, str]:
    """End as a process that was killed."""
    raise WorkerDiedError(Death("killed by SIGKILL", signal="SIGKILL"))


async def test_a_job_gives_results_and_its_memory_back() -> None:
    """Counted while it runs, closed in the end."""
    worker, pool, told = FakeWorker(lambda: {"a": "b"}), FakePool(), list[LoadProgress]()

    async def start(_label: str) -> FakeWorker:
        return worker

    running = asyncio.create_task(Jobs(start, pool.job)("convert", {}, told.append))
    await worker.working.wait()
    held = pool.held
    worker.gate.set()

    assert await running == {"a": "b"}
    assert (held, pool.held) == (RAM_BYTES, 0)
    assert told == [LoadProgress("convert", 0.5)]
    assert worker.closed == [True]


async def test_a_crash_is_said() -> None:
    """WORKER_CRASHED with the signal."""
    worker = FakeWorker(died)
    worker.gate.set()

    async def start(_label: str) -> FakeWorker:
        return worker

    with pytest.raises(UnavailableError) as caught:
        await Jobs(start, FakePool().job)("quantize", {}, lambda _progress: None)

    assert caught.value.reason is Reason.WORKER_CRASHED
    assert caught.value.metadata["signal"] == "SIGKILL"
    assert worker.closed == [True]


async def test_a_cancelled_job_is_killed_and_the_next_one_runs() -> None:
    """One at a time; the second waits for the first."""
    workers = [FakeWorker(), FakeWorker()]
    waiting = iter(workers)

    async def start(_label: str) -> FakeWorker:
        return next(waiting)

    jobs = Jobs(start, FakePool().job)
    first = asyncio.create_task(jobs("quantize", {}, lambda _progress: None))
    await workers[0].working.wait()
    second = asyncio.create_task(jobs("quantize", {}, lambda _progress: None))
    first.cancel()
    await workers[1].working.wait()
    workers[1].gate.set()
    await second

    assert first.cancelled()
    assert [worker.closed for worker in workers] == [[True], [True]]
