"""What a worker may say and when; whatever else it says ends it, and nobody waits on."""

from __future__ import annotations

import asyncio

import pytest

from rkd.errors import InternalError, Reason
from rkd.inference import (
    Chunk,
    FinishReason,
    Loaded,
    LoadProgress,
    Outcome,
    PrefillProgress,
)
from rkd.pool.deciding.state import Death
from rkd.pool.workers.exchange import (
    CONSTRAINED_SILENCE_S,
    MAX_PIECE_BYTES,
    RUN_SILENCE_S,
    Exchange,
)
from rkd.pool.workers.handle import WorkerDiedError
from rkd.pool.workers.stream import PieceStream
from rkd.session import Kept
from rkd.wire import codec, frame
from rkd.wire.frame import FrameError
from rkd.wire.messages import (
    OWN,
    ChunkFrame,
    DoneFrame,
    FailedFrame,
    FromWorker,
    HelloFrame,
    KeptFrame,
    LoadedFrame,
    PongFrame,
    PrefillFrame,
    ProgressFrame,
    TokenizedFrame,
)

HELLO = HelloFrame(OWN, frame.PROTOCOL, 1)
LOADED = LoadedFrame(OWN, Loaded(1, 1, "fake"))
DONE = DoneFrame(1, Outcome(FinishReason.STOP_EOS))
CHUNK = ChunkFrame(1, Chunk("a", tokens=1))
DEAD = Death("killed by SIGSEGV", "SIGSEGV")


async def nothing() -> None:
    """Stop what needs no stopping."""


def greeted() -> Exchange:
    """A worker that has said Hello."""
    it = Exchange()
    it.take(codec.pack(HELLO))
    return it


def running(it: Exchange) -> PieceStream:
    """A run under way."""
    return it.stream(it.next_id(), nothing)


async def test_answers_reach_who_asked() -> None:
    """Progress and the load's answer, a run's pieces and its end, another's tokens."""
    it = greeted()
    told: list[LoadProgress] = []
    loading = it.ask(OWN, LoadedFrame, told.append)
    it.take(codec.pack(ProgressFrame(OWN, LoadProgress("loading"))))
    it.take(codec.pack(LOADED))
    stream = running(it)
    tokens = it.ask(it.next_id(), TokenizedFrame, None)
    it.take(codec.pack(CHUNK) + codec.pack(TokenizedFrame(2, (3,))) + codec.pack(DONE))

    assert (await loading, await tokens) == (LOADED, TokenizedFrame(2, (3,)))
    assert [one.stage for one in told] == ["loading"]
    assert [piece async for piece in stream] == [CHUNK.chunk]
    assert not it.busy


@pytest.mark.parametrize(
    "said",
    [
        HELLO,
        LOADED,
        ProgressFrame(OWN, LoadProgress("loading")),
        TokenizedFrame(1, ()),
        LoadedFrame(2, LOADED.loaded),
        DoneFrame(2, DONE.outcome),
        ChunkFrame(3, CHUNK.chunk),
        DoneFrame(3, DONE.outcome),
    ],
)
async def test_a_frame_out_of_place_breaks_the_protocol(said: FromWorker) -> None:
    """A second Hello, a load nobody asked for, another kind of answer, an id nobody has."""
    it = greeted()
    running(it)
    it.ask(it.next_id(), TokenizedFrame, None)
    with pytest.raises(FrameError):
        it.take(codec.pack(said))


KEEPING = DoneFrame(1, Outcome(FinishReason.STOP_EOS, keeping=True))
KEPT = KeptFrame(1, Kept(7, "s", 3, "p"))


async def test_a_conversation_is_kept_behind_the_answer() -> None:
    """The reader has its end at once; the run has ended when it is taken over."""
    it = greeted()
    taken: list[Kept] = []
    may_take = asyncio.Event()

    async def keep(kept: Kept) -> None:
        await may_take.wait()
        taken.append(kept)

    stream = it.stream(it.next_id(), nothing, keep=keep)
    it.take(codec.pack(CHUNK) + codec.pack(KEEPING))

    assert [piece async for piece in stream] == [CHUNK.chunk]
    assert stream.outcome == KEEPING.outcome
    assert it.busy
    it.take(codec.pack(KEPT))
    assert not stream.ended.is_set()
    may_take.set()
    await stream.ended.wait()
    assert taken == [KEPT.kept]
    assert not it.busy


