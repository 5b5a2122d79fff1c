"""Stand-ins of what the chat speaks to: a daemon's answer, a browser, a clock."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from rkd_client.errors import RkdError, UnavailableError
from rkd_client.v1.models import ShowResponse
from rkd_client.v1.types import Accepted, Delta, Finished, Message, Timings, Usage

DONE = Finished(
    finish_reason="stop_eos",
    backend="cpu",
    usage=Usage(prompt_tokens=3, completion_tokens=2),
    timings=Timings(decode_s=0.5),
    warnings=("w",),
)


class FakeAnswer:
    """An answer that says what it is told to, then waits for `go` where a None stands."""

    def __init__(self, events: Sequence[object]) -> None:
        self._events = events
        self.go = asyncio.Event()
        self.closed = False

    async def events(self) -> AsyncIterator[object]:
        """Yield what there is, or raise it."""
        for one in self._events:
            if one is None:
                await self.go.wait()
            elif isinstance(one, RkdError):
                raise one
            else:
                yield one

    async def close(self) -> None:
        """Be left."""
        self.closed = True


class FakeClient:
    """A daemon whose answers are given; remembers what it was asked."""

    def __init__(self, *answers: Sequence[object]) -> None:
        self._answers = [FakeAnswer(one) for one in answers]
        self.given: list[FakeAnswer] = []
        self.asked: list[tuple[str, list[Message], dict[str, Any]]] = []
        self.cancelled: list[str] = []

    def chat(self, model: str, messages: list[Message], **options: Any) -> FakeAnswer:
        """Answer with the next of what was given."""
        self.asked.append((model, messages, options))
        self.given.append(self._answers.pop(0))
        return self.given[-1]

    async def cancel(self, request_id: str) -> None:
        """Let what waits end."""
        self.cancelled.append(request_id)
        for one in self.given:
            one.go.set()

    async def show(self, model: str) -> ShowResponse:
        """Know nothing of *model*."""
        del model
        return ShowResponse()


class FakeScreen:
    """A browser that draws and keeps whatever it is told, while *there*."""

    def __init__(self) -> None:
        self.there = True
        self.marked: list[str] = []
        self.shown: list[dict[str, Any]] = []
        self.steps: list[dict[str, Any]] = []
        self.kept: list[dict[str, Any]] = []

    def show(self, drawn: dict[str, Any]) -> None:
        """Draw anew."""
        self.shown.append(drawn)
        self.steps.clear()

    async def grow(self, step: dict[str, Any]) -> bool:
        """Draw a step."""
        if self.there:
            self.steps.append(step)
        return self.there

    def works(self, conversations: Sequence[str]) -> None:
        """Mark conversations."""
        self.marked = list(conversations)

    async def keep(self, changed: dict[str, Any]) -> bool:
        """Keep a change."""
        if self.there:
            self.kept.append(changed)
        return self.there

    def html(self) -> str:
        """What is drawn of the answer that grows."""
        blocks: list[dict[str, Any]] = []
        tail: dict[str, Any] | None = None
        for one in self.steps:
            blocks = blocks[: one["from"]] + one["blocks"]
            tail = one["tail"]
        return "".join(one.get("html", "") for one in [*blocks, *([tail] if tail else [])])


def say(key: str, **values: object) -> str:
    """Say a key instead of its text."""
    return " ".join([key, *(f"{name}={value}" for name, value in values.items())])


class Names:
    """Names in turn."""

    def __init__(self) -> None:
        self._count = itertools.count()

    def __call__(self) -> str:
        """Return the next one."""
        return f"n{next(self._count)}"


def words(*texts: str) -> list[object]:
    """Return a whole answer of *texts*."""
    return [Accepted(request_id="r", backend="cpu"), *(Delta(text=one) for one in texts), DONE]


def gone() -> RkdError:
    """Return what a daemon that dies leaves."""
    return UnavailableError("UNAVAILABLE", "the connection broke", remedy="look at it")


async def until(fact: Callable[[], object], bound_s: float = 30.0) -> None:
    """Let others work until *fact* is true."""
    loop = asyncio.get_running_loop()
    end_s = loop.time() + bound_s
    while not fact():
        assert loop.time() < end_s, "waited in vain"
        await asyncio.sleep(0)
