"""One call as a plain value: what is asked, how long it may take, whether it may be repeated."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Generic, Self, TypeVar

from google.protobuf.message import Message

from rkd_client.follow import Follow

Answered = TypeVar("Answered", bound=Message)
Value = TypeVar("Value")

QUICK_S = 30.0
"""Bound of calls the daemon answers from memory or by renaming files."""

HUB_S = 120.0
"""Bound of calls that ask the Hub: the daemon has its own, shorter ones for each request."""

SLOW_S = 900.0
"""Bound of calls that may load a model, drain it or read all of its bytes."""


@dataclass(frozen=True, slots=True)
class Ask(Generic[Answered, Value]):
    """
    A call with one answer.

    Args:
        method: `Service.Method` of the package `rkd.v1`.
        request: its message.
        answer: the class of what comes back; `Value` is its dataclass.
        model: the model it names, or "".
        bound_s: longest wait, None for as long as it takes.
        repeatable: asking twice changes nothing.
        paged: the answer is a page; all of them are wanted.
    """

    method: str
    request: Message
    answer: type[Answered]
    model: str = ""
    bound_s: float | None = QUICK_S
    repeatable: bool = False
    paged: bool = False

    @property
    def path(self) -> str:
        """What gRPC calls the method."""
        return f"/rkd.v1.{self.method.replace('.', '/')}"

    def after(self, page: Answered) -> Self | None:
        """Return what asks for the page after *page*, None when it was the last."""
        token = getattr(page, "next_page_token", "") if self.paged else ""
        if not token:
            return None
        request = type(self.request)()
        request.CopyFrom(self.request)
        request.page_token = token  # type: ignore[attr-defined]
        return replace(self, request=request)


@dataclass(frozen=True, slots=True)
class StreamAsk(Ask[Answered, Value]):
    """A call whose answer is a stream; *follow* makes what reads it."""

    bound_s: float | None = None
    follow: Callable[[], Follow] = field(default=Follow)
