"""The worker's life over a real socketpair, with an engine that does what the test says."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from rkd.backend.backend import Emit, RunHandle
from rkd.errors import InvalidInputError, Reason
from rkd.inference import (
    Capabilities,
    Chunk,
    Embeddings,
    EmbedSpec,
    FinishReason,
    Loaded,
    LoadProgress,
    LoadSpec,
    Outcome,
    PrefillProgress,
    Run,
)
from rkd.model import BackendKind
from rkd.wire import codec, frame
from rkd.wire.v1 import wire_pb2 as pb
from rkd.worker.loop import Loop

BOUND_S = 10.0


class FakeBackend:
    """Echoes prompts; `wait` runs until cancelled, `refuse` and `break` fail."""

    def __init__(self) -> None:
        self.closed = threading.Event()
        self.spec: LoadSpec | None = None

    def load(self, spec: LoadSpec, progress: Callable[[LoadProgress], None]) -> Loaded:
        """Tell one stage."""
        self.spec = spec
        progress(LoadProgress("loading", 0.5, 1, 2))
        return Loaded(Capabilities(embed=True), 64, 2, "fake")

    def run(self, run: Run, handle: RunHandle, emit: Emit) -> Outcome:
        """Do as the prompt says."""
        emit(PrefillProgress(3, 2, 1))
        if run.prompt == "refuse":
            raise InvalidInputError(Reason.INVALID_FIELD, "no", metadata={"n": "1"})
        if run.prompt == "break":
            raise ZeroDivisionError("oops")
        if run.prompt == "wait":
            stopped = threading.Event()
            handle.on_cancel(stopped.set)
            assert stopped.wait(BOUND_S)
            return Outcome(FinishReason.CANCELLED)
        for letter in run.prompt:
            emit(Chunk(letter, tokens=1))
        return Outcome(FinishReason.STOP_EOS)

    def embed(self, spec: EmbedSpec) -> Embeddings:
        """Show what was asked."""
        return Embeddings(((float(len(spec.inputs)), float(spec.dimensions)),), 5)

    def tokenize(self, text: str, *, add_special: bool, parse_special: bool) -> tuple[int, ...]:
        """Show what was asked."""
        return (len(text), int(add_special), int(parse_special))

    def detokenize(self, token_ids: tuple[int, ...]) -> str:
        """Show what was asked."""
        return str(token_ids)

    def close(self) -> None:
        """Be closed."""
        self.closed.set()


class FakeDaemon:
    """The other end: sends frames, reads answers with a bound."""

    def __init__(self) -> None:
        self.socket, theirs = socket.socketpair()
        self.socket.settimeout(BOUND_S)
        self.backend = FakeBackend()
        self.left = threading.Event()
        self._theirs = theirs
        self._buffer = frame.FrameBuffer()
        self._frames: list[pb.FromWorker] = []
        loop = Loop(theirs, lambda _: self.backend, self._job, leave=self._leave)
        self.thread = threading.Thread(target=loop.serve, daemon=True)
        self.thread.start()

    def _leave(self, code: int) -> None:
        assert code == 0
        self.left.set()

    @staticmethod
    def _job(
        kind: str, arguments: dict[str, str], progress: Callable[[LoadProgress], None]
    ) -> dict[str, str]:
        progress(LoadProgress("working"))
        return {"kind": kind, **arguments}

    def send(self, message: pb.ToWorker) -> None:
        """Send one frame."""
        self.socket.sendall(frame.pack(message.SerializeToString()))

    def read(self) -> pb.FromWorker:
        """The next frame."""
        while not self._frames:
            data = self.socket.recv(65536)
            assert data, "the worker closed"
            self._frames += [pb.FromWorker.FromString(one) for one in self._buffer.feed(data)]
        return self._frames.pop(0)

    def run(self, request_id: int, prompt: str) -> None:
        """Ask for a run."""
        self.send(pb.ToWorker(id=request_id, run=codec.pack_run(Run(prompt=prompt))))

    def until(self, request_id: int, *kinds: str) -> tuple[str, pb.FromWorker]:
        """The text of *request_id* up to its frame of one of *kinds*, and that frame."""
        text = ""
        while True:
            message = self.read()
            if message.id != request_id:
                continue
            if message.WhichOneof("frame") in kinds:
                return text, message
            text += message.chunk.text

    def load(self) -> None:
        """Greet and load."""
        assert self.read().hello.protocol == frame.PROTOCOL
        self.send(pb.ToWorker(load=codec.pack_load(LoadSpec(BackendKind.CPU, "/w", "m"))))
        assert self.read().progress == pb.Progress(
            stage="loading", fraction=0.5, done_bytes=1, total_bytes=2
        )
        assert codec.unpack_loaded(self.read().loaded).runtime == "fake"

    def close(self) -> None:
        """Leave, and see the worker leave."""
        self.socket.close()
        self.thread.join(BOUND_S)
        assert not self.thread.is_alive()
        self._theirs.close()


@pytest.fixture
def daemon() -> Iterator[FakeDaemon]:
    """A worker's loop on a thread, greeted by nobody yet."""
    made = FakeDaemon()
    yield made
    made.close()


