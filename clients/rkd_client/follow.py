"""Streams read message by message, purely: what each means, and what their end means."""

from __future__ import annotations

from typing import Any

from google.protobuf.message import Message

from rkd.v1 import types_pb2 as types
from rkd_client.errors import (
    AbortedError,
    ConnectionBrokenError,
    PreconditionError,
    RkdError,
    UnavailableError,
    of_reason,
)
from rkd_client.transport import NO_ANSWER
from rkd_client.values import value_of


class Follow:
    """A stream that is what its messages are, and may end at any time."""

    def see(self, message: Message) -> None:
        """Remember of *message* what the end is judged by."""

    def value(self, message: Message) -> Any:
        """Return *message* as a value; None for one that says nothing this library knows."""
        return value_of(message)

    def end(self) -> None:
        """
        Judge the end of a stream whose status was OK.

        Raises:
            RkdError: it should not have ended so.
        """


class FollowAnswer(Follow):
    """
    The stream of an inference: every message is the event in it.

    Args:
        accepted: the first event, once it has come.
        prefill: how far the prompt has been read, as last told.
        finished: the last one, once it has come.
    """

    def __init__(self) -> None:
        self.accepted: types.Accepted | None = None
        self.prefill: types.Prefill | None = None
        self.finished: types.Finished | None = None

    def see(self, message: Message) -> None:
        """Keep the first event, the last, and how long the prompt is."""
        match message.WhichOneof("event"):
            case "accepted":
                self.accepted = message.accepted  # type: ignore[attr-defined]
            case "prefill":
                self.prefill = message.prefill  # type: ignore[attr-defined]
            case "finished":
                self.finished = message.finished  # type: ignore[attr-defined]
            case _:
                pass

    def value(self, message: Message) -> Any:
        """Return the event in *message*."""
        name = message.WhichOneof("event")
        return None if name is None else value_of(getattr(message, name))

    def end(self) -> None:
        """Refuse an answer without its last event."""
        if self.finished is None:
            raise ConnectionBrokenError("UNAVAILABLE", "the answer ended in the middle")


class FollowOperation(Follow):
    """
    The stream of an operation, to its end.

    Args:
        detach: the stream ends when the operation has begun.
    """

    def __init__(self, *, detach: bool = False) -> None:
        self._last: types.Operation | None = None
        self._detach = detach

    def see(self, message: Message) -> None:
        """Remember how the operation stands."""
        self._last = message.operation  # type: ignore[attr-defined]

    def end(self) -> None:
        """Raise what the operation failed with, or that it was stopped."""
        if self._last is None:
            raise UnavailableError("UNAVAILABLE", NO_ANSWER)
        failed = None if self._detach else failure_of(self._last)
        if failed is not None:
            raise failed


def failure_of(operation: types.Operation) -> RkdError | None:
    """Return what the end of *operation* means for who waited for it; None when all is well."""
    kind = types.OperationKind.Name(operation.kind).removeprefix("OPERATION_KIND_").lower()
    what = f"the {kind} of {operation.model or operation.id}"
    match operation.state:
        case types.OPERATION_STATE_FAILED:
            return of_reason(
                operation.error_reason, operation.error_message, operation.error_remedy
            )
        case types.OPERATION_STATE_CANCELLED:
            return AbortedError("CANCELLED", f"{what} was cancelled")
        case types.OPERATION_STATE_PAUSED:
            remedy = f"go on with it: rkctl ops resume {operation.id}"
            return PreconditionError("PAUSED", f"{what} rests", remedy=remedy)
        case _:
            return None