@pytest.mark.parametrize("end", ["failed", "death"])
async def test_what_keeps_a_conversation_from_being_kept_spoils_no_answer(end: str) -> None:
    """A defect in the worker, or its death, behind a whole answer."""
    it = greeted()
    taken: list[Kept] = []

    async def keep(kept: Kept) -> None:
        taken.append(kept)

    stream = it.stream(it.next_id(), nothing, keep=keep)
    it.take(codec.pack(CHUNK) + codec.pack(KEEPING))
    if end == "failed":
        it.take(codec.pack(FailedFrame.of(1, InternalError(Reason.INTERNAL, "x"))))
    else:
        it.end(Death("killed"), frozenset())
    await stream.ended.wait()

    assert [piece async for piece in stream] == [CHUNK.chunk]
    assert all(kept == Kept() for kept in taken)


@pytest.mark.parametrize("before", [[], [KEEPING, KEPT], [DONE]])
async def test_what_was_kept_has_its_place(before: list[FromWorker]) -> None:
    """Once, behind a Done that says so."""
    it = greeted()
    running(it)
    with pytest.raises(FrameError):
        it.take(b"".join(map(codec.pack, [*before, KEPT])))


async def test_hello_comes_first() -> None:
    """Anything else before it is no worker of ours."""
    with pytest.raises(FrameError):
        Exchange().take(codec.pack(PongFrame(OWN)))


async def test_an_end_comes_once() -> None:
    """What has ended says nothing more."""
    it = greeted()
    running(it)
    it.take(codec.pack(DONE))
    with pytest.raises(FrameError):
        it.take(codec.pack(DONE))


async def test_the_answer_to_what_was_given_up_may_still_come() -> None:
    """Once; until then the worker owes it."""
    it = greeted()
    it.ask(it.next_id(), TokenizedFrame, None).cancel()
    it.give_up(1)
    assert it.busy
    it.take(codec.pack(TokenizedFrame(1, ())))
    assert not it.busy
    with pytest.raises(FrameError):
        it.take(codec.pack(TokenizedFrame(1, ())))


@pytest.mark.parametrize("body", [b"\xff\xff", b"", b"\xa6hello!"])
async def test_a_malformed_frame_ends_every_waiter(body: bytes) -> None:
    """Nobody is left waiting for an answer that came and could not be read."""
    it = greeted()
    stream = running(it)
    loading = it.ask(OWN, LoadedFrame, None)
    with pytest.raises(FrameError):
        it.take(frame.pack(body))
    it.end(DEAD, it.live)

    for waiting in (loading, anext(stream)):
        with pytest.raises(WorkerDiedError) as caught:
            await waiting
        assert caught.value.death.blamed


async def test_a_large_frame_is_refused_before_it_is_buffered() -> None:
    """By its length alone; only who asked for vectors or tokens may get more."""
    it = greeted()
    running(it)
    announced = (MAX_PIECE_BYTES + 1).to_bytes(4, "little")
    with pytest.raises(FrameError):
        it.take(announced)
    other = greeted()
    other.ask(other.next_id(), TokenizedFrame, None)
    other.take(announced)
    with pytest.raises(FrameError):
        greeted().take((frame.MAX_FRAME_BYTES + 1).to_bytes(4, "little"))


async def test_the_newest_that_said_nothing_is_suspected() -> None:
    """One that answers already has not just now ended its worker."""
    it = greeted()
    old, silent, new = running(it), running(it), running(it)
    it.take(codec.pack(ChunkFrame(3, CHUNK.chunk)))
    it.take(codec.pack(PrefillFrame(2, PrefillProgress(2, 1, 0))))
    it.end(DEAD, it.suspects)

    blamed = []
    for stream in (old, silent, new):
        with pytest.raises(WorkerDiedError) as caught:
            [piece async for piece in stream]
        blamed.append(caught.value.death.blamed)
    assert blamed == [False, True, False]


@pytest.mark.parametrize(
    ("constrained", "bound_s"), [(False, RUN_SILENCE_S), (True, CONSTRAINED_SILENCE_S)]
)
async def test_a_run_that_says_nothing_stalls(constrained: bool, bound_s: float) -> None:  # noqa: FBT001 - a parameter
    """Every piece counts anew; a grammar may keep an engine busy for ever, so it has less time."""
    it = greeted()
    stream = it.stream(it.next_id(), nothing, constrained=constrained)

    assert it.stalled(stream.heard_s + bound_s - 1) == frozenset()
    assert it.stalled(stream.heard_s + bound_s + 1) == {1}
    before_s = stream.heard_s
    await asyncio.sleep(0)
    it.take(codec.pack(CHUNK))
    assert stream.heard_s >= before_s
