"""A loaded RKLLM backend over the stand-in, for tests: direct, no process between."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rkd.backend.rkllm.backend import RkllmBackend
from rkd.inference import Chunk, Loaded, LoadSpec, Outcome, PrefillProgress, Run
from rkd.model import BackendKind
from rkd.worker.handle import Handle
from tests.native import standin


@dataclass(frozen=True, slots=True)
class Answered:
    """What one run gave."""

    outcome: Outcome
    chunks: tuple[Chunk, ...]

    @property
    def text(self) -> str:
        """The visible text."""
        return "".join(chunk.text for chunk in self.chunks)

    @property
    def whole(self) -> Chunk:
        """All pieces as one."""
        return Chunk.join(self.chunks)


@dataclass(frozen=True, slots=True)
class Npu:
    """A backend with its model loaded."""

    backend: RkllmBackend
    loaded: Loaded
    log: Path

    def ask(
        self,
        run: Run,
        *,
        handle: Handle | None = None,
        on_chunk: Callable[[Chunk], None] | None = None,
    ) -> Answered:
        """Run to the end."""
        chunks: list[Chunk] = []

        def emit(piece: Chunk | PrefillProgress) -> None:
            if isinstance(piece, Chunk):
                chunks.append(piece)
                if on_chunk is not None:
                    on_chunk(piece)

        outcome = self.backend.run(run, handle or Handle(), emit)
        return Answered(outcome, tuple(chunks))

    def calls(self, name: str = "") -> list[Mapping[str, Any]]:
        """What the library was called with."""
        return standin.calls(self.log, name)


def spec(version: str, folder: Path, **settings: object) -> LoadSpec:
    """A load of a model that behaves as *settings* say, on the runtime of *version*."""
    log = folder / "calls.jsonl"
    weights = standin.weights(folder / "model.rkllm", log=log, **settings)
    return LoadSpec(
        BackendKind.NPU,
        str(weights),
        model="model",
        context_tokens=1024,
        runtime_library=str(standin.build(version)),
        cpu_mask=0xF0,
    )


@contextmanager
def loaded(
    version: str, folder: Path, *, change: Mapping[str, Any] | None = None, **settings: object
) -> Iterator[Npu]:
    """Load, and close at the end; *change* replaces fields of the load."""
    backend = RkllmBackend(folder=folder)
    try:
        asked = replace(spec(version, folder, **settings), **(change or {}))
        yield Npu(backend, backend.load(asked, lambda _: None), folder / "calls.jsonl")
    finally:
        backend.close()
