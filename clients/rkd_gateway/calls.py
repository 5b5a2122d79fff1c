"""What every dialect does with an answer of the daemon."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from rkd_client import AsyncAnswer
from rkd_client.errors import UnavailableError

from rkd.v1 import types_pb2 as types

NS = 1_000_000_000


@dataclass(slots=True)
class GrowingCall:
    """A tool call as it grows."""

    id: str = ""
    name: str = ""
    arguments: str = ""


@dataclass(slots=True)
class Whole:
    """Everything an answer said."""

    text: str = ""
    reasoning: str = ""
    calls: dict[int, GrowingCall] = field(default_factory=dict)
    logprobs: list[types.TokenLogprobs] = field(default_factory=list)

    def add(self, delta: types.Delta) -> None:
        """Take one more piece."""
        self.text += delta.text
        self.reasoning += delta.reasoning_text
        self.logprobs += delta.logprobs
        for piece in delta.tool_calls:
            told = self.calls.setdefault(piece.index, GrowingCall())
            told.id, told.name = told.id or piece.id, told.name or piece.name
            told.arguments += piece.arguments


class Watch:
    """How long a call takes, in nanoseconds."""

    def __init__(self) -> None:
        self._begun_ns = time.monotonic_ns()

    @property
    def ns(self) -> int:
        """Return the time since it was made."""
        return time.monotonic_ns() - self._begun_ns


async def deltas(answer: AsyncAnswer[Any]) -> AsyncIterator[types.Delta]:
    """
    Yield the pieces of *answer*; leaving early ends the run on the board.

    Raises:
        RkdError: as the daemon says; CANCELLED when somebody else stopped it.
    """
    async with answer:
        async for message in answer.messages():
            if message.WhichOneof("event") == "delta":
                yield message.delta
    if finished(answer).finish_reason == types.FINISH_REASON_CANCELLED:
        raise UnavailableError("CANCELLED", "another client stopped this answer")


async def whole(answer: AsyncAnswer[Any]) -> Whole:
    """Read *answer*, which is one, to its end."""
    (found,) = await wholes(answer, 1)
    return found


async def wholes(answer: AsyncAnswer[Any], count: int) -> list[Whole]:
    """Read *answer*, which is *count* of them, to its end."""
    found = [Whole() for _ in range(count)]
    async for delta in deltas(answer):
        found[delta.answer].add(delta)
    return found


async def prompt_tokens(answer: AsyncAnswer[Any]) -> int:
    """
    Return how long the prompt of *answer* is, and leave it there.

    The board counts as it would for the answer itself: template, tools and pictures included. What
    it has read by then stays in its cache for the request that is likely to come next.
    """
    async with answer:
        async for message in answer.messages():
            if message.WhichOneof("event") == "prefill" and message.prefill.total_tokens:
                return int(message.prefill.total_tokens)
    return finished(answer).usage.prompt_tokens


def finished(answer: AsyncAnswer[Any]) -> types.Finished:
    """Return the last event of *answer*, as a message."""
    last: types.Finished | None = answer.follow.finished  # type: ignore[attr-defined]
    if last is None:
        raise UnavailableError("UNAVAILABLE", "the answer ended in the middle")
    return last


def ends(answer: AsyncAnswer[Any]) -> Sequence[types.Finished | types.AnswerEnd]:
    """Return how each of the answers that *answer* is has ended."""
    last = finished(answer)
    return last.answers or [last]


def warned(end: types.Finished) -> dict[str, list[str]]:
    """Return what the daemon warned of, as a field beside the others; none where it did not."""
    return {"warnings": list(end.warnings)} if end.warnings else {}


def arguments_of(text: str) -> Any:
    """Return the arguments of a call as an object; what is none stands under `arguments`."""
    try:
        found = json.loads(text or "{}")
    except (ValueError, RecursionError):
        found = None
    return found if isinstance(found, dict) else {"arguments": text}


def compact(value: object) -> str:
    """Return *value* as JSON, with characters as they are."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
