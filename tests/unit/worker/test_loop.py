"""The worker's life over a real socketpair, with an engine that does what the test says."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TypeVar

import pytest

from rkd.backend.backend import WANTED, Emit, RunHandle, check_wanted
from rkd.errors import InvalidInputError, Reason, Violation
from rkd.inference import (
    Chunk,
    Embeddings,
    EmbedSpec,
    FinishReason,
    Loaded,
    LoadProgress,
    LoadSpec,
    Outcome,
    PrefillProgress,
    Ranking,
    RankSpec,
    Run,
    Sampling,
)
from rkd.model import BackendKind
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
    JobDoneFrame,
    JobFrame,
    LoadedFrame,
    LoadFrame,
    PingFrame,
    PongFrame,
    PrefillFrame,
    ProgressFrame,
    RankedFrame,
    RankFrame,
    RunFrame,
    TokenizedFrame,
    TokenizeFrame,
    ToWorker,
)
from rkd.worker.loop import WorkerLoop

BOUND_S = 10.0
FrameT = TypeVar("FrameT", bound=FromWorker)


class FakeBackend:
    """Echoes prompts; `wait` runs until cancelled, `refuse` and `break` fail."""

    def __init__(self) -> None:
        self.closed = threading.Event()
        self.spec: LoadSpec | None = None
        self.did = ""
        self.watched: list[str] = []

    def load(self, spec: LoadSpec, progress: Callable[[LoadProgress], None]) -> Loaded:
        """Tell one stage."""
        self.spec = spec
        progress(LoadProgress("loading", 0.5, 1, 2))
        return Loaded(64, 2, "fake")

    def run(self, run: Run, handle: RunHandle, emit: Emit) -> Outcome:
        """Do as the prompt says."""
        self.did = "run"
        emit(PrefillProgress(3, 2, 1))
        if run.prompt == "refuse":
            raise InvalidInputError(
                Reason.INVALID_FIELD,
                "no",
                metadata={"n": "1"},
                violations=(Violation("sampling.top_k", "too many"),),
            )
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

    def embed(self, spec: EmbedSpec, handle: RunHandle = WANTED) -> Embeddings:
        """Show what was asked; of "wait", when nobody waits for it any more."""
        self.did = "embed"
        if spec.inputs == ("wait",):
            stopped = threading.Event()
            handle.on_cancel(stopped.set)
            assert stopped.wait(BOUND_S)
            check_wanted(handle)
        return Embeddings(((float(len(spec.inputs)), float(spec.dimensions)),), 5)

    def rank(self, spec: RankSpec, handle: RunHandle = WANTED) -> Ranking:
        """Show what was asked."""
        self.did = "rank"
        check_wanted(handle)
        return Ranking((float(len(spec.query)), float(len(spec.documents))), 7)

    def tokenize(self, text: str, *, add_special: bool, parse_special: bool) -> tuple[int, ...]:
        """Show what was asked."""
        return (len(text), int(add_special), int(parse_special))

    def detokenize(self, token_ids: tuple[int, ...]) -> str:
        """Show what was asked."""
        return str(token_ids)

    def close(self) -> None:
        """Be closed."""
        self.closed.set()


class FakeStuckBackend(FakeBackend):
    """Holds on to what it has until the test lets it go."""

    may_close = threading.Event()

    def close(self) -> None:
        """Hang."""
        assert self.may_close.wait(BOUND_S)
        super().close()


class FakeDaemon:
    """The other end: sends frames, reads answers with a bound."""

    def __init__(self) -> None:
        self.socket, theirs = socket.socketpair()
        self.socket.settimeout(BOUND_S)
        self.backend = FakeBackend()
        self.left = threading.Event()
        self.watching = 0
        self.given_back: list[LoadSpec | None] = []
        self._theirs = theirs
        self._buffer = frame.FrameBuffer()
        self._frames: list[FromWorker] = []
        loop = WorkerLoop(
            theirs,
            lambda _: self.backend,
            self._job,
            leave=self._leave,
            watched=self._watched,
            give_back=lambda: self.given_back.append(self.backend.spec),
        )
        self.thread = threading.Thread(target=loop.serve, daemon=True)
        self.thread.start()

    @contextmanager
    def _watched(self) -> Iterator[None]:
        self.watching += 1
        yield
        self.backend.watched.append(self.backend.did)

    def _leave(self, code: int) -> None:
        assert code == 0
        self.left.set()

    @staticmethod
    def _job(
        kind: str, arguments: dict[str, str], progress: Callable[[LoadProgress], None]
    ) -> dict[str, str]:
        progress(LoadProgress("working"))
        return {"kind": kind, **arguments}

    def send(self, message: ToWorker) -> None:
        """Send one frame."""
        self.socket.sendall(codec.pack(message))

    def read(self) -> FromWorker:
        """The next frame."""
        while not self._frames:
            data = self.socket.recv(65536)
            assert data, "the worker closed"
            self._frames += [codec.read_from_worker(one) for one in self._buffer.feed(data)]
        return self._frames.pop(0)

    def run(self, request_id: int, prompt: str) -> None:
        """Ask for a run."""
        self.send(RunFrame(request_id, Run(prompt=prompt)))

    def until(self, request_id: int, kind: type[FrameT]) -> tuple[str, FrameT]:
        """The text of *request_id* up to its frame of *kind*, and that frame."""
        text = ""
        while True:
            message = self.read()
            if message.id != request_id:
                continue
            if isinstance(message, kind):
                return text, message
            if isinstance(message, ChunkFrame):
                text += message.chunk.text

    def load(self) -> None:
        """Greet and load."""
        hello = self.read()
        assert isinstance(hello, HelloFrame)
        assert hello.protocol == frame.PROTOCOL
        self.send(LoadFrame(OWN, LoadSpec(BackendKind.CPU, "/w", "m")))
        assert self.read() == ProgressFrame(OWN, LoadProgress("loading", 0.5, 1, 2))
        loaded = self.read()
        assert isinstance(loaded, LoadedFrame)
        assert loaded.loaded.runtime == "fake"

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
    text, last = daemon.until(1, DoneFrame)

    assert first == PrefillFrame(1, PrefillProgress(3, 2, 1))
    assert (text, last.outcome.reason) == ("hello there", "STOP_EOS")
    assert daemon.backend.spec == LoadSpec(BackendKind.CPU, "/w", "m")


def test_a_cancel_reaches_its_own_run_alone(daemon: FakeDaemon) -> None:
    """Two wait, one is stopped; the other goes on, and a cancel of nobody is nothing."""
    daemon.load()
    daemon.run(1, "wait")
    daemon.run(2, "wait")
    daemon.send(CancelFrame(9))
    daemon.send(CancelFrame(2))
    assert daemon.until(2, DoneFrame)[1].outcome.reason == "CANCELLED"
    daemon.run(3, "still here")
    assert daemon.until(3, DoneFrame)[0] == "still here"
    daemon.send(CancelFrame(1))

    assert daemon.until(1, DoneFrame)[1].outcome.reason == "CANCELLED"


def test_a_cancel_reaches_a_question(daemon: FakeDaemon) -> None:
    """It fails, which nobody hears, and the next one is answered."""
    daemon.load()
    daemon.send(EmbedFrame(1, EmbedSpec(("wait",))))
    daemon.send(CancelFrame(1))
    failed = daemon.until(1, FailedFrame)[1]
    daemon.send(EmbedFrame(2, EmbedSpec(("a",))))

    assert "Nobody waits" in failed.message
    assert daemon.until(2, EmbeddedFrame)[1].embeddings.prompt_tokens == 5


def test_a_refusal_is_told_and_the_worker_goes_on(daemon: FakeDaemon) -> None:
    """With reason, words, numbers and the fields."""
    daemon.load()
    daemon.run(1, "refuse")
    error = daemon.until(1, FailedFrame)[1].error()
    daemon.run(2, "x")

    assert (error.reason, error.message, error.metadata) == (
        Reason.INVALID_FIELD, "no", {"n": "1"}
    )  # fmt: skip
    assert error.violations == (Violation("sampling.top_k", "too many"),)
    assert daemon.until(2, DoneFrame)[0] == "x"


def test_a_defect_is_internal(daemon: FakeDaemon) -> None:
    """Named by its kind, and the worker goes on."""
    daemon.load()
    daemon.run(1, "break")
    failed = daemon.until(1, FailedFrame)[1]

    assert failed.reason == "INTERNAL"
    assert "ZeroDivisionError: oops" in failed.message


def test_short_questions_are_answered(daemon: FakeDaemon) -> None:
    """Everything asked arrives at the engine, and its answer here."""
    daemon.load()
    daemon.send(EmbedFrame(1, EmbedSpec(("a", "b"), dimensions=3)))
    embedded = daemon.until(1, EmbeddedFrame)[1].embeddings
    daemon.send(RankFrame(4, RankSpec("abc", ("d", "e"))))
    ranked = daemon.until(4, RankedFrame)[1].ranking
    daemon.send(TokenizeFrame(2, "abc", add_special=False, parse_special=True))
    tokenized = daemon.until(2, TokenizedFrame)[1]
    daemon.send(DetokenizeFrame(3, (1, 2)))
    detokenized = daemon.until(3, DetokenizedFrame)[1]

    assert embedded == Embeddings(((2.0, 3.0),), 5)
    assert ranked == Ranking((3.0, 2.0), 7)
    assert tokenized.token_ids == (3, 0, 1)
    assert detokenized.text == "(1, 2)"


def test_a_run_before_a_load_is_refused(daemon: FakeDaemon) -> None:
    """Nothing is loaded: said, not a crash."""
    daemon.run(1, "x")

    assert daemon.until(1, FailedFrame)[1].reason == "LOAD_FAILED"


def test_a_job_gives_progress_and_results(daemon: FakeDaemon) -> None:
    """Plain strings in and out."""
    daemon.send(JobFrame(OWN, "inspect", {"path": "/x"}))
    hello = daemon.read()
    assert isinstance(hello, HelloFrame)
    assert hello.pid
    assert daemon.read() == ProgressFrame(OWN, LoadProgress("working"))

    assert daemon.read() == JobDoneFrame(OWN, {"kind": "inspect", "path": "/x"})


def test_the_end_of_the_daemon_is_the_end(daemon: FakeDaemon) -> None:
    """The engine is closed first, even while a run goes on."""
    daemon.load()
    daemon.run(1, "wait")
    daemon.socket.shutdown(socket.SHUT_RDWR)

    assert daemon.backend.closed.wait(BOUND_S)
    assert daemon.left.wait(BOUND_S)


def test_an_engine_that_does_not_close_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """The daemon is gone: the process ends within its bound, whatever the engine holds."""
    monkeypatch.setattr("rkd.worker.loop.CLOSE_BOUND_S", 0.01)
    ours, theirs = socket.socketpair()
    backend, may_close, left = FakeStuckBackend(), threading.Event(), threading.Event()
    backend.may_close = may_close
    codes: list[int] = []
    alarms: list[bool] = []

    def leave(code: int) -> None:
        codes.append(code)
        alarms.append(threading.current_thread().daemon)
        left.set()

    loop = WorkerLoop(theirs, lambda _: backend, FakeDaemon._job, leave=leave)
    serving = threading.Thread(target=loop.serve, daemon=False)  # as a worker's own thread
    serving.start()
    ours.sendall(codec.pack(LoadFrame(OWN, LoadSpec(BackendKind.CPU, "/w", "m"))))
    ours.shutdown(socket.SHUT_WR)

    assert left.wait(BOUND_S)
    assert not backend.closed.is_set()
    may_close.set()
    serving.join(BOUND_S)
    assert set(codes) == {0}
    assert alarms[0]  # an alarm that is left over does not hold up the process
    ours.close()
    theirs.close()


def test_a_ping_is_answered_while_a_run_goes_on(daemon: FakeDaemon) -> None:
    """From the thread that reads, whatever the others do."""
    daemon.load()
    daemon.run(1, "wait")
    daemon.send(PingFrame(OWN))
    daemon.until(OWN, PongFrame)
    daemon.send(CancelFrame(1))
    _, done = daemon.until(1, DoneFrame)

    assert done.outcome.reason is FinishReason.CANCELLED


def test_a_run_out_of_bounds_reaches_no_engine(daemon: FakeDaemon) -> None:
    """It is refused by the name of its field, and the worker goes on."""
    daemon.load()
    daemon.send(RunFrame(1, Run(prompt="ab", sampling=Sampling(grammar="(" * 65))))
    _, failed = daemon.until(1, FailedFrame)

    assert [one.field for one in failed.violations] == ["options.sampling.grammar"]
    daemon.run(2, "ab")
    assert daemon.until(2, DoneFrame)[0] == "ab"


def test_a_frame_of_no_kind_ends_the_worker() -> None:
    """Both ends are of one version; anything else is a broken peer."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(frame.pack(b""))
        loop = WorkerLoop(theirs, lambda _: FakeBackend(), FakeDaemon._job, leave=lambda _: None)
        with pytest.raises(frame.FrameError, match="does not know"):
            loop.serve()


