"""
Clients go on while everything goes wrong: nothing is lost, mixed, left behind or never ended.

Seeded: RKD_CHAOS_SEED chooses the dice (printed with what failed), RKD_CHAOS_SECONDS how long.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import grpc
import pytest

from rkd.v1 import inference_pb2, models_pb2, operations_pb2, pool_pb2, types_pb2
from tests.chaos.board import REPOSITORIES, Board, Stubs, small_disk, stocked_hub
from tests.chaos.clients import Asked, Client, reference
from tests.chaos.ledger import CALL_BOUND_S, Ledger, reason_of
from tests.chaos.mischief import Mischief
from tests.models import tiny
from tests.native import standin

SECONDS = float(os.environ.get("RKD_CHAOS_SECONDS", "60"))
SEED = int(os.environ.get("RKD_CHAOS_SEED", "1"))
GENERATORS, LOOKERS, MANAGERS, PULLERS = 6, 2, 1, 2
PROMPTS = tuple(f"tell me about {word} 😀" for word in ("rain", "iron", "bread", "night", "glass"))
MOST_MEMORY_BYTES = 160 << 20
"""Idle it takes 50 MiB; what the allocator keeps of busy times comes on top."""
MOST_DESCRIPTORS = 120
"""Idle it holds about 30, and some for each worker and connection."""
SETTLED_S = 100.0
FINAL = frozenset(
    {
        types_pb2.OPERATION_STATE_SUCCEEDED,
        types_pb2.OPERATION_STATE_FAILED,
        types_pb2.OPERATION_STATE_CANCELLED,
        types_pb2.OPERATION_STATE_PAUSED,
    }
)


@pytest.mark.chaos
@pytest.mark.timeout(SECONDS + 400)
async def test_on_the_npu(tmp_path: Path) -> None:
    """Three models in room for two, over the stand-in runtime that answers with the prompt."""
    names = ("a", "b", "c")

    def stock(models: Path) -> None:
        for name in names:
            folder = models / name
            folder.mkdir(parents=True)
            standin.weights(folder / "m.rkllm", piece=3, token_us=500, load_ms=40)
            (folder / "Modelfile").write_text("FROM ./m.rkllm\nPARAMETER num_ctx 2048\n")

    settings = {
        "RKD_RKLLM_LIBRARY": str(standin.build("1.3.0")),
        "RKD_MAX_RESIDENT": "2",
        "RKD_BACKEND": "npu",
    }
    await _run(tmp_path, settings, names, stock, tokenizes=False)


@pytest.mark.chaos
@pytest.mark.timeout(SECONDS + 400)
async def test_on_the_cpu(tmp_path: Path) -> None:
    """Two models of the real engine, whose answers in peace are known before."""
    names = ("a", "b")

    def stock(models: Path) -> None:
        for seed, name in enumerate(names):
            folder = models / name
            folder.mkdir(parents=True)
            tiny.write(folder / "m.gguf", seed=seed)

    await _run(tmp_path, {"RKD_MAX_RESIDENT": "2"}, names, stock, tokenizes=True)


async def _run(
    folder: Path,
    settings: Mapping[str, str],
    names: Sequence[str],
    stock: Callable[[Path], None],
    *,
    tokenizes: bool,
) -> None:
    dice = random.Random(SEED)  # noqa: S311 - a choice of tests, not a secret
    weights = tiny.write(folder / "hub.gguf", seed=9).read_bytes()
    with small_disk(folder / "d") as obstacle, stocked_hub(weights) as hub:
        if obstacle:
            print(f"the disk is not made full: {obstacle}")  # noqa: T201 - a part left out is told
        stock(folder / "d" / "models")
        board = Board(folder / "d", hub, settings, dice)
        async with board:
            asked = await reference(board, names, PROMPTS)
            assert len(asked.answers) == len(names) * len(PROMPTS)
            ledger = Ledger(board.now)
            mischief = Mischief(board, disk=not obstacle)
            await _storm(board, asked, ledger, mischief, tokenizes=tokenizes)
            told = (
                f"seed {SEED}, {SECONDS:.0f} s, {len(mischief.done)} pieces of mischief, "
                f"{sum(ledger.ends.values())} calls, slowest {ledger.slowest_s:.1f} s: "
                f"{dict(sorted(ledger.ends.items()))}"
            )
            print(told)  # noqa: T201 - the figures of a run
            left = await _settle(board, asked)
            log = board.daemon.log.read_text(errors="replace")

    assert ledger.wrong == [], told + "\n".join(ledger.wrong[:20])
    assert left == [], f"{told}\n{log[-6000:]}"
    assert "Traceback" not in log, f"{told}\n{log[log.index('Traceback') - 2000 :][:6000]}"
    assert ledger.ends["generate answered"] > SECONDS, told


async def _storm(
    board: Board, asked: Asked, ledger: Ledger, mischief: Mischief, *, tokenizes: bool
) -> None:
    """Let clients and mischief run for the time given; none of them may fail by itself."""
    until = time.monotonic() + SECONDS

    def over() -> bool:
        return time.monotonic() > until

    def client() -> Client:
        dice = random.Random(board.dice.random())  # noqa: S311 - a choice of tests, not a secret
        return Client(board, ledger, asked, dice, over)

    async with asyncio.TaskGroup() as group:
        for _ in range(GENERATORS):
            one = client()
            works = (one.generate, one.generate, one.tokenize) if tokenizes else (one.generate,)
            group.create_task(one.go_on(*works))
        for _ in range(LOOKERS):
            one = client()
            group.create_task(one.go_on(one.look))
        for _ in range(MANAGERS):
            one = client()
            group.create_task(one.go_on(one.manage))
        for _ in range(PULLERS):
            one = client()
            group.create_task(one.go_on(one.pull))
        group.create_task(client().die_in_the_middle())
        group.create_task(mischief.go_on(over))


async def _settle(board: Board, asked: Asked) -> list[str]:
    """Let everything come to rest; returns what is not as it should be then."""
    board.empty()
    board.hub.store.faults.clear()
    left = [f"orphan {pid}" for pid in board.orphans()]
    until = time.monotonic() + SETTLED_S
    problems = ["not looked at"]
    async with board.stubs() as stubs:
        while problems and time.monotonic() < until:
            await asyncio.sleep(0.5)
            problems = await _unsettled(stubs)
        left += problems
        for name in asked.models:
            await stubs.pool.Unpin(pool_pb2.UnpinRequest(model=name))
        for name in asked.models:
            for prompt in asked.prompts[:2]:
                left += await _wrong_answer(stubs, asked, name, prompt)
        left += await _library_is_not_the_disk(board, stubs)
    if board.memory_bytes() > MOST_MEMORY_BYTES:
        left.append(f"the daemon takes {board.memory_bytes() >> 20} MiB")
    if board.descriptors() > MOST_DESCRIPTORS:
        left.append(f"the daemon holds {board.descriptors()} files")
    return left


async def _unsettled(stubs: Stubs) -> list[str]:
    operations = await stubs.operations.List(operations_pb2.OperationServiceListRequest())
    residents = await stubs.pool.ListResident(pool_pb2.ListResidentRequest())
    return [
        f"{one.id} is {types_pb2.OperationState.Name(one.state)}"
        for one in operations.operations
        if one.state not in FINAL
    ] + [
        f"{one.model}: {one.slots_used} active, {one.queued} wait"
        for one in residents.residents
        if one.slots_used or one.queued
    ]


async def _wrong_answer(stubs: Stubs, asked: Asked, name: str, prompt: str) -> list[str]:
    options = types_pb2.InferenceOptions(
        sampling=types_pb2.SamplingOptions(temperature=0, max_tokens=48)
    )
    request = inference_pb2.GenerateRequest(model=name, prompt=prompt, raw=True, options=options)
    got = ""
    for last in (
        False,
        True,
    ):  # a worker that hangs since the storm costs its first caller an error
        try:
            events = stubs.inference.Generate(request, timeout=CALL_BOUND_S)
            got = "".join([event.delta.text async for event in events])
            break
        except grpc.aio.AioRpcError as error:
            if last or reason_of(error) != "WORKER_CRASHED":
                return [f"{name}: {error.details()}"]
    return [] if got == asked.expected(name, prompt) else [f"{name}: {prompt!r} → {got!r}"]


async def _library_is_not_the_disk(board: Board, stubs: Stubs) -> list[str]:
    listed = {
        one.name: one.state
        for one in (await stubs.models.List(models_pb2.ListRequest(page_size=1000))).models
    }
    models = board.daemon.models
    there = {one.name for one in models.iterdir() if one.is_dir() and not one.name.startswith(".")}
    wrong = [f"only listed: {name}" for name in listed.keys() - there]
    wrong += [f"not listed: {name}" for name in there - listed.keys()]
    for number in range(REPOSITORIES):
        weights = models / f"pulled-{number}" / f"m{number}-Q4_K_M.gguf"
        if not weights.exists():
            continue
        _, content = board.hub.store.repositories[f"org/m{number}"].at("main") or ("", {})
        right = hashlib.sha256(content[weights.name]).hexdigest()
        if hashlib.sha256(weights.read_bytes()).hexdigest() != right:
            wrong.append(f"{weights.name} is not what the hub has")
    return wrong
