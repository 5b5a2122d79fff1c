"""Whatever a worker says, the daemon reads it as frames in their place, or ends the worker."""

from __future__ import annotations

import asyncio

from rkd.errors import InvalidInputError, Reason
from rkd.inference import (
    Chunk,
    Embeddings,
    FinishReason,
    Loaded,
    LoadProgress,
    Outcome,
    PrefillProgress,
)
from rkd.pool.deciding.state import Death
from rkd.pool.workers.exchange import Exchange
from rkd.wire import codec, frame
from rkd.wire.frame import FrameError
from rkd.wire.messages import (
    OWN,
    ChunkFrame,
    DoneFrame,
    EmbeddedFrame,
    FailedFrame,
    HelloFrame,
    LoadedFrame,
    PongFrame,
    PrefillFrame,
    ProgressFrame,
    TokenizedFrame,
)
from tests.fuzz.frame import Fuzz, Target

HELLO = codec.pack(HelloFrame(OWN, frame.PROTOCOL, 1))
REFUSED = InvalidInputError(Reason.INVALID_FIELD, "no")
EXAMPLES = (
    codec.pack(LoadedFrame(OWN, Loaded(1, 1, "fake"))),
    codec.pack(ProgressFrame(OWN, LoadProgress("loading", 0.5))),
    codec.pack(PrefillFrame(1, PrefillProgress(2, 1, 0)))
    + codec.pack(ChunkFrame(1, Chunk("text", tokens=1)))
    + codec.pack(DoneFrame(1, Outcome(FinishReason.STOP_EOS))),
    codec.pack(TokenizedFrame(2, (1, 2, 3))),
    codec.pack(FailedFrame.of(1, REFUSED)),
    codec.pack(EmbeddedFrame(3, Embeddings(((0.5, 1.0),), 2))),
    codec.pack(PongFrame(OWN)),
    HELLO,
)


async def nothing() -> None:
    """Stop what needs no stopping."""


async def say(data: bytes) -> None:
    """Feed *data* to a daemon that waits for everything; afterwards nobody is left waiting."""
    it = Exchange()
    it.take(HELLO)
    stream = it.stream(it.next_id(), nothing)
    waiters = [
        it.ask(OWN, LoadedFrame, lambda _: None),
        it.ask(it.next_id(), TokenizedFrame, None),
        it.ask(it.next_id(), EmbeddedFrame, None),
    ]
    try:
        for at in range(0, len(data), 7):
            it.take(data[at : at + 7])
    except FrameError:
        pass
    it.end(Death("killed by SIGKILL", "SIGKILL"), it.live)

    assert stream.ended.is_set()
    for waiter in waiters:
        assert waiter.done()
        waiter.exception()


def test_frames(fuzz: Fuzz) -> None:
    """No exception but FrameError, whatever the bytes, and every waiter is told of the end."""
    fuzz(Target("worker_frames", lambda data: asyncio.run(say(data)), EXAMPLES))
