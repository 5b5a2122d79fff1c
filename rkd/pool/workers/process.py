"""
The daemon's hold on one worker process: frames out, frames in, its death, its last words.

Routes what it says to who asked, and reaps it. `launcher.py` starts it.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import signal
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from rkd.errors import PreconditionError, Reason, RkdError, UnavailableError
from rkd.inference import (
    Embeddings,
    EmbedSpec,
    Loaded,
    LoadProgress,
    LoadSpec,
    Run,
)
from rkd.pool.deciding.state import Death
from rkd.pool.workers.handle import WorkerDiedError
from rkd.pool.workers.lastwords import LastWords
from rkd.pool.workers.stream import Stream
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
    PrefillFrame,
    ProgressFrame,
    RunFrame,
    TokenizedFrame,
    TokenizeFrame,
    ToWorker,
)

CANCEL_BOUND_S = 30.0
"""Longest an engine may go on after Cancel; then its process is killed. Source: rknn-llm #400,
an abort during prefill took 1.4 s; prefill of a long prompt on the NPU takes longer."""
CLOSE_BOUND_S = 3.0

_A = TypeVar("_A", bound=FromWorker)
_Waiter = asyncio.Future[FromWorker]


class WorkerProcess(asyncio.Protocol):
    """
    One started worker; implements `rkd.pool.workers.handle.WorkerHandle`. Made by `Launcher`.

    Args:
        process: the child, ours to reap.
        folder: its private working folder, removed with it.
        words: what it prints.
    """

    def __init__(self, process: asyncio.subprocess.Process, folder: Path, words: LastWords) -> None:
        self._process = process
        self._folder = folder
        self._words = words
        self._incoming = frame.FrameBuffer()
        self._ids = itertools.count(1)
        self._streams: dict[int, Stream] = {}
        self._waiters: dict[int, _Waiter] = {}
        self._progress: Callable[[LoadProgress], None] = _ignore
        self._transport: asyncio.Transport | None = None
        self._loop = asyncio.get_running_loop()
        self.hello: asyncio.Future[None] = self._loop.create_future()
        self.died: asyncio.Future[Death] = self._loop.create_future()
        self.pid = process.pid
        self._reaper = asyncio.create_task(self._reap(), name=f"reap-{process.pid}")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - narrows the type
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Route every whole frame; a worker that breaks the protocol is killed."""
        try:
            for body in self._incoming.feed(data):
                self._route(codec.read_from_worker(body))
        except frame.FrameError:
            self._kill()

    def connection_lost(self, exc: Exception | None) -> None:
        """The worker closed its end: it is dying or dead."""
        del exc
        self._kill()

    def _kill(self) -> None:
        # Not `Process.kill`: it polls first, so it would reap the child behind the back of
        # asyncio's watcher, and how it ended would be lost (measured: one swap in four).
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)

    async def _reap(self) -> None:
        code = await self._process.wait()
        self._words.drain()
        death = _death(code, self._words.lines())
        if not self.hello.done():
            self.hello.set_exception(WorkerDiedError(death))
            self.hello.exception()  # seen: the launcher may have gone
        for stream in tuple(self._streams.values()):
            stream.die(death)
        for waiter in tuple(self._waiters.values()):
            if not waiter.done():
                waiter.set_exception(WorkerDiedError(death))
                waiter.exception()
        self._streams.clear()
        self._waiters.clear()
        self.died.set_result(death)
        self._words.close()
        if self._transport is not None:
            self._transport.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _route(self, message: FromWorker) -> None:
        stream = self._streams.get(message.id)
        if stream is not None:
            self._feed(stream, message)
        elif isinstance(message, HelloFrame):
            self._greet(message)
        elif isinstance(message, ProgressFrame):
            self._progress(message.progress)
        elif (waiter := self._waiters.get(message.id)) is not None and not waiter.done():
            waiter.set_result(message)

    def _greet(self, hello: HelloFrame) -> None:
        if self.hello.done():
            return
        if hello.protocol == frame.PROTOCOL:
            self.hello.set_result(None)
        else:
            self.hello.set_exception(
                UnavailableError(Reason.SHUTTING_DOWN, "rkd was upgraded under this daemon.")
            )

    def _feed(self, stream: Stream, message: FromWorker) -> None:
        match message:
            case ChunkFrame():
                stream.push(message.chunk)
            case PrefillFrame():
                stream.push(message.progress)
            case DoneFrame():
                del self._streams[message.id]
                stream.finish(message.outcome)
            case FailedFrame():
                del self._streams[message.id]
                stream.fail(message.error())
            case _:
                raise frame.FrameError("this is no answer to a run")

    def _send(self, message: ToWorker) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(codec.pack(message))

    async def _ask(self, message: ToWorker, answer: type[_A]) -> _A:
        """Send *message* and wait for its one *answer*, a Failed raised."""
        if self.died.done():
            raise WorkerDiedError(self.died.result())
        waiter: _Waiter = self._loop.create_future()
        self._waiters[message.id] = waiter
        self._send(message)
        try:
            told = await waiter
        except asyncio.CancelledError:
            self._send(CancelFrame(message.id))
            raise
        finally:
            self._waiters.pop(message.id, None)
        if isinstance(told, FailedFrame):
            raise self._refusal(told.error())
        if not isinstance(told, answer):
            self._kill()
            raise WorkerDiedError(await asyncio.shield(self.died))
        return told

    def _refusal(self, error: RkdError) -> RkdError:
        if error.reason is not Reason.LOAD_FAILED:
            return error
        self._words.drain()
        evidence = self._words.evidence()
        message = f"{error.message.rstrip('.')}: {evidence}" if evidence else error.message
        metadata = {**error.metadata, "engine_log": evidence}
        return PreconditionError(error.reason, message, remedy=error.remedy, metadata=metadata)

    async def load(self, spec: LoadSpec, progress: Callable[[LoadProgress], None]) -> Loaded:
        """Load a model; *progress* is called on the loop."""
        self._progress = progress
        return (await self._ask(LoadFrame(OWN, spec), LoadedFrame)).loaded

    async def job(
        self,
        kind: str,
        arguments: Mapping[str, str],
        progress: Callable[[LoadProgress], None],
    ) -> dict[str, str]:
        """Do a short-lived task; raises as `load`."""
        self._progress = progress
        return (await self._ask(JobFrame(OWN, kind, dict(arguments)), JobDoneFrame)).results

    def run(self, run: Run) -> Stream:
        """Begin a run at once."""
        request_id = next(self._ids)
        stream = Stream(lambda: self._stop(request_id))
        if self.died.done():
            stream.die(self.died.result())
            return stream
        self._streams[request_id] = stream
        self._send(RunFrame(request_id, run))
        return stream

    async def _stop(self, request_id: int) -> None:
        stream = self._streams.get(request_id)
        if stream is None:
            return
        self._send(CancelFrame(request_id))
        try:
            async with asyncio.timeout(CANCEL_BOUND_S):
                await stream.ended.wait()
        except TimeoutError:
            self._kill()
            await asyncio.shield(self._reaper)

    async def embed(self, spec: EmbedSpec) -> Embeddings:
        """Embed texts; raises as `load`."""
        return (await self._ask(EmbedFrame(next(self._ids), spec), EmbeddedFrame)).embeddings

    async def tokenize(
        self, text: str, *, add_special: bool, parse_special: bool
    ) -> tuple[int, ...]:
        """Text to token ids; raises as `load`."""
        asked = TokenizeFrame(next(self._ids), text, add_special, parse_special)
        return (await self._ask(asked, TokenizedFrame)).token_ids

    async def detokenize(self, token_ids: tuple[int, ...]) -> str:
        """Token ids to text; raises as `load`."""
        asked = DetokenizeFrame(next(self._ids), token_ids)
        return (await self._ask(asked, DetokenizedFrame)).text

    def memory_bytes(self) -> int:
        """Resident memory of the worker and of an engine it has started; 0 when unknown."""
        return sum(_resident_bytes(pid) for pid in (self.pid, *_children(self.pid)))

    def kill(self, why: str) -> None:
        """End the process at once, for *why*."""
        self._words.note(f"rkd ended this worker: {why}")
        self._kill()

    async def close(self, *, kill: bool = False) -> None:
        """End the process and reap it: politely within a bound, or at once; never raises."""
        if kill:
            self._kill()
        elif self._transport is not None:
            self._transport.write_eof()
            with suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_BOUND_S):
                    await asyncio.shield(self._reaper)
            self._kill()
        await asyncio.shield(self._reaper)


def _ignore(progress: LoadProgress) -> None:
    del progress


def _death(code: int, lines: tuple[str, ...]) -> Death:
    if code >= 0:
        return Death(f"exited with code {code}", exit_code=code, last_lines=lines)
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return Death(f"killed by {name}", signal=name, last_lines=lines)


def _children(pid: int) -> tuple[int, ...]:
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    except OSError:
        return ()
    return tuple(int(word) for word in text.split())


def _resident_bytes(pid: int) -> int:
    try:
        fields: list[Any] = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()
    except OSError:
        return 0
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")
