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

from rkd.backend.backend import Backend
from rkd.errors import InternalError, PreconditionError, Reason, RkdError
from rkd.inference import Chunk, EmbedSpec, FinishReason, LoadProgress, Outcome, PrefillProgress
from rkd.wire import codec, frame
from rkd.wire.v1 import wire_pb2 as pb
from rkd.worker.handle import Handle
from rkd.worker.outbox import Outbox

READ_BYTES = 64 * 1024
CLOSE_BOUND_S = 2.0
"""How long an engine may take to give back what it holds before the process just ends."""

MakeBackend = Callable[[pb.Load], Backend]
RunJob = Callable[[str, dict[str, str], Callable[[LoadProgress], None]], dict[str, str]]


class Loop:
    """
    Serves one daemon over *connection* until end of file; then the process ends.

    Args:
        connection: our end of the socketpair, blocking.
        make_backend: picks the engine for a load.
        run_job: does a short-lived task.
        leave: ends the process; `os._exit`, which waits for no thread of any engine.
    """

    def __init__(
        self,
        connection: socket.socket,
        make_backend: MakeBackend,
        run_job: RunJob,
        *,
        leave: Callable[[int], None] = os._exit,
    ) -> None:
        self._connection = connection
        self._make_backend = make_backend
        self._run_job = run_job
        self._leave = leave
        self._outbox = Outbox(connection, lambda: leave(0))
        self._backend: Backend | None = None
        self._handles: dict[int, Handle] = {}
        self._lock = threading.Lock()

    def serve(self) -> None:
        """Say Hello, then answer frames until the daemon is gone; a real worker ends here."""
        hello = pb.Hello(protocol=frame.PROTOCOL, pid=os.getpid())
        self._outbox.send(pb.FromWorker(hello=hello))
        incoming = frame.FrameBuffer()
        while data := self._receive():
            for body in incoming.feed(data):
                self._take(pb.ToWorker.FromString(body))
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

    def _take(self, message: pb.ToWorker) -> None:
        match message.WhichOneof("frame"):
            case "load":
                self._guard(0, lambda: self._load(message.load))
            case "job":
                self._guard(0, lambda: self._job(message.job))
            case "cancel":
                self._cancel(message.id)
            case "run":
                # Known before its thread starts, so that a Cancel right behind it finds it.
                handle = Handle()
                with self._lock:
                    self._handles[message.id] = handle
                self._start(message.id, lambda: self._run(message.id, message.run, handle))
            case "embed":
                self._start(message.id, lambda: self._embed(message.id, message.embed))
            case "tokenize":
                self._start(message.id, lambda: self._tokenize(message.id, message.tokenize))
            case "detokenize":
                self._start(message.id, lambda: self._detokenize(message.id, message.detokenize))
            case _:
                raise frame.FrameError("a frame of a kind this worker does not know")

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
        self._outbox.send(pb.FromWorker(id=request_id, failed=codec.pack_failure(error)))

    def _progress(self, progress: LoadProgress) -> None:
        told = pb.Progress(
            stage=progress.stage,
            fraction=progress.fraction,
            done_bytes=progress.done_bytes,
            total_bytes=progress.total_bytes,
        )
        self._outbox.send(pb.FromWorker(progress=told))

    def _load(self, load: pb.Load) -> None:
        backend = self._make_backend(load)
        self._backend = backend
        loaded = backend.load(codec.unpack_load(load), self._progress)
        self._outbox.send(pb.FromWorker(loaded=codec.pack_loaded(loaded)))

    def _job(self, job: pb.Job) -> None:
        results = self._run_job(job.kind, dict(job.arguments), self._progress)
        self._outbox.send(pb.FromWorker(job_done=pb.JobDone(results=results)))

    def _cancel(self, request_id: int) -> None:
        with self._lock:
            handle = self._handles.get(request_id)
        if handle is not None:
            handle.cancel()

    def _engine(self) -> Backend:
        if self._backend is None:
            raise PreconditionError(Reason.LOAD_FAILED, "Nothing is loaded in this worker.")
        return self._backend

    def _run(self, request_id: int, run: pb.Run, handle: Handle) -> None:
        outbox = self._outbox

        def emit(piece: Chunk | PrefillProgress) -> None:
            if isinstance(piece, Chunk):
                outbox.chunk(request_id, piece)
                return
            progress = pb.Prefill(
                total_tokens=piece.total_tokens,
                processed_tokens=piece.processed_tokens,
                cached_tokens=piece.cached_tokens,
            )
            outbox.send(pb.FromWorker(id=request_id, prefill=progress))

        if handle.cancelled:
            outcome = Outcome(FinishReason.CANCELLED)
        else:
            outcome = self._engine().run(codec.unpack_run(run), handle, emit)
        outbox.send(pb.FromWorker(id=request_id, done=codec.pack_outcome(outcome)))

    def _embed(self, request_id: int, embed: pb.Embed) -> None:
        spec = EmbedSpec(tuple(embed.inputs), embed.normalize, embed.dimensions)
        found = self._engine().embed(spec)
        answer = pb.Embedded(
            vectors=[pb.Vector(values=vector) for vector in found.vectors],
            prompt_tokens=found.prompt_tokens,
        )
        self._outbox.send(pb.FromWorker(id=request_id, embedded=answer))

    def _tokenize(self, request_id: int, asked: pb.Tokenize) -> None:
        ids = self._engine().tokenize(
            asked.text, add_special=asked.add_special, parse_special=asked.parse_special
        )
        answer = pb.Tokenized(token_ids=ids)
        self._outbox.send(pb.FromWorker(id=request_id, tokenized=answer))

    def _detokenize(self, request_id: int, asked: pb.Detokenize) -> None:
        answer = pb.Detokenized(text=self._engine().detokenize(tuple(asked.token_ids)))
        self._outbox.send(pb.FromWorker(id=request_id, detokenized=answer))
