"""One run as its reader sees it: joined when slow, whole, ended one way."""

from __future__ import annotations

import asyncio

import pytest

from rkd.errors import InvalidInputError, Reason
from rkd.inference import Chunk, FinishReason, Outcome, PrefillProgress
from rkd.pool.deciding.state import Death
from rkd.pool.workers.handle import Piece, WorkerDiedError
from rkd.pool.workers.stream import PieceStream


class FakeStop:
    """Counts how often the worker is told to stop; returns when the test lets it."""

    def __init__(self) -> None:
        self.calls = 0
        self.may_end = asyncio.Event()

    async def __call__(self) -> None:
        """Be told."""
        self.calls += 1
        await self.may_end.wait()


async def read(stream: PieceStream) -> list[Piece]:
    """Everything to the end."""
    return [piece async for piece in stream]


async def test_a_slow_reader_gets_one_chunk() -> None:
    """Chunks that wait are joined, and only those that stand together."""
    stream = PieceStream(FakeStop())
    progress = PrefillProgress(2, 1, 0)
    for piece in (Chunk("a", tokens=1), Chunk("b", tokens=2), progress, Chunk("c", tokens=1)):
        stream.push(piece)
    stream.finish(Outcome(FinishReason.STOP_EOS))

    assert await read(stream) == [Chunk("ab", tokens=3), progress, Chunk("c", tokens=1)]
    assert stream.outcome == Outcome(FinishReason.STOP_EOS)


async def test_a_quick_reader_gets_each_as_it_comes() -> None:
    """A reader that waits is woken by every piece and by the end."""
    stream = PieceStream(FakeStop())
    reading = asyncio.create_task(read(stream))
    for letter in "ab":
        await asyncio.sleep(0)
        stream.push(Chunk(letter, tokens=1))
        await asyncio.sleep(0)
    stream.finish(Outcome(FinishReason.LENGTH))

    assert await reading == [Chunk("a", tokens=1), Chunk("b", tokens=1)]


async def test_a_failure_comes_behind_what_was_said() -> None:
    """Nothing that waits is lost to it."""
    stream = PieceStream(FakeStop())
    stream.push(Chunk("a", tokens=1))
    stream.fail(InvalidInputError(Reason.INVALID_FIELD, "no"))

    assert await anext(stream) == Chunk("a", tokens=1)
    with pytest.raises(InvalidInputError, match="no"):
        await anext(stream)


async def test_a_death_says_how_many_tokens_were_given() -> None:
    """To the reader, not by the worker: that decides whether the run may be tried again."""
    death = Death("killed by SIGKILL", signal="SIGKILL")
    silent, spoken = PieceStream(FakeStop()), PieceStream(FakeStop())
    spoken.push(Chunk("abc", tokens=3))
    await anext(spoken)
    for stream in (silent, spoken):
        stream.die(death)
    with pytest.raises(WorkerDiedError) as early:
        await anext(silent)
    with pytest.raises(WorkerDiedError) as late:
        await anext(spoken)

    assert (early.value.tokens_emitted, late.value.tokens_emitted) == (0, 3)
    assert late.value.death is death


async def test_closing_stops_the_run_once() -> None:
    """However many ask, and whoever of them is cancelled: the stop goes on."""
    stop = FakeStop()
    stream = PieceStream(stop)
    first, second = (asyncio.create_task(stream.aclose()) for _ in range(2))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert not second.done()
    stop.may_end.set()
    await second

    assert stop.calls == 1


async def test_closing_a_run_that_ended_tells_nobody() -> None:
    """It is over."""
    stop = FakeStop()
    stream = PieceStream(stop)
    stream.finish(Outcome(FinishReason.STOP_EOS))
    await stream.aclose()

    assert stop.calls == 0
