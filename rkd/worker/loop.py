"""
The worker's life: Hello, one load or one job, then runs until the daemon closes the socket.

The main thread reads frames; each request has a thread of its own, because engines block. Knows
frames and the Backend protocol, nothing of any engine.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from rkd import bounds
from rkd.backend.backend import Backend, Spells, WatchesItself
from rkd.errors import InternalError, PreconditionError, Reason, RkdError
from rkd.inference import (
    Chunk,
    FinishReason,
    LoadProgress,
    LoadSpec,
    Outcome,
    PrefillProgress,
    Run,
)
from rkd.wire import codec, frame
from rkd.wire.messages import (
    OWN,
    BecomeFrame,
    CancelFrame,
    DetokenizedFrame,
    DetokenizeFrame,
    DoneFrame,
    EmbeddedFrame,
    EmbedFrame,
    FailedFrame,
    FromWorker,
    HelloFrame,
    JobDoneFrame,
    JobFrame,
    KeptFrame,
    LoadedFrame,
    LoadFrame,
    PingFrame,
    PongFrame,
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
from rkd.worker import heap
from rkd.worker.answers import answered
from rkd.worker.handle import Handle
from rkd.worker.outbox import Outbox

READ_BYTES = 64 * 1024
CLOSE_BOUND_S = 2.0
"""How long an engine may take to give back what it holds before the process just ends."""

MakeBackend = Callable[[LoadSpec], Backend]
Watched = Callable[[], AbstractContextManager[None]]
"""Watches the cores while a block computes; see `spinning.py`."""
RunJob = Callable[[str, dict[str, str], Callable[[LoadProgress], None]], dict[str, str]]


Question = EmbedFrame | RankFrame | TokenizeFrame | SpellFrame | DetokenizeFrame


class WorkerLoop:
    """
    Serves one daemon over *connection* until end of file; then the process ends.

    Args:
        connection: our end of the socketpair, blocking.
        make_backend: picks the engine for a load.
        run_job: does a short-lived task.
        leave: ends the process; `os._exit`, which waits for no thread of any engine.
        watched: entered around whatever computes.
        give_back: called after a load, for what it has left in the heap.
    """

    def __init__(
        self,
        connection: socket.socket,
        make_backend: MakeBackend,
        run_job: RunJob,
        *,
        leave: Callable[[int], None] = os._exit,
        watched: Watched = nullcontext,
        give_back: Callable[[], None] = heap.give_back,
    ) -> None:
        self._connection = connection
        self._make_backend = make_backend
        self._run_job = run_job
        self._leave = leave
        self._watched = watched
        self._give_back = give_back
        self._outbox = Outbox(connection, lambda: leave(0))
        self._backend: Backend | None = None
        self._handles: dict[int, Handle] = {}
        self._lock = threading.Lock()

    def serve(self) -> None:
        """Say Hello, then answer frames until the daemon is gone; a real worker ends here."""
        self._outbox.send(HelloFrame(OWN, frame.PROTOCOL, os.getpid()))
        incoming = frame.FrameBuffer()
        while data := self._receive():
            for body in incoming.feed(data):
                self._take(codec.read_to_worker(body))
        self._close()

    def _receive(self) -> bytes:
        try:
            return self._connection.recv(READ_BYTES)
        except ConnectionResetError:
            # A daemon that ended with frames of ours unread: the kernel says it so, unix(7).
            return b""

    def _close(self) -> None:
        alarm = threading.Timer(CLOSE_BOUND_S, self._leave, (0,))
        alarm.daemon = True
        alarm.start()
        if self._backend is not None:
            self._backend.close()
        self._leave(0)

    def _take(self, message: ToWorker) -> None:
        request_id = message.id
        match message:
            case LoadFrame():
                self._guard(OWN, lambda: self._load(message.spec))
            case JobFrame():
                self._guard(OWN, lambda: self._job(message))
            case CancelFrame():
                self._cancel(request_id)
            case BecomeFrame():
                pass  # we are somebody already
            case PingFrame():
                self._outbox.send(PongFrame(request_id))
            case RunFrame():
                running = self._known(request_id)
                self._start(request_id, lambda: self._run(request_id, message.run, running))
            case _:
                asking = self._known(request_id)
                self._start(request_id, lambda: self._answer(message, asking))

    def _known(self, request_id: int) -> Handle:
        """Its handle, known before its thread starts: a Cancel right behind it finds it."""
        handle = Handle()
        with self._lock:
            self._handles[request_id] = handle
        return handle

    def _start(self, request_id: int, act: Callable[[], None]) -> None:
        name = f"request-{request_id}"
        threading.Thread(target=self._guard, args=(request_id, act), name=name, daemon=True).start()

    def _guard(self, request_id: int, act: Callable[[], None]) -> None:
        """Carry out *act*; whatever it raises goes to the daemon. The second broad except."""
        try:
            act()
        except RkdError as error:
            self._fail(request_id, error)
        except Exception as error:  # noqa: BLE001 - one of two: a defect becomes a Failed frame
            what = f"The worker made a mistake: {type(error).__name__}: {error}"
            self._fail(request_id, InternalError(Reason.INTERNAL, what))
        finally:
            with self._lock:
                self._handles.pop(request_id, None)

    def _fail(self, request_id: int, error: RkdError) -> None:
        self._outbox.send(FailedFrame.of(request_id, error))

    def _progress(self, progress: LoadProgress) -> None:
        self._outbox.send(ProgressFrame(OWN, progress))

    def _load(self, spec: LoadSpec) -> None:
        backend = self._make_backend(spec)
        self._backend = backend
        loaded = backend.load(spec, self._progress)
        if isinstance(backend, WatchesItself):
            self._watched = backend.watches or self._watched
        self._give_back()
        self._outbox.send(LoadedFrame(OWN, loaded))

    def _job(self, job: JobFrame) -> None:
        results = self._run_job(job.kind, job.arguments, self._progress)
        self._outbox.send(JobDoneFrame(OWN, results))

    def _cancel(self, request_id: int) -> None:
        with self._lock:
            handle = self._handles.get(request_id)
        if handle is not None:
            handle.cancel()

    def _engine(self) -> Backend:
        if self._backend is None:
            raise PreconditionError(Reason.LOAD_FAILED, "Nothing is loaded in this worker.")
        return self._backend

    def _run(self, request_id: int, run: Run, handle: Handle) -> None:
        outbox = self._outbox

        def emit(piece: Chunk | PrefillProgress) -> None:
            if isinstance(piece, Chunk):
                outbox.chunk(request_id, piece)
            else:
                outbox.send(PrefillFrame(request_id, piece))

        if handle.cancelled:
            outcome = Outcome(FinishReason.CANCELLED)
        else:
            bounds.check(run)
            engine = self._engine()
            with self._watched():
                outcome = answered(run, lambda one, to: engine.run(one, handle, to), handle, emit)
        outbox.send(DoneFrame(request_id, outcome))
        if outcome.keeping:
            outbox.send(KeptFrame(request_id, self._engine().keep(run)))

    def _answer(self, asked: Question, handle: Handle) -> None:
        engine = self._engine()
        answer: FromWorker
        match asked:
            case EmbedFrame():
                with self._watched():
                    answer = EmbeddedFrame(asked.id, engine.embed(asked.spec, handle))
            case RankFrame():
                with self._watched():
                    answer = RankedFrame(asked.id, engine.rank(asked.spec, handle))
            case TokenizeFrame():
                ids = engine.tokenize(
                    asked.text, add_special=asked.add_special, parse_special=asked.parse_special
                )
                answer = TokenizedFrame(asked.id, ids)
            case SpellFrame():
                answer = SpelledFrame(asked.id, _spelled(engine, asked.token_ids))
            case DetokenizeFrame():
                answer = DetokenizedFrame(asked.id, engine.detokenize(asked.token_ids))
        self._outbox.send(answer)


def _spelled(engine: Backend, token_ids: tuple[int, ...]) -> tuple[bytes, ...]:
    assert isinstance(engine, Spells)  # noqa: S101 - asked of vocabularies alone
    return engine.spell(token_ids)
