"""
What the pool adds to a swap and to a queue, over the stand-in NPU runtime.

Swap: the time from asking for a model that is not resident, with another one in its place, to the
first token, beyond the time the library itself takes to load (the stand-in's `load_ms`), beside a
bare worker (start, load, first token) with no pool; with a spare worker, with one and a tokenizer
of 150,000 words, and with that tokenizer and no spare one. Queue: sixteen clients on one
model, beside the sum of what their runs take alone. Medians; run it on a quiet machine:

    python bench/pool_swap.py
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import tempfile
import time
from contextlib import aclosing
from pathlib import Path

import structlog

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench import large_tokenizer
from bench.figures import tell
from rkd.inference import Chunk, LoadSpec, Run
from rkd.model import BackendKind, Model
from rkd.pool.deciding.budget import GIB
from rkd.pool.pool import Pool
from rkd.pool.ticket import Ask
from rkd.pool.workers.launcher import Launcher
from rkd.pool.workers.process import WorkerProcess
from rkd.pool.workers.spare import Spare
from tests.integration.pool_board import VERSION, Board, answer, board
from tests.native import standin

LOAD_MS = 300
SWAPS = 9
IMPORTS_S = 1.0
"""Long enough for a spare worker to be past its imports."""
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


async def bare_s(launcher: Launcher, model: Model) -> float:
    """The same without a pool: a worker started, loaded and asked directly."""
    spec = LoadSpec(
        BackendKind.NPU,
        str(model.weights[0].path),
        model.name.text,
        4096,
        runtime_library=str(standin.build(VERSION)),
        tokenizer_folder=str(model.folder),
    )
    began = time.perf_counter()
    worker = await launcher.start(model.name.text)
    await worker.load(spec, lambda _: None)
    took = 0.0
    async for _ in worker.run(Run(prompt="hi")):
        took = took or time.perf_counter() - began
    await worker.close()
    return took


def made(it: Board, name: str, *, tokenizer: bool) -> Model:
    """A model whose library takes LOAD_MS to load."""
    model = it.model(name, load_ms=LOAD_MS)
    if tokenizer:
        large_tokenizer.write(model.folder)
    return model


async def spare_there(spare: Spare[WorkerProcess]) -> None:
    """Wait for it; a swap in practice comes minutes after the last one."""
    while spare.pid is None:  # noqa: ASYNC110 - nobody waits for it but us
        await asyncio.sleep(0.01)
    await asyncio.sleep(IMPORTS_S)


async def swaps(folder: Path, key: str, *, tokenizer: bool, ahead: bool) -> None:
    """Print one kind of swap, beyond the library's own load."""
    launcher = Launcher(folder / "bare", dict(os.environ), lambda *_: None)
    workers = Launcher(folder / "own", dict(os.environ), lambda *_: None, confined=False)
    spare = Spare(workers, lambda: 8 * GIB, BackendKind.NPU)
    async with board(folder, launch=spare if ahead else workers, max_resident=1) as it:
        models = [made(it, f"m{number}", tokenizer=tokenizer) for number in range(2)]
        with_pool, without = [], []
        await first_token_s(it.pool, models[1])
        for number in range(SWAPS):
            if ahead:
                await spare_there(spare)
            with_pool.append(await first_token_s(it.pool, models[number % 2]) - LOAD_MS / 1000)
            without.append(await bare_s(launcher, models[number % 2]) - LOAD_MS / 1000)
    await spare.close()
    pool_s, bare = statistics.median(with_pool), statistics.median(without)
    load = os.getloadavg()[0]
    print(
        f"{key:16} {pool_s:+.3f} s beyond the library's load ({min(with_pool):.3f} to "
        f"{max(with_pool):.3f}); a bare worker {bare:+.3f} s  (load average {load:.1f})",
        flush=True,
    )
    tell(key, with_pool)


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
    tell("queue", ratios)
    print(f"{CLIENTS} clients, one model  {statistics.median(ratios):.3f} of the ideal time")
    print(f"in order of arrival  {'yes' if ordered else 'NO'}")


def main() -> None:
    """Run both."""
    structlog.configure(processors=[_silence])
    kinds = (("swap", False, True), ("swap.tokenizer", True, True), ("swap.fresh", True, False))
    with tempfile.TemporaryDirectory() as folder:
        for key, tokenizer, ahead in kinds:
            place = Path(folder) / key
            place.mkdir()
            asyncio.run(swaps(place, key, tokenizer=tokenizer, ahead=ahead))
        place = Path(folder) / "queue"
        place.mkdir()
        asyncio.run(queue(place))


def _silence(*_: object) -> str:
    raise structlog.DropEvent


if __name__ == "__main__":
    main()
