"""A board for the pool's integration tests: real workers over the stand-in NPU runtime."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rkd.board.facts import RuntimeLibrary
from rkd.errors import Reason, RkdError
from rkd.events import Event
from rkd.inference import Chunk, Run
from rkd.model import Format, Model, ModelName, ModelState, Recipe, WeightsFile
from rkd.pool.calibration import Calibration
from rkd.pool.deciding.budget import GIB
from rkd.pool.deciding.settings import PoolSettings
from rkd.pool.pairings import Pairings
from rkd.pool.pool import Pool
from rkd.pool.ticket import Ask, Served
from rkd.pool.workers.handle import LaunchWorker
from rkd.pool.workers.launcher import Launcher
from tests.models import tiny
from tests.native import standin

VERSION = "1.3.0"
BUSY = frozenset({Reason.QUEUE_FULL, Reason.NO_EVICTABLE_MODEL})


@dataclass
class Board:
    """A pool and what it runs on."""

    pool: Pool
    folder: Path
    libraries: tuple[RuntimeLibrary, ...]
    events: list[Event] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    def model(
        self, name: str, *, gguf: bool = False, runtime: str = "", **settings: object
    ) -> Model:
        """A model for the stand-in, told how to behave; with a tiny GGUF beside it if asked."""
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        files = [(standin.weights(folder / f"{name}.rkllm", **settings), Format.RKLLM)]
        if gguf:
            files.append((tiny.write(folder / f"{name}.gguf"), Format.GGUF))
        return Model(
            ModelName(name),
            folder,
            ModelState.READY,
            weights=tuple(WeightsFile(file, kind, file.stat().st_size, 0) for file, kind in files),
            recipe=Recipe(parameters=(("rkllm_version", runtime),) if runtime else ()),
            version="1",
        )

    def workers(self) -> list[int]:
        """Process ids of the workers there are."""
        return [one.pid for one in self.pool.residents() if one.pid]


@asynccontextmanager
async def board(
    folder: Path,
    *,
    versions: tuple[str, ...] = (VERSION,),
    launch: LaunchWorker | None = None,
    **fields: object,
) -> AsyncIterator[Board]:
    """A board with these runtimes and a pool of these settings; all is gone afterwards."""
    libraries = tuple(RuntimeLibrary(standin.build(one), one) for one in versions)
    settings = PoolSettings(
        memory_fraction=1.0,
        reserve_bytes=0,
        libraries=libraries,
        libraries_given=True,
        npu_lease_path=str(folder / "npu.lock"),
        **fields,  # type: ignore[arg-type]
    )
    events: list[Event] = []
    lines: list[str] = []
    pool = Pool(
        settings,
        obstacle=None,
        launch=launch
        or Launcher(
            folder / "workers",
            dict(os.environ),
            lambda _model, _pid, line: lines.append(line),
            confined=False,  # the stand-ins write down what they took of the NPU
        ),
        memory=lambda: (8 * GIB, 8 * GIB),
        calibration=Calibration(folder / "memory.json"),
        pairings=Pairings(folder / "runtimes.json"),
        publish=events.append,
    )
    try:
        yield Board(pool, folder, libraries, events, lines)
    finally:
        await pool.close(0)


async def answer(pool: Pool, ask: Ask, prompt: str) -> tuple[str, Served]:
    """Run to the end; gives the text and how it was served."""
    text, served = "", None
    async with aclosing(pool.stream(ask, Run(prompt=prompt))) as items:
        async for item in items:
            if isinstance(item, Chunk):
                text += item.text
            elif isinstance(item, Served):
                served = item
    assert served is not None
    return text, served


def children() -> set[int]:
    """Process ids of every child of ours."""
    here = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children")
    return {int(pid) for pid in here.read_text(encoding="ascii").split()}


def open_files() -> int:
    """How many file descriptors are open."""
    return len(list(Path("/proc/self/fd").iterdir()))


@dataclass
class Tally:
    """What became of the requests of many clients."""

    answered: int = 0
    cancelled: int = 0
    busy: int = 0
    aborted: int = 0
    crashed: int = 0
    mixed: list[str] = field(default_factory=list)
    others: list[RkdError] = field(default_factory=list)

    async def ask(self, pool: Pool, model: Model, client: str, prompt: str) -> None:
        """Send one request and note what became of it; the stand-in echoes the prompt."""
        try:
            text, _ = await answer(pool, Ask(model, client=client), prompt)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        except RkdError as error:
            self._note(error)
            if error.reason in BUSY:
                await asyncio.sleep(0.05)
        else:
            self.answered += 1
            if text != prompt:
                self.mixed.append(f"{prompt!r} got {text!r}")

    def _note(self, error: RkdError) -> None:
        if error.reason in BUSY:
            self.busy += 1
        elif error.reason is Reason.WORKER_CRASHED:
            if error.metadata.get("tokens_emitted", "0") == "0":
                self.crashed += 1
            else:
                self.aborted += 1
        else:
            self.others.append(error)
