"""Runs a short-lived task of the worker in a child of its own: convert, quantize, inspect."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from rkd.errors import Reason, UnavailableError
from rkd.inference import LoadProgress
from rkd.pool.deciding.state import Death
from rkd.pool.workers.handle import WorkerDiedError

RAM_BYTES = 1 << 30
"""Memory counted for a job: a tensor as F32 and what it becomes, of models a board can run."""


class JobWorker(Protocol):
    """The part of a worker's handle that a job needs; see `WorkerProcess`."""

    async def job(
        self,
        kind: str,
        arguments: Mapping[str, str],
        progress: Callable[[LoadProgress], None],
    ) -> dict[str, str]:
        """Do the task."""

    async def close(self, *, kill: bool = False) -> None:
        """End the process and reap it."""


class Jobs:
    """
    One job at a time: each wants all cores and much of the disk.

    Args:
        start: starts a worker; takes what it is called in the log.
        admit: counts the job's memory while it runs (`Pool.job`).
    """

    def __init__(
        self,
        start: Callable[[str], Awaitable[JobWorker]],
        admit: Callable[[int], AbstractAsyncContextManager[None]],
    ) -> None:
        self._start = start
        self._admit = admit
        self._turn = asyncio.Lock()

    async def __call__(
        self,
        kind: str,
        arguments: Mapping[str, str],
        progress: Callable[[LoadProgress], None],
    ) -> Mapping[str, str]:
        """
        Do the task *kind* and return its results; cancelling kills the child.

        Args:
            kind: as in `worker/jobs.py`.
            arguments: of the task; paths of the daemon's choosing.
            progress: called on the loop.

        Raises:
            UnavailableError: WORKER_CRASHED.
            RkdError: what the task refuses.
        """
        async with self._turn, self._admit(RAM_BYTES):
            try:
                worker = await self._start(f"job {kind}")
            except WorkerDiedError as error:
                raise _crashed(kind, error.death) from error
            try:
                return await worker.job(kind, arguments, progress)
            except WorkerDiedError as error:
                raise _crashed(kind, error.death) from error
            finally:
                await asyncio.shield(worker.close(kill=True))


def _crashed(kind: str, death: Death) -> UnavailableError:
    said = f": {death.last_lines[-1]}" if death.last_lines else ""
    return UnavailableError(
        Reason.WORKER_CRASHED,
        f"the process that was to {kind} was {death.description}{said}",
        remedy="Try again; if it ran out of memory, let models leave first with `rkctl stop`.",
        metadata={"signal": death.signal, "job": kind},
    )
