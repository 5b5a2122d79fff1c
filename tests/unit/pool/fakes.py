"""Models, workers and a machine for the pool's tests: nothing here starts a process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

from rkd.errors import RkdError
from rkd.events import Event
from rkd.inference import (
    Chunk,
    Embeddings,
    EmbedSpec,
    FinishReason,
    Loaded,
    LoadProgress,
    LoadSpec,
    Outcome,
    Ranking,
    RankSpec,
    Run,
)
from rkd.model import (
    BackendChoice,
    BackendKind,
    Details,
    Format,
    Model,
    ModelName,
    ModelState,
    Recipe,
    WeightsFile,
)
from rkd.pool.calibration import Calibration
from rkd.pool.deciding.budget import GIB, MIB, Need
from rkd.pool.deciding.settings import PoolSettings
from rkd.pool.deciding.state import Death, LoadPlan, Moment, Waiter
from rkd.pool.pool import Pool
from rkd.pool.workers.handle import Keep, Piece, WorkerDiedError

DEAD = Death("killed by SIGSEGV", signal="SIGSEGV")


def model(
    name: str = "alpha",
    *,
    gguf: int = 100 * MIB,
    rkllm: int = 0,
    version: str = "1",
    parameters: tuple[tuple[str, int | float | bool | str], ...] = (),
    details: Details | None = None,
) -> Model:
    """A model with weights of these sizes; 0 leaves a format out."""
    folder = Path("/models") / name
    sizes = ((Format.RKLLM, rkllm), (Format.GGUF, gguf))
    weights = tuple(
        WeightsFile(folder / f"{name}.{kind}", kind, size, 0) for kind, size in sizes if size
    )
    return Model(
        ModelName(name),
        folder,
        ModelState.READY,
        weights=weights,
        recipe=Recipe(parameters=parameters),
        details=details or Details(),
        version=version,
    )


def plan(
    name: str = "alpha",
    *,
    ram: int = 1 * GIB,
    npu: int = 0,
    context: int = 4096,
    slots: int = 1,
    choice: BackendChoice = BackendChoice.AUTO,
    exact: bool = False,
    version: str = "1",
    keep_alive_s: float | None = None,
) -> LoadPlan:
    """A load plan; on the NPU when it takes NPU address space."""
    backend = BackendKind.NPU if npu else BackendKind.CPU
    spec = LoadSpec(backend, f"/models/{name}", name, context_tokens=context, slots=slots)
    return LoadPlan(
        name,
        name,
        version,
        spec,
        Need(ram, npu),
        choice=choice,
        exact_context=exact,
        keep_alive_s=keep_alive_s,
    )


def loaded(slots: int = 1, context: int = 4096) -> Loaded:
    """What a worker says when it is ready."""
    return Loaded(context, slots, "fake 1.0")


def at(seconds: float, available: int = 64 * GIB) -> Moment:
    """That moment, with plenty of memory."""
    return Moment(seconds, available)


def waiter(ticket: int, *plans: LoadPlan, **fields: object) -> Waiter:
    """A request; without plans it wants `alpha`."""
    made = Waiter(ticket, plans or (plan(),))
    for name, value in fields.items():
        setattr(made, name, value)
    return made


class FakeStream:
    """A run the test moves on by hand."""

    def __init__(self, worker: FakeWorker, run: Run) -> None:
        self.run = run
        self.outcome: Outcome | None = None
        self.ended = asyncio.Event()
        self.cancelled = False
        self._worker = worker
        self._pieces: asyncio.Queue[Piece | Exception | None] = asyncio.Queue()

    def say(self, text: str) -> None:
        """Emit a chunk."""
        self._pieces.put_nowait(Chunk(text=text, tokens=1))

    def finish(self, reason: FinishReason = FinishReason.STOP_EOS) -> None:
        """End well."""
        self.outcome = Outcome(reason)
        self._pieces.put_nowait(None)
        self.ended.set()

    def fail(self, error: Exception) -> None:
        """End badly."""
        self._pieces.put_nowait(error)
        self.ended.set()

    async def __aiter__(self) -> AsyncIterator[Piece]:
        while True:
            piece = await self._pieces.get()
            if piece is None:
                return
            if isinstance(piece, Exception):
                raise piece
            yield piece

    async def aclose(self) -> None:
        """Cancel; it is heeded when the test says so."""
        if not self.ended.is_set():
            self.cancelled = True
            if self._worker.machine.heed_cancel:
                self.finish(FinishReason.CANCELLED)
            await self.ended.wait()


class FakeWorker:
    """A worker without a process."""

    def __init__(self, machine: FakeMachine, pid: int, launched: LoadPlan) -> None:
        self.machine = machine
        self.pid = pid
        self.plan = launched
        self.streams: list[FakeStream] = []
        self.died: asyncio.Future[Death] = asyncio.get_running_loop().create_future()
        self.taken = 0
        self.closed = False

    async def load(self, spec: LoadSpec, progress: Callable[[LoadProgress], None]) -> Loaded:
        """Take the memory, then do as the machine's script says."""
        self.taken = self.plan.need.ram_bytes
        self.machine.available -= self.taken
        progress(LoadProgress("loading", 0.5))
        await self.machine.may_load.wait()
        if self.died.done():
            raise WorkerDiedError(self.died.result())
        trouble = self.machine.load_troubles.get((spec.model, spec.backend), [])
        if trouble:
            raise trouble.pop(0)
        return loaded(spec.slots, spec.context_tokens)

    def run(self, run: Run, keep: Keep | None = None) -> FakeStream:
        """Begin a run; it answers at once when the machine is told to, and keeps nothing."""
        del keep
        stream = FakeStream(self, run)
        self.streams.append(stream)
        if self.died.done():
            stream.fail(WorkerDiedError(self.died.result()))
        elif self.machine.answer:
            stream.say(f"{self.plan.model}: {run.prompt}")
            stream.finish()
        return stream

    async def embed(self, spec: EmbedSpec) -> Embeddings:
        """One number an input."""
        if self.died.done():
            raise WorkerDiedError(self.died.result())
        return Embeddings(tuple((1.0,) for _ in spec.inputs), len(spec.inputs))

    async def rank(self, spec: RankSpec) -> Ranking:
        """The longer, the better."""
        if self.died.done():
            raise WorkerDiedError(self.died.result())
        return Ranking(tuple(float(len(one)) for one in spec.documents), len(spec.documents))

    async def tokenize(
        self, text: str, *, add_special: bool, parse_special: bool
    ) -> tuple[int, ...]:
        """One token a character."""
        del add_special, parse_special
        return tuple(map(ord, text))

    async def spell(self, token_ids: tuple[int, ...]) -> tuple[bytes, ...]:
        """One character a token."""
        return tuple(chr(one).encode() for one in token_ids)

    async def detokenize(self, token_ids: tuple[int, ...]) -> str:
        """The way back."""
        return "".join(map(chr, token_ids))

    def memory_bytes(self) -> int:
        """What it took."""
        return self.machine.measured.get(self.plan.model, self.taken)

    def die(self, death: Death = DEAD) -> None:
        """Be gone."""
        if self.died.done():
            return
        for stream in self.streams:
            if not stream.ended.is_set():
                stream.fail(WorkerDiedError(death))
        self.died.set_result(death)
        self.machine.available += self.taken
        self.taken = 0

    def kill(self, why: str) -> None:
        """Be gone for *why*."""
        self.die(Death(f"killed: {why}", signal="SIGKILL", blamed=True))

    async def close(self, *, kill: bool = False) -> None:
        """End."""
        del kill
        assert not self.closed, "closed twice"
        self.closed = True
        if self.machine.stuck:
            await asyncio.get_running_loop().create_future()
        self.die(Death("exited with code 0", exit_code=0))


