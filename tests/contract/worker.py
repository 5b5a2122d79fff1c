"""The other end of a real worker process, for tests: plain blocking calls, every wait bounded."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from rkd.inference import Chunk, Loaded, LoadSpec, Outcome, Run
from rkd.wire import codec, frame
from rkd.wire.messages import (
    OWN,
    CancelFrame,
    ChunkFrame,
    DoneFrame,
    FailedFrame,
    FromWorker,
    HelloFrame,
    LoadedFrame,
    LoadFrame,
    RunFrame,
    ToWorker,
)

ROOT = Path(__file__).parents[2]
BOUND_S = 30.0


class WorkerGoneError(Exception):
    """The worker closed its end; `code` is what its process ended with."""

    def __init__(self, code: int, log: str) -> None:
        super().__init__(f"the worker ended with {code}; it said:\n{log}")
        self.code = code
        self.log = log


class WorkerClient:
    """
    One worker and its socket.

    Args:
        environment: added to this process's.
    """

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        ours, theirs = socket.socketpair()
        command = [sys.executable, "-m", "rkd.worker", "--fd", str(theirs.fileno())]
        self.process = subprocess.Popen(
            [*command, "--parent", str(os.getpid())],
            pass_fds=(theirs.fileno(),),
            cwd=ROOT,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        theirs.close()
        ours.settimeout(BOUND_S)
        self._socket = ours
        self._buffer = frame.FrameBuffer()
        self._frames: list[FromWorker] = []
        self._lines: list[bytes] = []
        self._reader = threading.Thread(target=self._drain, daemon=True)
        self._reader.start()
        self._last_id = 0
        hello = self.receive()
        assert isinstance(hello, HelloFrame)
        self.hello = hello

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._socket.close()
        try:
            self.process.wait(BOUND_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        finally:
            self._reader.join(BOUND_S)
            if self.process.stdout is not None:
                self.process.stdout.close()

    @property
    def log(self) -> str:
        """What it printed up to now."""
        return b"".join(self._lines).decode("utf-8", "replace")

    def load(self, spec: LoadSpec) -> Loaded:
        """Load; raises what the worker failed with."""
        self.begin_load(spec)
        while True:
            answer = self.receive()
            if isinstance(answer, LoadedFrame):
                return answer.loaded
            if isinstance(answer, FailedFrame):
                raise answer.error()

    def begin_load(self, spec: LoadSpec) -> None:
        """Send a load without waiting for it."""
        self.send(LoadFrame(OWN, spec))

    def begin(self, run: Run) -> int:
        """Send *run*; its id."""
        self._last_id += 1
        self.send(RunFrame(self._last_id, run))
        return self._last_id

    def cancel(self, run_id: int) -> None:
        """Say that a run is no longer wanted."""
        self.send(CancelFrame(run_id))

    def answers(self, run_id: int) -> Iterator[Chunk | Outcome]:
        """Everything that comes for a run, up to its outcome; another run's frame is a failure."""
        while True:
            answer = self.receive()
            assert answer.id == run_id
            if isinstance(answer, ChunkFrame):
                yield answer.chunk
            elif isinstance(answer, FailedFrame):
                raise answer.error()
            elif isinstance(answer, DoneFrame):
                yield answer.outcome
                return

    def ask(self, run: Run) -> tuple[str, Outcome]:
        """Run to the end; text and outcome."""
        text = ""
        for piece in self.answers(self.begin(run)):
            if isinstance(piece, Outcome):
                return text, piece
            text += piece.text
        raise AssertionError("an answer ends with its outcome")

    def send(self, message: ToWorker) -> None:
        """Send one frame."""
        self._socket.sendall(codec.pack(message))

    def receive(self) -> FromWorker:
        """The next frame."""
        while not self._frames:
            try:
                data = self._socket.recv(65536)
            except ConnectionResetError:
                data = b""
            if not data:
                code = self.process.wait(BOUND_S)
                self._reader.join(BOUND_S)
                raise WorkerGoneError(code, self.log)
            self._frames += [codec.read_from_worker(body) for body in self._buffer.feed(data)]
        return self._frames.pop(0)

    def _drain(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.append(line)
