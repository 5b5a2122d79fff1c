"""Frames leave whole and in order; bursts are joined; nothing is lost."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from rkd.inference import Chunk, FinishReason, Outcome
from rkd.wire import codec, frame
from rkd.wire.messages import OWN, ChunkFrame, DoneFrame, FailedFrame, FromWorker, HelloFrame
from rkd.worker.outbox import WINDOW_S, Outbox


class FakeClock:
    """Seconds the test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Read it."""
        return self.now


class Wire:
    """An outbox and the end that reads it."""

    def __init__(self) -> None:
        self.reader, self.writer = socket.socketpair()
        self.reader.settimeout(10)
        self.clock = FakeClock()
        self.broken = threading.Event()
        self.outbox = Outbox(self.writer, self.broken.set, clock=self.clock)
        self._buffer = frame.FrameBuffer()
        self._frames: list[FromWorker] = []

    def read(self) -> FromWorker:
        """The next frame."""
        while not self._frames:
            bodies = self._buffer.feed(self.reader.recv(1 << 20))
            self._frames += [codec.read_from_worker(one) for one in bodies]
        return self._frames.pop(0)

    def piece(self) -> ChunkFrame:
        """The next frame, a piece of an answer."""
        found = self.read()
        assert isinstance(found, ChunkFrame)
        return found


@pytest.fixture
def wire() -> Iterator[Wire]:
    """A fresh one."""
    made = Wire()
    yield made
    made.reader.close()
    made.writer.close()


def test_a_calm_stream_is_never_delayed(wire: Wire) -> None:
    """Pieces WINDOW_S apart leave one by one, each at once."""
    for at, letter in enumerate("abc"):
        wire.clock.now = at * WINDOW_S
        wire.outbox.chunk(1, Chunk(letter, tokens=1))

        assert wire.outbox._pending == {}
        assert wire.read() == ChunkFrame(1, Chunk(letter, tokens=1))


def test_a_burst_is_joined_and_whole(wire: Wire) -> None:
    """Ten thousand pieces at one instant are few frames, in order, none lost."""
    letters = [chr(97 + at % 26) for at in range(10_000)]
    for letter in letters:
        wire.outbox.chunk(1, Chunk(letter, tokens=1))
    wire.outbox.send(DoneFrame(1, Outcome(FinishReason.STOP_EOS)))
    text, tokens, frames = "", 0, 0
    while isinstance(message := wire.read(), ChunkFrame):
        text, tokens = text + message.chunk.text, tokens + message.chunk.tokens
        frames += 1

    assert message == DoneFrame(1, Outcome(FinishReason.STOP_EOS))
    assert (text, tokens) == ("".join(letters), 10_000)
    assert frames < 5_000


def test_a_frame_stays_behind_its_own_runs_pieces(wire: Wire) -> None:
    """Done of one run flushes that run alone, whatever waits of others comes by itself."""
    wire.outbox.chunk(1, Chunk("a", tokens=1))
    with wire.outbox._changed:  # the flushing thread stands still meanwhile
        wire.outbox._pending[1] = [Chunk("b", tokens=1), Chunk("c", tokens=1)]
        wire.outbox._pending[2] = [Chunk("x", tokens=1)]
        wire.outbox._flush_run(1)
        assert list(wire.outbox._pending) == [2]
        wire.outbox._changed.notify()
    found = [(one.id, one.chunk.text) for one in (wire.piece(), wire.piece(), wire.piece())]

    assert found == [(1, "a"), (1, "bc"), (2, "x")]


def test_what_waits_leaves_without_a_next_piece(wire: Wire) -> None:
    """The last piece of a burst is not held until somebody speaks again."""
    wire.outbox.chunk(1, Chunk("a", tokens=1))
    wire.outbox.chunk(1, Chunk("b", tokens=1))

    assert [wire.piece().chunk.text, wire.piece().chunk.text] == ["a", "b"]


def test_a_daemon_that_is_gone_is_told_of(wire: Wire) -> None:
    """By the callback, from whoever sends next."""
    wire.reader.close()
    wire.outbox.send(HelloFrame(OWN, 1, 1))

    assert wire.broken.is_set()


def test_half_a_surrogate_pair_is_said_as_one_bad_character(wire: Wire) -> None:
    """Text that is no UTF-8 leaves as U+FFFD, whatever an engine makes; the thread goes on."""
    wire.outbox.chunk(1, Chunk("a\ud800b", tokens=1))
    wire.outbox.chunk(1, Chunk("\udfff", tokens=1))

    assert [wire.piece().chunk.text, wire.piece().chunk.text] == ["a\ufffdb", "\ufffd"]


def test_what_no_frame_can_hold_fails_its_own_run(wire: Wire) -> None:
    """An integer of 65 bits: the run is told, the flushing thread lives."""
    wire.outbox.chunk(1, Chunk("a", tokens=1))
    wire.outbox.chunk(1, Chunk("b", tokens=1 << 64))
    wire.piece()
    failed = wire.read()
    wire.outbox.send(DoneFrame(2, Outcome(FinishReason.STOP_EOS)))

    assert isinstance(failed, FailedFrame)
    assert (failed.id, failed.reason) == (1, "INTERNAL")
    assert wire.read().id == 2