@dataclass
class FakeMachine:
    """A machine with memory that launches fakes; a `LaunchWorker`."""

    total: int = 16 * GIB
    available: int = 16 * GIB
    answer: bool = True
    heed_cancel: bool = True
    stuck: bool = False
    """The kernel lets no killed process go."""
    measured: dict[str, int] = field(default_factory=dict)
    load_troubles: dict[tuple[str, BackendKind], list[Exception]] = field(default_factory=dict)
    workers: list[FakeWorker] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    may_load: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.may_load.set()

    async def __call__(self, wanted: LoadPlan) -> FakeWorker:
        """Start a worker."""
        worker = FakeWorker(self, 1000 + len(self.workers), wanted)
        self.workers.append(worker)
        return worker

    @property
    def alive(self) -> list[FakeWorker]:
        """The workers that live."""
        return [one for one in self.workers if not one.died.done()]

    def memory(self) -> tuple[int, int]:
        """Read (total, available)."""
        return self.total, self.available

    def pool(
        self,
        settings: PoolSettings | None = None,
        *,
        obstacle: RkdError | None = None,
        calibration: Calibration | None = None,
    ) -> Pool:
        """A pool on this machine."""
        return Pool(
            settings or PoolSettings(memory_fraction=1.0, reserve_bytes=0),
            obstacle=obstacle,
            launch=self,
            memory=self.memory,
            calibration=calibration or Calibration(Path("/dev/null/memory.json")),
            publish=self.events.append,
        )


async def settled(rounds: int = 50) -> None:
    """Let every task that can go on do so."""
    for _ in range(rounds):
        await asyncio.sleep(0)