def test_a_run_gives_its_pieces_in_order_then_done(daemon: FakeDaemon) -> None:
    """Prefill, every character once, the outcome; the load's words reached the engine."""
    daemon.load()
    daemon.run(1, "hello there")
    first = daemon.read()
    text, last = daemon.until(1, "done")

    assert first.prefill == pb.Prefill(total_tokens=3, processed_tokens=2, cached_tokens=1)
    assert (text, last.done.reason) == ("hello there", "STOP_EOS")
    assert daemon.backend.spec == LoadSpec(BackendKind.CPU, "/w", "m")


def test_a_cancel_reaches_its_own_run_alone(daemon: FakeDaemon) -> None:
    """Two wait, one is stopped; the other goes on, and a cancel of nobody is nothing."""
    daemon.load()
    daemon.run(1, "wait")
    daemon.run(2, "wait")
    daemon.send(pb.ToWorker(id=9, cancel=pb.Cancel()))
    daemon.send(pb.ToWorker(id=2, cancel=pb.Cancel()))
    assert daemon.until(2, "done")[1].done.reason == "CANCELLED"
    daemon.run(3, "still here")
    assert daemon.until(3, "done")[0] == "still here"
    daemon.send(pb.ToWorker(id=1, cancel=pb.Cancel()))

    assert daemon.until(1, "done")[1].done.reason == "CANCELLED"


def test_a_refusal_is_told_and_the_worker_goes_on(daemon: FakeDaemon) -> None:
    """With reason, words and numbers."""
    daemon.load()
    daemon.run(1, "refuse")
    error = codec.unpack_failure(daemon.until(1, "failed")[1].failed)
    daemon.run(2, "x")

    assert (error.reason, error.message, error.metadata) == (
        Reason.INVALID_FIELD, "no", {"n": "1"}
    )  # fmt: skip
    assert daemon.until(2, "done")[0] == "x"


def test_a_defect_is_internal(daemon: FakeDaemon) -> None:
    """Named by its kind, and the worker goes on."""
    daemon.load()
    daemon.run(1, "break")
    failed = daemon.until(1, "failed")[1].failed

    assert failed.reason == "INTERNAL"
    assert "ZeroDivisionError: oops" in failed.message


def test_short_questions_are_answered(daemon: FakeDaemon) -> None:
    """Everything asked arrives at the engine, and its answer here."""
    daemon.load()
    daemon.send(pb.ToWorker(id=1, embed=pb.Embed(inputs=["a", "b"], dimensions=3)))
    embedded = daemon.until(1, "embedded")[1].embedded
    daemon.send(pb.ToWorker(id=2, tokenize=pb.Tokenize(text="abc", parse_special=True)))
    tokenized = daemon.until(2, "tokenized")[1].tokenized
    daemon.send(pb.ToWorker(id=3, detokenize=pb.Detokenize(token_ids=[1, 2])))
    detokenized = daemon.until(3, "detokenized")[1].detokenized

    assert ([list(one.values) for one in embedded.vectors], embedded.prompt_tokens) == (
        [[2.0, 3.0]], 5
    )  # fmt: skip
    assert list(tokenized.token_ids) == [3, 0, 1]
    assert detokenized.text == "(1, 2)"


def test_a_run_before_a_load_is_refused(daemon: FakeDaemon) -> None:
    """Nothing is loaded: said, not a crash."""
    daemon.run(1, "x")

    assert daemon.until(1, "failed")[1].failed.reason == "LOAD_FAILED"


def test_a_job_gives_progress_and_results(daemon: FakeDaemon) -> None:
    """Plain strings in and out."""
    daemon.send(pb.ToWorker(job=pb.Job(kind="inspect", arguments={"path": "/x"})))
    assert daemon.read().hello.pid
    assert daemon.read().progress.stage == "working"

    assert dict(daemon.read().job_done.results) == {"kind": "inspect", "path": "/x"}


def test_the_end_of_the_daemon_is_the_end(daemon: FakeDaemon) -> None:
    """The engine is closed first, even while a run goes on."""
    daemon.load()
    daemon.run(1, "wait")
    daemon.socket.shutdown(socket.SHUT_RDWR)

    assert daemon.backend.closed.wait(BOUND_S)
    assert daemon.left.wait(BOUND_S)


def test_a_frame_of_no_kind_ends_the_worker() -> None:
    """Both ends are of one version; anything else is a broken peer."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(frame.pack(b""))
        loop = Loop(theirs, lambda _: FakeBackend(), FakeDaemon._job, leave=lambda _: None)
        with pytest.raises(frame.FrameError, match="does not know"):
            loop.serve()


def test_a_daemon_gone_with_frames_unread_is_the_end_too() -> None:
    """The kernel says ECONNRESET then; the worker leaves as at any end of file."""
    ours, theirs = socket.socketpair()
    left: list[int] = []
    loop = Loop(theirs, lambda _: FakeBackend(), FakeDaemon._job, leave=left.append)
    serving = threading.Thread(target=loop.serve, daemon=True)
    serving.start()
    ours.settimeout(BOUND_S)
    assert ours.recv(1, socket.MSG_PEEK)
    ours.close()
    serving.join(BOUND_S)
    theirs.close()

    assert left[:1] == [0]
