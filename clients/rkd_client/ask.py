"""One call as a plain value: what is asked, how long it may take, whether it may be repeated."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final, Generic, Self, TypeVar, cast

from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from rkd_client.follow import Follow

Answered = TypeVar("Answered", bound=Message)
Value = TypeVar("Value")

QUICK_S = 30.0
"""Bound of calls the daemon answers from memory or by renaming files."""

HUB_S = 120.0
"""Bound of calls that ask the Hub: the daemon has its own, shorter ones for each request."""

SLOW_S = 900.0
"""Bound of calls that may load a model, drain it or read all of its bytes."""


NAMING: Final = {"CopyRequest": "source", "PullRequest": "name"}
"""Requests that name a model of the board elsewhere than in `model`."""


@dataclass(frozen=True, slots=True)
class Ask(Generic[Answered, Value]):
    """
    A call with one answer, of the one method that takes such a request.

    Args:
        request: its message.
        bound_s: longest wait, None for as long as it takes.
        repeatable: asking twice changes nothing.
        paged: the answer is a page; all of them are wanted.
    """

    request: Message
    bound_s: float | None = QUICK_S
    repeatable: bool = False
    paged: bool = False

    @property
    def path(self) -> str:
        """What gRPC calls the method."""
        method = _taking(self.request.DESCRIPTOR)
        return f"/{method.containing_service.full_name}/{method.name}"

    @property
    def answer(self) -> type[Answered]:
        """The class of what comes back; `Value` is its dataclass."""
        kind = GetMessageClass(_taking(self.request.DESCRIPTOR).output_type)
        return cast("type[Answered]", kind)

    @property
    def model(self) -> str:
        """The model it names, or ""."""
        field = NAMING.get(self.request.DESCRIPTOR.name, "model")
        return getattr(self.request, field, "")

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


@functools.cache
def _taking(request: Any) -> MethodDescriptor:
    """Return the method that takes *request*, of the services in its file."""
    for service in request.file.services_by_name.values():
        for method in service.methods:
            if method.input_type == request:
                return cast("MethodDescriptor", method)
    raise TypeError(f"no method takes a {request.full_name}")
