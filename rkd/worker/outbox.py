"""
Frames on their way to the daemon: whole, in order, and never one system call a token in a rush.

A piece of an answer goes out at once when the stream is calm. When pieces come faster than
WINDOW_S apart, those of one run are joined and leave together: at 15 tokens a second nothing is
ever delayed, at 50,000 the daemon sees some hundreds of frames a second.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from itertools import groupby
from operator import attrgetter

from rkd.errors import InternalError, Reason
from rkd.inference import Chunk
from rkd.wire import codec
from rkd.wire.frame import FrameError
from rkd.wire.messages import ChunkFrame, FailedFrame, FromWorker

WINDOW_S = 0.002
"""Longest a piece waits: far below what a reader of text can see."""


class Outbox:
    """
    Sends frames from any thread; owns one flushing thread.

    Args:
        connection: the worker's end of the socketpair, blocking.
        on_broken: called from the sending thread when a write finds the daemon gone.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        connection: socket.socket,
        on_broken: Callable[[], None],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connection = connection
        self._on_broken = on_broken
        self._clock = clock
        self._changed = threading.Condition()
        self._pending: dict[int, list[Chunk]] = {}
        self._sent_s = float("-inf")
        threading.Thread(target=self._flush_forever, name="outbox", daemon=True).start()

    def send(self, message: FromWorker) -> None:
        """Send *message* after everything its run has waiting."""
        with self._changed:
            self._flush_run(message.id)
            self._write(message)

    def chunk(self, run_id: int, chunk: Chunk) -> None:
        """Send a piece of an answer, now or joined with the next ones within WINDOW_S."""
        with self._changed:
            waiting = self._pending.get(run_id)
            if waiting is not None:
                waiting.append(chunk)
                return
            now = self._clock()
            if now - self._sent_s >= WINDOW_S:
                self._sent_s = now
                self._write_chunk(run_id, chunk)
                return
            self._pending[run_id] = [chunk]
            self._changed.notify()

    def _flush_forever(self) -> None:
        while True:
            with self._changed:
                while not self._pending:
                    self._changed.wait()
            time.sleep(WINDOW_S)
            with self._changed:
                self._sent_s = self._clock()
                for run_id in tuple(self._pending):
                    self._flush_run(run_id)

    def _flush_run(self, run_id: int) -> None:
        """Write what *run_id* has waiting; the lock is held."""
        waiting = self._pending.pop(run_id, None)
        for _, pieces in groupby(waiting or (), key=attrgetter("answer")):
            self._write_chunk(run_id, Chunk.join(list(pieces)))

    def _write_chunk(self, run_id: int, chunk: Chunk) -> None:
        self._write(ChunkFrame(run_id, chunk))

    def _write(self, message: FromWorker) -> None:
        try:
            data = codec.pack(message)
        except FrameError as error:
            # Said to who asked: nobody would catch it in the flushing thread.
            defect = InternalError(Reason.INTERNAL, f"The worker could not say it: {error}")
            data = codec.pack(FailedFrame.of(message.id, defect))
        try:
            self._connection.sendall(data)
        except OSError:
            self._on_broken()
