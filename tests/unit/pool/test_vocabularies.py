"""Vocabularies without their models: one start for many questions, and nothing stays."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from rkd.board.facts import RuntimeLibrary
from rkd.errors import PreconditionError, Reason, UnavailableError
from rkd.inference import LoadSpec
from rkd.model import BackendChoice, BackendKind, Model
from rkd.pool.deciding.budget import MIB
from rkd.pool.deciding.placement import Wish
from rkd.pool.deciding.settings import PoolSettings
from rkd.pool.ticket import Ask
from rkd.pool.vocabularies import KEPT_S, MOST_AT_ONCE, MOST_KEPT, START_BYTES, Vocabularies
from rkd.pool.workers.handle import WorkerDiedError, WorkerHandle
from tests.unit.pool.fakes import FakeMachine, model, settled

SETTINGS = PoolSettings(
    memory_fraction=1.0,
    reserve_bytes=0,
    libraries=(RuntimeLibrary(Path("/lib/librkllmrt.so"), "1.3.0"),),
)
"""Of a board with an NPU."""


@dataclass
class FakeClock:
    """Calls back when the test says that so much time has passed."""

    waiting: list[tuple[float, Callable[[], None]]] = field(default_factory=list)

    @dataclass
    class Timer:
        """One call to come."""

        clock: FakeClock
        entry: tuple[float, Callable[[], None]]

        def cancel(self) -> None:
            """It does not come."""
            if self.entry in self.clock.waiting:
                self.clock.waiting.remove(self.entry)

    def __call__(self, after_s: float, act: Callable[[], None]) -> Timer:
        """Note it."""
        entry = (after_s, act)
        self.waiting.append(entry)
        return self.Timer(self, entry)

    def ring(self) -> None:
        """All the time there is passes."""
        due, self.waiting = self.waiting, []
        for _, act in due:
            act()


class Board:
    """Vocabularies on a fake machine, and the memory counted for them."""

    def __init__(self) -> None:
        self.machine = FakeMachine()
        self.clock = FakeClock()
        self.counted: list[int] = []
        self.it = Vocabularies(self.machine, self._admit, self.clock)

    @asynccontextmanager
    async def _admit(self, ram_bytes: int) -> AsyncIterator[None]:
        self.counted.append(ram_bytes)
        try:
            yield
        finally:
            self.counted.remove(ram_bytes)

    async def ask(self, name: str = "alpha", version: str = "1") -> tuple[int, ...]:
        """Tokenize with the vocabulary of a model."""
        one = model(name, version=version)
        return await self.it.use(one, spec_of(one), tokens)


def spec_of(one: Model) -> LoadSpec:
    """What its vocabulary is read of."""
    return LoadSpec(BackendKind.CPU, "/models/x.gguf", str(one.name), vocabulary_only=True)


async def tokens(worker: WorkerHandle) -> tuple[int, ...]:
    """Two of them."""
    return await worker.tokenize("ab", add_special=False, parse_special=True)


async def test_a_hundred_questions_cost_one_start() -> None:
    """One after the other and at once; its memory is counted while it is there, as measured."""
    board = Board()
    board.machine.measured["alpha"] = 60 * MIB
    assert await asyncio.gather(*(board.ask() for _ in range(50))) == [(97, 98)] * 50
    for _ in range(50):
        await board.ask()

    assert len(board.machine.workers) == 1
    assert board.machine.workers[0].plan.spec.vocabulary_only
    assert board.machine.workers[0].plan.need.ram_bytes == START_BYTES
    assert board.counted == [60 * MIB]
    assert [after for after, _ in board.clock.waiting] == [KEPT_S]
    board.clock.ring()
    await settled()
    assert (board.machine.alive, board.counted) == ([], [])
    assert await board.ask() == (97, 98)
    await board.it.close()
    assert (board.machine.alive, board.counted) == ([], [])


async def test_none_begins_after_the_end() -> None:
    """Refused, and no process is left behind the daemon."""
    board = Board()
    await board.ask()
    await board.it.close()
    with pytest.raises(UnavailableError) as caught:
        await board.ask()

    assert caught.value.reason is Reason.SHUTTING_DOWN
    assert (board.machine.alive, board.counted) == ([], [])


async def test_one_that_starts_at_the_end_ends_with_it() -> None:
    """Whoever waited for it is told."""
    board = Board()
    board.machine.may_load.clear()
    asking = asyncio.create_task(board.ask())
    await settled()
    await board.it.close()
    board.machine.may_load.set()
    with pytest.raises(UnavailableError) as caught:
        await asking

    assert caught.value.reason is Reason.SHUTTING_DOWN
    assert (board.machine.alive, board.counted) == ([], [])


async def test_few_stay() -> None:
    """The one unused the longest leaves; a model that changed is another one."""
    board = Board()
    for name in ("a", "b", "c"):
        await board.ask(name)
    await settled()

    assert [one.plan.model for one in board.machine.alive] == ["b", "c"]
    await board.ask("c", version="2")
    await settled()
    assert len(board.machine.alive) == MOST_KEPT
    await board.it.close()


async def test_few_are_asked_at_once() -> None:
    """The others wait, whatever number of models is asked for."""
    board = Board()
    answer = asyncio.Event()

    async def slow(worker: WorkerHandle) -> int:
        await answer.wait()
        return worker.pid

    models = [model(f"m{at}") for at in range(3 * MOST_AT_ONCE)]
    asking = [asyncio.create_task(board.it.use(one, spec_of(one), slow)) for one in models]
    await settled()
    alive = len(board.machine.alive)
    answer.set()
    await asyncio.gather(*asking)
    await settled()

    assert alive == MOST_AT_ONCE
    assert len(board.machine.alive) == MOST_KEPT
    await board.it.close()


async def test_who_is_asked_does_not_leave() -> None:
    """Neither when the time is over, nor for others."""
    board = Board()
    alpha = model()
    asked, answer = asyncio.Event(), asyncio.Event()

    async def slow(worker: WorkerHandle) -> int:
        asked.set()
        await answer.wait()
        return worker.pid

    asking = asyncio.create_task(board.it.use(alpha, spec_of(alpha), slow))
    await asked.wait()
    for name in ("b", "c", "d"):
        await board.ask(name)
    board.clock.ring()
    await settled()
    alive = [one.plan.model for one in board.machine.alive]
    answer.set()
    await asking
    await board.it.close()

    assert alive == ["alpha"]


async def test_one_that_died_is_started_anew() -> None:
    """Whoever asked is told, the next one gets an answer, and nothing is counted twice."""
    board = Board()
    await board.ask()
    alpha = model()

    async def die(worker: WorkerHandle) -> tuple[int, ...]:
        board.machine.workers[0].die()
        raise WorkerDiedError(await worker.died)

    with pytest.raises(UnavailableError, match="SIGSEGV") as caught:
        await board.it.use(alpha, spec_of(alpha), die)
    assert caught.value.reason is Reason.WORKER_CRASHED
    await settled()
    assert board.counted == []
    assert await board.ask() == (97, 98)
    assert len(board.machine.workers) == 2
    board.machine.workers[1].die()
    await settled()
    assert (board.counted, board.clock.waiting) == ([], [])
    await board.it.close()


async def test_one_that_cannot_be_read_leaves_nothing() -> None:
    """The refusal is told each time, and no process stays."""
    board = Board()
    refusal = PreconditionError(Reason.LOAD_FAILED, "no")
    board.machine.load_troubles["alpha", BackendKind.CPU] = [refusal, refusal]
    for _ in range(2):
        with pytest.raises(PreconditionError, match="no"):
            await board.ask()
    await settled()

    assert (board.machine.alive, board.counted) == ([], [])
    await board.it.close()


class TestOfAPool:
    """Which vocabulary a pool asks."""

    @staticmethod
    def ask(backend: BackendChoice | None = None, *, rkllm: int = 0) -> Ask:
        """A request for the tokens of alpha."""
        return Ask(model(rkllm=rkllm), Wish(backend), takes_slot=False)

    async def test_no_weights_are_loaded(self) -> None:
        """Nobody becomes resident for it; the pool's end is its end."""
        machine = FakeMachine()
        pool = machine.pool()
        assert await pool.spell(self.ask(), tokens) == (97, 98)

        assert pool.residents() == ()
        assert [one.plan.spec.vocabulary_only for one in machine.alive] == [True]
        await pool.close(0)
        assert machine.alive == []

    async def test_a_model_in_memory_answers_itself(self) -> None:
        """But for bytes, which engines do not tell."""
        machine = FakeMachine()
        pool = machine.pool()
        async for _ in pool.load(self.ask()):
            pass
        await pool.spell(self.ask(), tokens)
        alone = [one.plan.spec.vocabulary_only for one in machine.workers]
        await pool.spell(self.ask(), tokens, exact=True)
        both = [one.plan.spec.vocabulary_only for one in machine.workers]
        await pool.close(0)

        assert (alone, both) == ([False], [False, True])

    async def test_the_npus_files_first_then_the_gguf(self) -> None:
        """No board and no library are needed for files; an explicit wish is kept."""
        machine = FakeMachine()
        pool = machine.pool(obstacle=PreconditionError(Reason.NPU_UNAVAILABLE, "no NPU"))
        none = PreconditionError(
            Reason.CAPABILITY_UNSUPPORTED, "none", metadata={"capability": "tokenize"}
        )
        await pool.spell(self.ask(rkllm=MIB), tokens)
        machine.load_troubles["alpha", BackendKind.NPU] = [none]
        await pool.spell(self.ask(rkllm=2 * MIB, backend=BackendChoice.CPU), tokens)
        await pool.close(0)

        assert [one.plan.backend for one in machine.workers] == ["npu", "cpu"]

    async def test_the_gguf_answers_where_the_npu_has_no_tokenizer(self) -> None:
        """The first refusal is told where nobody can."""
        machine = FakeMachine()
        pool = machine.pool()
        none = PreconditionError(
            Reason.CAPABILITY_UNSUPPORTED, "none", metadata={"capability": "tokenize"}
        )
        machine.load_troubles["alpha", BackendKind.NPU] = [none, none]
        await pool.spell(self.ask(rkllm=MIB), tokens)
        with pytest.raises(PreconditionError, match="none"):
            await pool.spell(self.ask(BackendChoice.NPU, rkllm=MIB), tokens)
        await pool.close(0)

        assert [one.plan.backend for one in machine.workers] == ["npu", "cpu", "npu"]

    async def test_a_model_in_memory_without_a_tokenizer_leaves_it_to_the_gguf(self) -> None:
        """As it does when it is not in memory."""
        machine = FakeMachine()
        pool = machine.pool(SETTINGS)
        asked = self.ask(rkllm=MIB)
        async for _ in pool.load(asked):
            pass
        resident = machine.workers[0]

        async def refuses(worker: WorkerHandle) -> tuple[int, ...]:
            if worker is resident:
                raise PreconditionError(Reason.CAPABILITY_UNSUPPORTED, "none")
            return await tokens(worker)

        assert await pool.spell(asked, refuses) == (97, 98)
        await pool.close(0)

        told = [(one.plan.backend, one.plan.spec.vocabulary_only) for one in machine.workers]
        assert told == [("npu", False), ("cpu", True)]

    async def test_an_engine_unknown_to_rkd_is_loaded(self) -> None:
        """Where the library cannot read a vocabulary alone, the model answers as ever."""
        machine = FakeMachine()
        pool = machine.pool()
        strange = PreconditionError(
            Reason.CAPABILITY_UNSUPPORTED, "strange", metadata={"capability": "vocabulary"}
        )
        machine.load_troubles["alpha", BackendKind.CPU] = [strange]
        assert await pool.spell(self.ask(), tokens) == (97, 98)
        resident = [one.model for one in pool.residents()]
        await pool.close(0)

        assert resident == ["alpha"]
