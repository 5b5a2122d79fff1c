"""Many clients, more models than fit, real workers over the stand-in: nothing lost or mixed."""

from __future__ import annotations

import asyncio
import gc
import os
import random
import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest

from rkd.model import Model
from rkd.pool.ticket import Ask
from tests.integration.pool_board import Board, Tally, answer, board, children, open_files

CLIENTS = 50
MODELS = 6
SOAK_S = 12.0
LONG_SOAK_S = 180.0


async def clients(it: Board, models: list[Model], seconds: float, *, cancel: bool) -> Tally:
    """Fifty clients asking six models for *seconds*, some of them impatient."""
    tally = Tally()
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
    return tally


async def killer(it: Board, dice: random.Random) -> None:
    """Kill a random worker now and then."""
    while True:
        await asyncio.sleep(0.3 + dice.random() * 0.7)
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
        killing = asyncio.ensure_future(killer(it, dice)) if kills else None
        try:
            tally = await clients(it, models, seconds, cancel=True)
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


@pytest.mark.timeout(120)
async def test_an_hour_of_swaps_leaves_nothing(tmp_path: Path) -> None:
    """A hundred swaps: no file descriptor, no child, no task is left, and no record grows."""
    async with board(tmp_path, max_resident=1) as it:
        models = [it.model(f"model-{number}", load_ms=1) for number in range(3)]
        for model in models:
            await answer(it.pool, Ask(model), "warm")
        gc.collect()
        files, tasks = open_files(), len(asyncio.all_tasks())
        for number in range(100):
            text, _ = await answer(it.pool, Ask(models[number % 3]), f"swap {number}")
            assert text == f"swap {number}"
        gc.collect()

        assert open_files() <= files
        assert len(asyncio.all_tasks()) <= tasks
        assert len(children()) == 1
    assert list((tmp_path / "workers").iterdir()) == []
