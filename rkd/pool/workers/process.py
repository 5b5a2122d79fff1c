"""
The daemon's hold on one worker process: frames out, bytes in, its bounds, its death.

What the frames mean is `exchange.py`'s; `launcher.py` starts it.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from rkd.errors import ExhaustedError, PreconditionError, Reason, RkdError
from rkd.inference import (
    Embeddings,
    EmbedSpec,
    Loaded,
    LoadProgress,
    LoadSpec,
    Ranking,
    RankSpec,
    Run,
)
from rkd.pool.deciding.state import Death
from rkd.pool.workers import kernel
from rkd.pool.workers.exchange import Exchange, Tell
from rkd.pool.workers.handle import Keep, WorkerDiedError
from rkd.pool.workers.lastwords import LastWords
from rkd.pool.workers.pulse import Pulse
from rkd.pool.workers.stream import PieceStream
from rkd.wire import codec
from rkd.wire.frame import FrameError
from rkd.wire.messages import (
    OWN,
    BecomeFrame,
    CancelFrame,
    DetokenizedFrame,
    DetokenizeFrame,
    EmbeddedFrame,
    EmbedFrame,
    FailedFrame,
    FromWorker,
    JobDoneFrame,
    JobFrame,
    LoadedFrame,
    LoadFrame,
    PingFrame,
    RankedFrame,
    RankFrame,
    RunFrame,
    SpelledFrame,
    SpellFrame,
    TokenizedFrame,
    TokenizeFrame,
    ToWorker,
)

CANCEL_BOUND_S = 30.0
"""Longest an engine may go on after Cancel, with a run or with a call nobody waits for; then its
process is killed. Source: rknn-llm #400,
an abort during prefill took 1.4 s; prefill of a long prompt on the NPU takes longer."""
KEEP_BOUND_S = 90.0
"""Longest the cache of a conversation may take to be written; the backend gives up before."""
CALL_BOUND_S = 60.0
"""Longest wait for an answer to Tokenize or Detokenize; 16 MB of text take some seconds."""
READ_BYTE_S = 0.1
"""What a byte to embed or rank adds to that: 7B models on the slow cores read some 3 tokens a
second."""
JOB_SILENCE_S = 900.0
"""Longest a job may go on without a word: it tells of every tensor."""
CLOSE_BOUND_S = 3.0
REAP_BOUND_S = 10.0
"""Longest wait for a killed process to be gone; one that hangs in a driver is given up."""
MAX_BACKLOG_BYTES = 64 * 1024 * 1024
"""Most bytes a worker may leave unread before nothing more is asked of it."""

_A = TypeVar("_A", bound=FromWorker)


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
        self._exchange = Exchange()
        self._pulse = Pulse(lambda: self._send(PingFrame(OWN)), self._owes, self._hung)
        self._why = ""
        self._blamed: frozenset[int] = frozenset()
        self._burying: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport | None = None
        self._loop = asyncio.get_running_loop()
        self.hello = self._exchange.hello
        self.died: asyncio.Future[Death] = self._loop.create_future()
        self.over: asyncio.Future[None] = self._loop.create_future()
        """Done once its load is over, however it went."""
        self.pid = process.pid
        self._reaper = asyncio.create_task(self._reap(), name=f"reap-{process.pid}")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - narrows the type
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Take what the worker says; one that breaks the protocol is killed."""
        self._pulse.heard()
        if self._why:
            return
        try:
            self._exchange.take(data)
        except FrameError as error:
            self._end(f"it broke the protocol: {error}", self._exchange.live)

    def connection_lost(self, exc: Exception | None) -> None:
        """The worker closed its end: it is dying or dead."""
        del exc
        self._kill()

    def kill(self, why: str) -> None:
        """End the process at once, for *why*; nobody who waits for it is to blame."""
        self._end(why, frozenset())

    def _end(self, why: str, blamed: frozenset[int]) -> None:
        if not (self._why or self.died.done()):
            self._why, self._blamed = why, blamed
            self._words.note(f"rkd ends this worker: {why}")
        self._kill()

    def _kill(self) -> None:
        # Not `Process.kill`: it polls first, so it would reap the child behind the back of
        # asyncio's watcher, and how it ended would be lost (measured: one swap in four).
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            if self._burying is None:
                self._burying = self._loop.call_later(REAP_BOUND_S, self._bury, -signal.SIGKILL)

    async def _reap(self) -> None:
        code = await self._process.wait()
        self._words.drain()
        self._bury(code)
        self._words.close()
        if self._transport is not None:
            self._transport.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _bury(self, code: int) -> None:
        """Tell everybody that it is dead, or as good as dead."""
        self._pulse.stop()
        if self._burying is not None:
            self._burying.cancel()
        if self.died.done():
            return
        death = kernel.death_of(code, self._words.lines(), self._why)
        doing = not self._why and not death.from_outside
        self._exchange.end(death, self._exchange.suspects if doing else self._blamed)
        self.died.set_result(death)
        self._load_is_over()

    def _owes(self) -> bool:
        stalled = self._exchange.stalled(self._loop.time())
        if stalled:
            self._end("a run made no progress", stalled)
        return self._exchange.busy

    def _hung(self) -> None:
        self._end("it gave no sign of life", self._exchange.live)

    def _send(self, message: ToWorker) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(codec.pack(message))

    def _check_backlog(self) -> None:
        held = self._transport.get_write_buffer_size() if self._transport is not None else 0
        if held > MAX_BACKLOG_BYTES:
            raise ExhaustedError(
                Reason.QUEUE_FULL,
                "the worker of this model has not yet read what was asked of it before",
                remedy="Try again after the delay given.",
                retry_after_s=1.0,
            )

    async def _ask(
        self,
        message: ToWorker,
        answer: type[_A],
        bound_s: float | None,
        progress: Tell | None = None,
    ) -> _A:
        """
        Send *message* and wait for its one *answer*, a Failed raised.

        Nothing said for *bound_s* (progress counts) costs the worker its life. Cancelling it tells
        the worker, and lasts until that has ended the call.
        """
        if self.died.done():
            raise WorkerDiedError(self.died.result())
        self._check_backlog()
        bound = asyncio.timeout(bound_s)

        def heard(said: LoadProgress) -> None:
            if bound_s is not None and not bound.expired():
                bound.reschedule(self._loop.time() + bound_s)
            if progress is not None:
                progress(said)

        waiter = self._exchange.ask(message.id, answer, heard if progress else None)
        try:
            async with bound:
                self._send(message)
                told = await asyncio.shield(waiter)
        except TimeoutError as error:
            self._end(f"it gave no answer within {bound_s:.0f} s", frozenset({message.id}))
            death = await asyncio.shield(self.died)
            raise WorkerDiedError(replace(death, blamed=True)) from error
        except asyncio.CancelledError:
            self._send(CancelFrame(message.id))
            if message.id != OWN:  # a load or a job ends with its process, which is the crew's
                await self._let_go(waiter)
            self._exchange.give_up(message.id)
            raise
        if isinstance(told, FailedFrame):
            raise self._refusal(told.error())
        assert isinstance(told, answer)  # noqa: S101 - the exchange has seen to it
        return told

    async def _let_go(self, waiter: asyncio.Future[FromWorker]) -> None:
        """Return when the worker has ended a call nobody waits for, or has been made to."""
        _, late = await asyncio.wait([waiter], timeout=CANCEL_BOUND_S)
        if late:
            self.kill("it went on with a call nobody waits for")
        await asyncio.gather(waiter, return_exceptions=True)

    def _refusal(self, error: RkdError) -> RkdError:
        if error.reason is not Reason.LOAD_FAILED:
            return error
        self._words.drain()
        evidence = self._words.evidence()
        message = f"{error.message.rstrip('.')}: {evidence}" if evidence else error.message
        metadata = {**error.metadata, "engine_log": evidence}
        return PreconditionError(error.reason, message, remedy=error.remedy, metadata=metadata)

    def _load_is_over(self) -> None:
        if not self.over.done():
            self.over.set_result(None)

    def become(self, options: Sequence[str], on_line: Callable[[str], None]) -> None:
        """Tell one that was started ahead the rest of its command line; Hello follows."""
        self._words.listen(on_line)
        self._send(BecomeFrame(OWN, tuple(options)))

    async def load(self, spec: LoadSpec, progress: Callable[[LoadProgress], None]) -> Loaded:
        """Load a model; *progress* is called on the loop, and who calls bounds its silence."""
        try:
            return (await self._ask(LoadFrame(OWN, spec), LoadedFrame, None, progress)).loaded
        finally:
            self._load_is_over()

    async def job(
        self,
        kind: str,
        arguments: Mapping[str, str],
        progress: Callable[[LoadProgress], None],
    ) -> dict[str, str]:
        """Do a short-lived task; raises as `load`."""
        asked = JobFrame(OWN, kind, dict(arguments))
        return (await self._ask(asked, JobDoneFrame, JOB_SILENCE_S, progress)).results

    def run(self, run: Run, keep: Keep | None = None) -> PieceStream:
        """Begin a run at once; *keep* takes what is written of its conversation."""
        self._check_backlog()
        if self.died.done():
            stream = PieceStream(_nothing)
            stream.die(self.died.result())
            return stream
        request_id = self._next_id()
        constrained = run.sampling.constrained
        stream = self._exchange.stream(
            request_id,
            lambda: self._stop(request_id),
            constrained=constrained,
            keep=None if keep is None else partial(keep, self._folder),
        )
        self._send(RunFrame(request_id, run))
        return stream

    async def _stop(self, request_id: int) -> None:
        stream = self._exchange.streaming(request_id)
        if stream is None:
            return
        bound_s = KEEP_BOUND_S
        if stream.outcome is None:
            self._send(CancelFrame(request_id))
            bound_s = CANCEL_BOUND_S
        try:
            async with asyncio.timeout(bound_s):
                await stream.ended.wait()
        except TimeoutError:
            self._kill()
            await stream.ended.wait()

    async def embed(self, spec: EmbedSpec) -> Embeddings:
        """Embed texts; raises as `load`."""
        bound_s = CALL_BOUND_S + READ_BYTE_S * sum(map(len, spec.inputs))
        asked = EmbedFrame(self._next_id(), spec)
        return (await self._ask(asked, EmbeddedFrame, bound_s)).embeddings

    async def rank(self, spec: RankSpec) -> Ranking:
        """Score documents; raises as `load`."""
        read = sum(map(len, spec.documents)) + len(spec.query) * len(spec.documents)
        asked = RankFrame(self._next_id(), spec)
        return (await self._ask(asked, RankedFrame, CALL_BOUND_S + READ_BYTE_S * read)).ranking

    async def tokenize(
        self, text: str, *, add_special: bool, parse_special: bool
    ) -> tuple[int, ...]:
        """Text to token ids; raises as `load`."""
        asked = TokenizeFrame(self._next_id(), text, add_special, parse_special)
        return (await self._ask(asked, TokenizedFrame, CALL_BOUND_S)).token_ids

    async def spell(self, token_ids: tuple[int, ...]) -> tuple[bytes, ...]:
        """The bytes of each token, by a vocabulary alone; raises as `load`."""
        asked = SpellFrame(self._next_id(), token_ids)
        return (await self._ask(asked, SpelledFrame, CALL_BOUND_S)).pieces

    async def detokenize(self, token_ids: tuple[int, ...]) -> str:
        """Token ids to text; raises as `load`."""
        asked = DetokenizeFrame(self._next_id(), token_ids)
        return (await self._ask(asked, DetokenizedFrame, CALL_BOUND_S)).text

    def _next_id(self) -> int:
        """The id of one more request; from now on the worker is watched."""
        self._pulse.watch()
        return self._exchange.next_id()

    def memory_bytes(self) -> int:
        """Resident memory of the worker and of an engine it has started; 0 when unknown."""
        return kernel.memory_bytes(self.pid)

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


async def _nothing() -> None:
    """Stop what never ran."""
