"""
What the pool adds to a swap and to a queue, over the stand-in NPU runtime.

Swap: the time from asking for a model that is not resident, with another one in its place, to the
first token, beside the time the library itself takes to load (the stand-in's `load_ms`) and
beside a bare worker (start, load, first token) with no pool. Queue: sixteen clients on one
model, beside the sum of what their runs take alone. Medians; run it on a quiet machine:

    python -m bench.pool_swap
"""

from __future__ import annotations

import asyncio
import os
import statistics
import tempfile
import time
from contextlib import aclosing
from pathlib import Path

import structlog

from rkd.inference import Chunk, LoadSpec, Run
from rkd.model import BackendKind, Model
from rkd.pool.pool import Pool
from rkd.pool.ticket import Ask
from rkd.pool.workers.launcher import Launcher
from tests.integration.pool_board import VERSION, Board, answer, board
from tests.native import standin

LOAD_MS = 300
SWAPS = 20
CLIENTS = 16
TOKENS = 40
TOKEN_US = 5000


async def first_token_s(pool: Pool, model: Model) -> float:
    """Seconds from asking to the first piece of text."""
    began = time.perf_counter()
    took = 0.0
    async with aclosing(pool.stream(Ask(model), Run(prompt="hi"))) as items:
        async for item in items:
            if isinstance(item, Chunk) and not took:
                took = time.perf_counter() - began
    return took


async def bare_s(it: Board, launcher: Launcher, name: str) -> float:
    """The same without a pool: a worker started, loaded and asked directly."""
    path = it.folder / name / f"{name}.rkllm"
    spec = LoadSpec(
        BackendKind.NPU, str(path), name, 4096, runtime_library=str(standin.build(VERSION))
    )
    began = time.perf_counter()
    worker = await launcher.start(name)
    await worker.load(spec, lambda _: None)
    took = 0.0
    async for _ in worker.run(Run(prompt="hi")):
        took = took or time.perf_counter() - began
    await worker.close()
    return took


async def swaps(folder: Path) -> None:
    """Print the swap's figures."""
    async with board(folder, max_resident=1) as it:
        models = [it.model(f"m{number}", load_ms=LOAD_MS) for number in range(2)]
        launcher = Launcher(folder / "bare", dict(os.environ), lambda *_: None)
        with_pool, without = [], []
        await first_token_s(it.pool, models[1])
        for number in range(SWAPS):
            with_pool.append(await first_token_s(it.pool, models[number % 2]))
            without.append(await bare_s(it, launcher, f"m{number % 2}"))
    pool_s, bare = statistics.median(with_pool), statistics.median(without)
    print(f"library's load       {LOAD_MS / 1000:.3f} s")
    print(f"bare worker          {bare:.3f} s  ({bare - LOAD_MS / 1000:+.3f} s)")
    print(f"swap in the pool     {pool_s:.3f} s  ({pool_s - LOAD_MS / 1000:+.3f} s)")
    print(f"ratio to bare        {pool_s / bare:.3f}")


async def queue(folder: Path) -> None:
    """Print the queue's figures."""
    prompt = "abcd" * TOKENS
    async with board(folder) as it:
        model = it.model("one", token_us=TOKEN_US, piece=4)
        await answer(it.pool, Ask(model), prompt)
        alone = []
        for _ in range(5):
            began = time.perf_counter()
            await answer(it.pool, Ask(model), prompt)
            alone.append(time.perf_counter() - began)
        ideal = CLIENTS * statistics.median(alone)
        ratios, ordered = [], True
        for _ in range(3):
            order: list[int] = []

            async def client(number: int, order: list[int]) -> None:
                ask = Ask(model, client=f"c{number}")
                async with aclosing(it.pool.stream(ask, Run(prompt=prompt))) as items:
                    async for item in items:
                        if isinstance(item, Chunk) and number not in order:
                            order.append(number)

            began = time.perf_counter()
            await asyncio.gather(*(client(number, order) for number in range(CLIENTS)))
            ratios.append((time.perf_counter() - began) / ideal)
            ordered = ordered and order == list(range(CLIENTS))
    print(f"{CLIENTS} clients, one model  {statistics.median(ratios):.3f} of the ideal time")
    print(f"in order of arrival  {'yes' if ordered else 'NO'}")


def main() -> None:
    """Run both."""
    structlog.configure(processors=[_silence])
    with tempfile.TemporaryDirectory() as folder:
        for name, work in (("swaps", swaps), ("queue", queue)):
            place = Path(folder) / name
            place.mkdir()
            asyncio.run(work(place))


def _silence(*_: object) -> str:
    raise structlog.DropEvent


if __name__ == "__main__":
    main()
