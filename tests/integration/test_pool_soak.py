"""Many clients, more models than fit, real workers over the stand-in: nothing lost or mixed."""

from __future__ import annotations

import asyncio
import gc
import os
import random
import signal
import time
from contextlib import aclosing, suppress
from pathlib import Path

import pytest

from rkd.inference import Chunk, Run
from rkd.model import Model
from rkd.pool.deciding.budget import MIB
from rkd.pool.ticket import Ask
from tests.integration.pool_board import Board, Tally, answer, board, children, open_files

CLIENTS = 50
MODELS = 6
SOAK_S = 12.0
LONG_SOAK_S = 180.0


async def clients(
    it: Board, models: list[Model], seconds: float, tally: Tally, *, cancel: bool
) -> None:
    """Fifty clients asking six models for *seconds*, some of them impatient."""
    until = time.monotonic() + seconds
    dice = random.Random(20261121)  # noqa: S311 - a choice of tests, not a secret

    async def client(number: int) -> None:
        asked = 0
        while time.monotonic() < until:
            asked += 1
            prompt = f"client {number} request {asked} 😀 " + "x" * dice.randint(0, 40)
            model = dice.choice(models)
            request = asyncio.ensure_future(tally.ask(it.pool, model, f"c{number}", prompt))
            if cancel and dice.random() < 0.2:
                await asyncio.wait([request], timeout=dice.random())
                request.cancel()
            await asyncio.wait([request])
            if not request.cancelled():
                request.result()

    await asyncio.gather(*(client(number) for number in range(CLIENTS)))


async def killer(it: Board, dice: random.Random, tally: Tally) -> None:
    """
    Kill a random worker whenever some requests were answered since.

    By answers and not by time: where loading takes long, killing by the clock leaves nobody alive.
    """
    while True:
        wanted = tally.answered + dice.randint(15, 45)
        while tally.answered < wanted:  # noqa: ASYNC110 - the clients count, nobody tells
            await asyncio.sleep(0.05)
        pids = it.workers()
        if pids:
            with suppress(ProcessLookupError):
                os.kill(dice.choice(pids), signal.SIGKILL)


async def soak(folder: Path, seconds: float, *, kills: bool) -> tuple[Tally, Board]:
    """Fifty clients over six models in room for two."""
    before = children()
    async with board(folder, max_resident=2, turn_s=0.3) as it:
        models = [
            it.model(f"model-{number}", load_ms=60, token_us=400, piece=3, prefill_ms=2)
            for number in range(MODELS)
        ]
        dice = random.Random(7)  # noqa: S311 - a choice of tests, not a secret
        tally = Tally()
        killing = asyncio.ensure_future(killer(it, dice, tally)) if kills else None
        try:
            await clients(it, models, seconds, tally, cancel=True)
        finally:
            if killing is not None:
                killing.cancel()
        assert it.pool.queued == 0
    assert children() == before, "a worker is left"
    return tally, it


@pytest.mark.timeout(120)
async def test_fifty_clients_over_six_models_in_room_for_two(tmp_path: Path) -> None:
    """Every request is answered with its own text, cancelled, or refused with a reason."""
    tally, _ = await soak(tmp_path, SOAK_S, kills=False)

    assert tally.mixed == []
    assert tally.others == []
    assert (tally.crashed, tally.aborted) == (0, 0)
    assert tally.answered > CLIENTS


@pytest.mark.timeout(120)
async def test_the_same_while_workers_are_killed(tmp_path: Path) -> None:
    """Killing random workers adds typed errors to streams that had begun, and nothing else."""
    tally, _ = await soak(tmp_path, SOAK_S, kills=True)

    assert tally.mixed == []
    assert tally.others == []
    # Killed twice before its first token: rare, and told as UNAVAILABLE.
    assert tally.crashed <= tally.answered // 10
    assert tally.answered > CLIENTS


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("kills", [False, True])
async def test_for_minutes(tmp_path: Path, kills: bool) -> None:  # noqa: FBT001 - a parameter
    """The same for three minutes."""
    tally, _ = await soak(tmp_path, LONG_SOAK_S, kills=kills)

    assert tally.mixed == []
    assert tally.others == []
    assert tally.answered > CLIENTS


async def swaps(it: Board, models: list[Model], count: int) -> None:
    """Ask one model after the other, each in place of the last."""
    for number in range(count):
        text, _ = await answer(it.pool, Ask(models[number % len(models)]), f"swap {number}")
        assert text == f"swap {number}"
    await asyncio.sleep(0.05)
    gc.collect()


def resident_bytes() -> int:
    """Memory of this process."""
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.timeout(600)
@pytest.mark.parametrize("count", [40, pytest.param(1000, marks=pytest.mark.slow)])
async def test_swaps_leave_nothing(tmp_path: Path, count: int) -> None:
    """An hour of swaps, pressed together: descriptors, children, tasks and memory stay flat."""
    async with board(tmp_path, max_resident=1) as it:
        models = [it.model(f"model-{number}", load_ms=1) for number in range(3)]
        await swaps(it, models, 6)
        files, tasks, memory = open_files(), len(asyncio.all_tasks()), resident_bytes()
        await swaps(it, models, count)

        assert open_files() <= files
        assert len(asyncio.all_tasks()) <= tasks
        assert len(children()) == 1
        assert resident_bytes() - memory < 4 * MIB
    assert list((tmp_path / "workers").iterdir()) == []


@pytest.mark.timeout(60)
async def test_sixteen_clients_are_answered_in_the_order_they_came(tmp_path: Path) -> None:
    """On one model with one slot, first tokens come in order of arrival."""
    async with board(tmp_path) as it:
        model = it.model("one", token_us=500, piece=3)
        order: list[int] = []

        async def client(number: int) -> None:
            async with aclosing(
                it.pool.stream(Ask(model, client=f"c{number}"), Run(prompt=f"client {number}"))
            ) as items:
                async for item in items:
                    if isinstance(item, Chunk) and number not in order:
                        order.append(number)

        await asyncio.gather(*(client(number) for number in range(16)))
        assert order == list(range(16))


@pytest.mark.timeout(60)
async def test_two_models_at_once(tmp_path: Path) -> None:
    """Both are resident, in NPU domains of their own, and answer side by side."""
    async with board(tmp_path) as it:
        models = [it.model(name, piece=1) for name in ("first", "second")]
        texts = await asyncio.gather(
            *(answer(it.pool, Ask(one, client=str(one.name)), "é世😀" * 20) for one in models)
        )
        assert [text for text, _ in texts] == ["é世😀" * 20] * 2
        assert sorted(one.npu_domain or 0 for one in it.pool.residents()) == [0, 1]
