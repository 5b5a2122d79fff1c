"""
What is asked of one worker and what it may say: every frame has its place, or breaks the protocol.

No process and no socket here: bytes come in, streams and waiters move on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

from rkd.errors import Reason, UnavailableError
from rkd.inference import LoadProgress
from rkd.pool.deciding.state import Death
from rkd.pool.workers.handle import WorkerDiedError
from rkd.pool.workers.stream import PieceStream
from rkd.session import Kept
from rkd.wire import codec, frame
from rkd.wire.frame import FrameError
from rkd.wire.messages import (
    OWN,
    ChunkFrame,
    DoneFrame,
    FailedFrame,
    Frame,
    FromWorker,
    HelloFrame,
    KeptFrame,
    PongFrame,
    PrefillFrame,
    ProgressFrame,
)

MAX_PIECE_BYTES = 16 * 1024 * 1024
"""Largest frame of a run: a whole answer of 128k tokens has 1 MB. Answers to Embed and Tokenize
may have all that `frame` allows."""

RUN_SILENCE_S = 1800.0
"""Longest a run may say nothing: a tool call comes whole, 4,000 tokens of it take 20 minutes."""

CONSTRAINED_SILENCE_S = 600.0
"""The same for a run under a grammar: an ambiguous one (twenty rules, each twice the next or
nothing) is enumerated for hours, and no cancel ends that."""

Tell = Callable[[LoadProgress], None]


@dataclass(frozen=True, slots=True)
class _Question:
    answer: type[Frame]
    waiter: asyncio.Future[FromWorker]
    progress: Tell | None


class Exchange:
    """Everything under way with one worker; lives on the event loop's thread."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._incoming = frame.FrameBuffer(MAX_PIECE_BYTES)
        self._last_id = OWN
        self._streams: dict[int, PieceStream] = {}
        self._questions: dict[int, _Question] = {}
        self._given_up: set[int] = set()
        self.hello: asyncio.Future[None] = self._loop.create_future()

    @property
    def busy(self) -> bool:
        """Whether something is asked that has no answer yet."""
        return bool(self._streams or self._questions or self._given_up)

    @property
    def live(self) -> frozenset[int]:
        """The ids of what has no answer yet."""
        return frozenset((*self._streams, *self._questions))

    @property
    def suspects(self) -> frozenset[int]:
        """Who may have ended a worker that ended by itself: the newest that has said nothing."""
        silent = [one for one, stream in self._streams.items() if stream.silent]
        return frozenset(sorted((*silent, *self._questions))[-1:])

    def stalled(self, now_s: float) -> frozenset[int]:
        """The runs that have said nothing for longer than they may."""
        return frozenset(
            one
            for one, stream in self._streams.items()
            if now_s - stream.heard_s > stream.silence_s
        )

    def next_id(self) -> int:
        """An id never given before."""
        self._last_id += 1
        return self._last_id

    def stream(
        self,
        request_id: int,
        stop: Callable[[], Awaitable[None]],
        *,
        constrained: bool = False,
        keep: Callable[[Kept], Awaitable[None]] | None = None,
    ) -> PieceStream:
        """
        Begin to listen to a run.

        Args:
            request_id: the run's.
            stop: as of `PieceStream`.
            constrained: it follows a grammar or schema.
            keep: as of `PieceStream`.
        """
        silence_s = CONSTRAINED_SILENCE_S if constrained else RUN_SILENCE_S
        stream = self._streams[request_id] = PieceStream(stop, silence_s, keep)
        return stream

    def streaming(self, request_id: int) -> PieceStream | None:
        """The run of that id while it goes on."""
        return self._streams.get(request_id)

    def ask(
        self, request_id: int, answer: type[Frame], progress: Tell | None
    ) -> asyncio.Future[FromWorker]:
        """Begin to wait for one *answer* (or Failed)."""
        waiter: asyncio.Future[FromWorker] = self._loop.create_future()
        self._questions[request_id] = _Question(answer, waiter, progress)
        return waiter

    def give_up(self, request_id: int) -> None:
        """Wait no more; the answer may still come."""
        if self._questions.pop(request_id, None) is not None:
            self._given_up.add(request_id)

    def take(self, data: bytes) -> None:
        """
        Take bytes from the worker.

        Raises:
            FrameError: it breaks the protocol: no frame, too large a one, or one out of place.
        """
        answers = self._questions or self._given_up
        self._incoming.most_bytes = frame.MAX_FRAME_BYTES if answers else MAX_PIECE_BYTES
        for body in self._incoming.feed(data):
            self._route(codec.read_from_worker(body))

    def end(self, death: Death, blamed: frozenset[int]) -> None:
        """The worker is gone: tell everybody, and *blamed* that it was their doing."""
        if not self.hello.done():
            _fail(self.hello, death)
        streams, self._streams = self._streams, {}
        for request_id, stream in streams.items():
            stream.die(replace(death, blamed=request_id in blamed))
        questions, self._questions = self._questions, {}
        for request_id, question in questions.items():
            _fail(question.waiter, replace(death, blamed=request_id in blamed))
        self._given_up.clear()

    def _route(self, message: FromWorker) -> None:
        request_id = message.id
        if isinstance(message, HelloFrame) or not self.hello.done():
            self._greet(message)
        elif isinstance(message, ProgressFrame):
            self._progress(message)
        elif request_id in self._streams:
            self._feed(self._streams[request_id], message)
        elif request_id in self._questions:
            self._answer(self._questions[request_id], message)
        elif request_id in self._given_up:
            self._given_up.discard(request_id)
        elif not isinstance(message, PongFrame):
            raise FrameError("an answer to what nobody asked")

    def _greet(self, message: FromWorker) -> None:
        if not isinstance(message, HelloFrame) or self.hello.done():
            raise FrameError("Hello comes first, and once")
        if message.protocol == frame.PROTOCOL:
            self.hello.set_result(None)
        else:
            self.hello.set_exception(
                UnavailableError(Reason.SHUTTING_DOWN, "rkd was upgraded under this daemon.")
            )

    def _progress(self, message: ProgressFrame) -> None:
        question = self._questions.get(OWN)
        if question is not None and question.progress is not None:
            question.progress(message.progress)
        elif OWN not in self._given_up:
            raise FrameError("progress of nothing")

    def _feed(self, stream: PieceStream, message: FromWorker) -> None:
        match message:
            case ChunkFrame():
                stream.push(message.chunk)
            case PrefillFrame():
                stream.push(message.progress)
            case DoneFrame() if stream.outcome is None:
                if not message.outcome.keeping:
                    del self._streams[message.id]
                stream.finish(message.outcome)
            case KeptFrame() if stream.outcome is not None:
                del self._streams[message.id]
                stream.keep(message.kept)
            case FailedFrame():
                del self._streams[message.id]
                if stream.outcome is None:
                    stream.fail(message.error())
                else:
                    stream.keep(Kept())  # the answer is whole; its conversation is not kept
            case _:
                raise FrameError("this is no answer to a run")

    def _answer(self, question: _Question, message: FromWorker) -> None:
        if not isinstance(message, question.answer | FailedFrame):
            raise FrameError(f"{type(message).__name__} answers another question")
        del self._questions[message.id]
        if not question.waiter.done():
            question.waiter.set_result(message)


def _fail(waiter: asyncio.Future[Any], death: Death) -> None:
    if not waiter.done():
        waiter.set_exception(WorkerDiedError(death))
        waiter.exception()  # seen: whoever asked may have gone