def test_a_daemon_gone_with_frames_unread_is_the_end_too() -> None:
    """The kernel says ECONNRESET then; the worker leaves as at any end of file."""
    ours, theirs = socket.socketpair()
    left: list[int] = []
    loop = WorkerLoop(theirs, lambda _: FakeBackend(), FakeDaemon._job, leave=left.append)
    serving = threading.Thread(target=loop.serve, daemon=True)
    serving.start()
    ours.settimeout(BOUND_S)
    assert ours.recv(1, socket.MSG_PEEK)
    ours.close()
    serving.join(BOUND_S)
    theirs.close()

    assert left[:1] == [0]


def test_the_cores_are_watched_while_something_is_computed(daemon: FakeDaemon) -> None:
    """And not for a text that is cut into tokens."""
    daemon.load()
    daemon.run(1, "x")
    daemon.until(1, DoneFrame)
    daemon.send(EmbedFrame(2, EmbedSpec(("a",))))
    daemon.until(2, EmbeddedFrame)
    daemon.send(RankFrame(3, RankSpec("q", ("d",))))
    daemon.until(3, RankedFrame)
    daemon.send(TokenizeFrame(4, "x", add_special=True, parse_special=True))
    daemon.until(4, TokenizedFrame)

    assert daemon.backend.watched == ["run", "embed", "rank"]
    assert daemon.watching == len(daemon.backend.watched)


class ElsewhereBackend(FakeBackend):
    """Computes in a process that watches its own cores."""

    def __init__(self) -> None:
        super().__init__()
        self.entered = 0

    @contextmanager
    def _inside(self) -> Iterator[None]:
        self.entered += 1
        yield

    @property
    def watches(self) -> Callable[[], AbstractContextManager[None]]:
        """As `WatchesItself` has it."""
        return self._inside


def test_an_engine_that_is_a_process_of_its_own_is_watched_there(daemon: FakeDaemon) -> None:
    """And not in ours, where nothing is computed."""
    daemon.backend = elsewhere = ElsewhereBackend()
    daemon.load()
    daemon.run(1, "x")
    daemon.until(1, DoneFrame)

    assert (elsewhere.entered, daemon.watching) == (1, 0)


def test_what_a_load_leaves_in_the_heap_is_given_back(daemon: FakeDaemon) -> None:
    """Once, when it is loaded and before the daemon hears of it and measures."""
    daemon.load()

    assert daemon.given_back == [daemon.backend.spec]
    assert daemon.backend.spec is not None
