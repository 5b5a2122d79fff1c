"""A worker started ahead, as a real process: what it is before and after it learns its model."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from rkd.errors import UnavailableError
from rkd.inference import Run
from rkd.model import BackendKind
from rkd.pool.deciding.budget import GIB
from rkd.pool.workers.handle import WorkerDiedError
from rkd.pool.workers.launcher import Launcher
from rkd.pool.workers.process import WorkerProcess
from rkd.pool.workers.spare import Spare
from rkd.worker import landlock
from tests.integration.test_pool_worker import quiet, spec
from tests.models import tiny
from tests.unit.pool.fakes import plan

BOUND_S = 60.0


@asynccontextmanager
async def ahead(
    folder: Path, kind: BackendKind = BackendKind.CPU
) -> AsyncIterator[tuple[Launcher, WorkerProcess]]:
    """A worker that waits for its model, past its imports."""
    launcher = Launcher(folder / "workers", dict(os.environ), lambda *_: None)
    worker = await launcher.ahead(kind)
    try:
        async with asyncio.timeout(BOUND_S):
            while not waits(worker.pid):  # noqa: ASYNC110 - the kernel tells no event
                await asyncio.sleep(0.01)
        yield launcher, worker
    finally:
        await worker.close(kill=True)


def waits(pid: int) -> bool:
    """Whether it sleeps in the call that reads from the daemon."""
    try:
        number = Path(f"/proc/{pid}/syscall").read_text().split()[0]
    except OSError:
        return False
    return number in {"45", "207"}  # recvfrom on x86-64 and aarch64


def status(pid: int, key: str) -> str:
    """A line of what the kernel tells of a process."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(line.split()[1] for line in lines if line.startswith(f"{key}:"))


def offered(pid: int) -> str:
    """How readily the kernel ends it when memory runs out."""
    return Path(f"/proc/{pid}/oom_score_adj").read_text().strip()


def data_limit(pid: int) -> str:
    """Private memory it may take."""
    lines = Path(f"/proc/{pid}/limits").read_text().splitlines()
    return next(line.split()[3] for line in lines if line.startswith("Max data size"))


@pytest.mark.parametrize("kind", list(BackendKind))
async def test_one_thread_waits_with_everything_imported(tmp_path: Path, kind: BackendKind) -> None:
    """What it gives up later it gives up for all of itself; its heart is tied to ours already."""
    async with ahead(tmp_path, kind) as (_launcher, worker):
        assert status(worker.pid, "Threads") == "1"
        assert offered(worker.pid) == "800"
        assert not worker.hello.done()


async def test_it_becomes_what_any_worker_is(tmp_path: Path) -> None:
    """Bounded and confined before it loads, then it answers."""
    weights = tiny.write(tmp_path / "t.gguf")
    async with ahead(tmp_path) as (launcher, worker):
        before = data_limit(worker.pid)
        await launcher.become(worker, plan("tiny", ram=GIB), BOUND_S)

        assert data_limit(worker.pid) == str(plan("tiny", ram=GIB).need.limit_bytes)
        assert data_limit(worker.pid) != before
        if landlock.abi():
            assert status(worker.pid, "NoNewPrivs") == "1"
        assert not worker.over.done()
        await worker.load(spec(weights), quiet)
        assert worker.over.done()
        stream = worker.run(Run(prompt="Hi"))
        assert [piece async for piece in stream]


async def test_one_that_died_is_noticed_and_says_nothing(tmp_path: Path) -> None:
    """Telling it its model fails at once."""
    async with ahead(tmp_path) as (launcher, worker):
        os.kill(worker.pid, signal.SIGKILL)
        death = await asyncio.wait_for(asyncio.shield(worker.died), BOUND_S)

        assert death.signal == "SIGKILL"
        assert worker.over.done()
        with pytest.raises(WorkerDiedError):
            await launcher.become(worker, plan("tiny"), BOUND_S)


async def test_one_that_was_stopped_is_ended(tmp_path: Path) -> None:
    """It says no Hello within its bound."""
    async with ahead(tmp_path) as (launcher, worker):
        os.kill(worker.pid, signal.SIGSTOP)

        with pytest.raises(UnavailableError):
            await launcher.become(worker, plan("tiny"), 0.05)

        assert worker.died.done()


async def test_a_swap_takes_it_and_the_next_is_there_after_the_load(tmp_path: Path) -> None:
    """Through the real launcher, twice."""
    weights = tiny.write(tmp_path / "t.gguf")
    launcher = Launcher(tmp_path / "workers", dict(os.environ), lambda *_: None)
    spare = Spare(launcher, lambda: 8 * GIB)
    taken = []
    try:
        for _ in range(2):
            spare.make()
            async with asyncio.timeout(BOUND_S):
                while spare.pid is None:  # noqa: ASYNC110 - nobody waits for it but us
                    await asyncio.sleep(0.01)
            pid = spare.pid
            worker = await spare(plan("tiny", ram=GIB))
            await worker.load(spec(weights), quiet)
            taken.append(worker.pid == pid)
            await worker.close(kill=True)
    finally:
        await spare.close()

    assert taken == [True, True]
