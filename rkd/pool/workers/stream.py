"""
One run as the daemon sees it: pieces arrive from the worker, a reader takes them at its own pace.

A slow reader never holds the worker: what waits for it is joined into one chunk. Lives on the
event loop's thread.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable

from rkd.inference import Chunk, Outcome
from rkd.pool.deciding.state import Death
from rkd.pool.workers.handle import Piece, WorkerDiedError
from rkd.session import Kept


class PieceStream:
    """
    Implements `rkd.pool.workers.handle.RunStream`.

    Args:
        stop: tells the worker to stop the run and returns once it has, or was killed for it.
        silence_s: how long it may say nothing.
        keep: takes over what was written of its conversation; never raises.
    """

    def __init__(
        self,
        stop: Callable[[], Awaitable[None]],
        silence_s: float = math.inf,
        keep: Callable[[Kept], Awaitable[None]] | None = None,
    ) -> None:
        self._stop = stop
        self._keep = keep or _keep_nothing
        self._keeping: asyncio.Future[None] | None = None
        self._waiting: deque[Piece] = deque()
        self._arrived = asyncio.Event()
        self._error: Exception | None = None
        self._death: Death | None = None
        self._stopping: asyncio.Task[None] | None = None
        self._given_tokens = 0
        self._loop = asyncio.get_running_loop()
        self.heard_s = self._loop.time()
        """When it last said something, on the loop's clock."""
        self.silence_s = silence_s
        self.silent = True
        """Whether nothing of an answer has come yet."""
        self.outcome: Outcome | None = None
        self.ended = asyncio.Event()

    def push(self, piece: Piece) -> None:
        """Take the next piece from the worker."""
        self.heard_s = self._loop.time()
        if self.silent:
            self.silent = not isinstance(piece, Chunk)
        self._waiting.append(piece)
        self._arrived.set()

    def finish(self, outcome: Outcome) -> None:
        """The run ended well; if its conversation is still to be kept, the worker is not done."""
        self.outcome = outcome
        if outcome.keeping:
            self._arrived.set()
        else:
            self._end()

    def keep(self, kept: Kept) -> None:
        """The worker is done with that too; the run has ended once it is taken over."""
        self._keeping = asyncio.ensure_future(self._take_over(kept))

    async def _take_over(self, kept: Kept) -> None:
        try:
            await self._keep(kept)
        finally:
            self._end()

    def fail(self, error: Exception) -> None:
        """The run failed."""
        self._error = error
        self._end()

    def die(self, death: Death) -> None:
        """The worker is gone."""
        self._death = death
        self._end()

    def _end(self) -> None:
        self.ended.set()
        self._arrived.set()

    def __aiter__(self) -> AsyncIterator[Piece]:
        return self

    async def __anext__(self) -> Piece:
        while not self._waiting:
            if self.ended.is_set() or self.outcome is not None:
                self._raise_end()
            self._arrived.clear()
            await self._arrived.wait()
        return self._take()

    def _take(self) -> Piece:
        first = self._waiting.popleft()
        if not isinstance(first, Chunk):
            return first
        more: list[Chunk] = []
        for piece in self._waiting:
            if not isinstance(piece, Chunk) or piece.answer != first.answer:
                break
            more.append(piece)
        for _ in more:
            self._waiting.popleft()
        chunk = Chunk.join([first, *more])
        self._given_tokens += chunk.tokens
        return chunk

    def _raise_end(self) -> None:
        if self.outcome is not None:
            raise StopAsyncIteration
        if self._death is not None:
            raise WorkerDiedError(self._death, self._given_tokens)
        if self._error is not None:
            raise self._error
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Return when the worker is done with the run, cancelling it if it is not."""
        if self.ended.is_set():
            return
        # A task of its own: a reader cancelled twice still leaves a run that is being stopped.
        if self._stopping is None:
            self._stopping = asyncio.ensure_future(self._stop())
        await asyncio.shield(self._stopping)


async def _keep_nothing(_kept: Kept) -> None:
    """Nobody asked for it."""
