"""A Backend that is a real worker process: the contract suite's way through the wire."""

from __future__ import annotations

import itertools
import os
import queue
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from rkd.backend.backend import WANTED, Emit, RunHandle
from rkd.errors import Reason, UnavailableError
from rkd.inference import (
    Embeddings,
    EmbedSpec,
    Loaded,
    LoadProgress,
    LoadSpec,
    Outcome,
    Ranking,
    RankSpec,
    Run,
)
from rkd.session import Kept
from rkd.wire import codec, frame
from rkd.wire.messages import (
    OWN,
    CancelFrame,
    ChunkFrame,
    DetokenizedFrame,
    DetokenizeFrame,
    DoneFrame,
    EmbeddedFrame,
    EmbedFrame,
    FailedFrame,
    FromWorker,
    HelloFrame,
    KeptFrame,
    LoadedFrame,
    LoadFrame,
    PrefillFrame,
    ProgressFrame,
    RankedFrame,
    RankFrame,
    RunFrame,
    SpelledFrame,
    SpellFrame,
    TokenizedFrame,
    TokenizeFrame,
    ToWorker,
)

ROOT = Path(__file__).resolve().parents[2]
BOUND_S = 60.0


class WireBackend:
    """Speaks to `python -m rkd.worker` with blocking calls; owns the process."""

    def __init__(self, folder: Path) -> None:
        self._ours, theirs = socket.socketpair()
        command = [sys.executable, "-m", "rkd.worker", "--fd", str(theirs.fileno())]
        self.process = subprocess.Popen(
            [*command, "--parent", str(os.getpid())],
            pass_fds=(theirs.fileno(),),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        theirs.close()
        self._ids = itertools.count(1)
        self._answers: dict[int, queue.Queue[FromWorker | None]] = {0: queue.Queue()}
        self._lock = threading.Lock()
        self._keeping: dict[Run, int] = {}
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._hello()

    def _hello(self) -> None:
        told = self._answers[0].get(timeout=BOUND_S)
        assert isinstance(told, HelloFrame)
        assert told.protocol == frame.PROTOCOL

    def _read(self) -> None:
        buffer = frame.FrameBuffer()
        while data := self._received():
            for body in buffer.feed(data):
                message = codec.read_from_worker(body)
                waiting = self._answers.get(message.id)
                if waiting is not None:
                    waiting.put(message)
        for waiting in tuple(self._answers.values()):
            waiting.put(None)

    def _received(self) -> bytes:
        try:
            return self._ours.recv(65536)
        except OSError:  # closed by us meanwhile
            return b""

    def _send(self, message: ToWorker) -> None:
        with self._lock:
            self._ours.sendall(codec.pack(message))

    def _next(self, request_id: int) -> FromWorker:
        message = self._answers[request_id].get(timeout=BOUND_S)
        if message is None:
            raise UnavailableError(Reason.WORKER_CRASHED, "The worker is gone.")
        if isinstance(message, FailedFrame):
            raise message.error()
        return message

    def _begin(self) -> int:
        request_id = next(self._ids)
        self._answers[request_id] = queue.Queue()
        return request_id

    def load(self, spec: LoadSpec, progress: Callable[[LoadProgress], None]) -> Loaded:
        """Send Load; progress frames come back on this thread."""
        self._send(LoadFrame(OWN, spec))
        while isinstance(message := self._next(OWN), ProgressFrame):
            progress(message.progress)
        assert isinstance(message, LoadedFrame)
        return message.loaded

    def run(self, run: Run, handle: RunHandle, emit: Emit) -> Outcome:
        """Send Run and hand on what comes; a cancel becomes a frame."""
        request_id = self._begin()
        self._send(RunFrame(request_id, run))
        handle.on_cancel(lambda: self._send(CancelFrame(request_id)))
        while True:
            message = self._next(request_id)
            if isinstance(message, DoneFrame):
                if message.outcome.keeping:
                    self._keeping[run] = request_id
                return message.outcome
            if handle.cancelled:
                continue  # on its way before the worker heard of the cancel
            if isinstance(message, ChunkFrame):
                emit(message.chunk)
            else:
                assert isinstance(message, PrefillFrame)
                emit(message.progress)

    def keep(self, run: Run) -> Kept:
        """Wait for what follows the Done of *run*."""
        message = self._next(self._keeping.pop(run))
        assert isinstance(message, KeptFrame)
        return message.kept

    def embed(self, spec: EmbedSpec, handle: RunHandle = WANTED) -> Embeddings:
        """Send Embed."""
        request_id = self._begin()
        self._send(EmbedFrame(request_id, spec))
        handle.on_cancel(lambda: self._send(CancelFrame(request_id)))
        answer = self._next(request_id)
        assert isinstance(answer, EmbeddedFrame)
        return answer.embeddings

    def rank(self, spec: RankSpec, handle: RunHandle = WANTED) -> Ranking:
        """Send Rank."""
        request_id = self._begin()
        self._send(RankFrame(request_id, spec))
        handle.on_cancel(lambda: self._send(CancelFrame(request_id)))
        answer = self._next(request_id)
        assert isinstance(answer, RankedFrame)
        return answer.ranking

    def tokenize(self, text: str, *, add_special: bool, parse_special: bool) -> tuple[int, ...]:
        """Send Tokenize."""
        request_id = self._begin()
        self._send(TokenizeFrame(request_id, text, add_special, parse_special))
        answer = self._next(request_id)
        assert isinstance(answer, TokenizedFrame)
        return answer.token_ids

    def spell(self, token_ids: tuple[int, ...]) -> tuple[bytes, ...]:
        """Send Spell."""
        request_id = self._begin()
        self._send(SpellFrame(request_id, token_ids))
        answer = self._next(request_id)
        assert isinstance(answer, SpelledFrame)
        return answer.pieces

    def detokenize(self, token_ids: tuple[int, ...]) -> str:
        """Send Detokenize."""
        request_id = self._begin()
        self._send(DetokenizeFrame(request_id, token_ids))
        answer = self._next(request_id)
        assert isinstance(answer, DetokenizedFrame)
        return answer.text

    def close(self) -> None:
        """Close the socket, which ends the worker, and reap it."""
        if self.process.poll() is None:
            self._ours.shutdown(socket.SHUT_RDWR)
            try:
                self.process.wait(BOUND_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._ours.close()
