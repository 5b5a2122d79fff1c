"""
What the pool asks of one worker process; `process.py` does it with a child, tests with fakes.

The pool owns every handle it gets from `LaunchWorker` and closes it exactly once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Protocol

from rkd.inference import (
    Chunk,
    Embeddings,
    EmbedSpec,
    Loaded,
    LoadProgress,
    LoadSpec,
    Outcome,
    PrefillProgress,
    Ranking,
    RankSpec,
    Run,
)
from rkd.pool.deciding.state import Death, LoadPlan
from rkd.session import Kept

Piece = Chunk | PrefillProgress
"""What a run says while it goes on."""


Keep = Callable[[Path, Kept], Awaitable[None]]
"""Takes over what a worker wrote of a conversation, in its folder; never raises."""


class WorkerDiedError(Exception):
    """
    The worker is gone in the middle of something; the pool turns this into WORKER_CRASHED.

    Args:
        death: how.
        tokens_emitted: tokens of this run its reader was given before.
    """

    def __init__(self, death: Death, tokens_emitted: int = 0) -> None:
        super().__init__(death.description)
        self.death = death
        self.tokens_emitted = tokens_emitted


class RunStream(Protocol):
    """
    One run under way: iterate to its end, then `outcome` is set.

    Iterating raises RkdError when the run failed and WorkerDiedError when the worker did.
    """

    @property
    def outcome(self) -> Outcome | None:
        """How it ended; None before."""

    @property
    def ended(self) -> asyncio.Event:
        """Set once the worker is done with it, however slow its reader is."""

    def __aiter__(self) -> AsyncIterator[Piece]:
        """Yield pieces in order; a slow reader gets joined chunks."""

    async def aclose(self) -> None:
        """
        Return when the worker is done with the run, cancelling it if it is not.

        Kills the worker when that is not heeded within a bound. Safe to call at any time, twice
        too; never raises.
        """


class WorkerHandle(Protocol):
    """A worker process, started and not yet loaded."""

    @property
    def pid(self) -> int:
        """Its process id."""

    @property
    def died(self) -> asyncio.Future[Death]:
        """Done once the process is gone, for whatever reason, `close` included."""

    async def load(self, spec: LoadSpec, progress: Callable[[LoadProgress], None]) -> Loaded:
        """
        Load a model; *progress* is called on the loop.

        Raises:
            RkdError: the engine's refusal.
            WorkerDiedError: the process ended.
        """

    def run(self, run: Run, keep: Keep | None = None) -> RunStream:
        """
        Begin a run; nothing is sent before the first iteration is awaited or at once.

        Args:
            run: what is asked.
            keep: takes what is written of its conversation, once, before the run has ended.
        """

    async def embed(self, spec: EmbedSpec) -> Embeddings:
        """Embed texts; raises as `load`. Cancelling it ends it in the worker first."""

    async def rank(self, spec: RankSpec) -> Ranking:
        """Score documents; raises as `load`. Cancelling it ends it in the worker first."""

    async def tokenize(
        self, text: str, *, add_special: bool, parse_special: bool
    ) -> tuple[int, ...]:
        """Text to token ids; raises as `load`."""

    async def spell(self, token_ids: tuple[int, ...]) -> tuple[bytes, ...]:
        """The bytes of each token, by a vocabulary alone; raises as `load`."""

    async def detokenize(self, token_ids: tuple[int, ...]) -> str:
        """Token ids to text; raises as `load`."""

    def memory_bytes(self) -> int:
        """Memory the process has now, 0 when that is not known."""

    def kill(self, why: str) -> None:
        """End the process at once; what it does ends with WorkerDiedError, blamed for *why*."""

    async def close(self, *, kill: bool = False) -> None:
        """End the process and reap it: politely within a bound, or at once; never raises."""


class LaunchWorker(Protocol):
    """Starts a worker for a plan."""

    async def __call__(self, plan: LoadPlan) -> WorkerHandle:
        """
        Start the process; returns when it has said Hello.

        Raises:
            RkdError: it could not be started.
            WorkerDiedError: it ended at once.
        """
