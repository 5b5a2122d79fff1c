"""From the status of a gRPC call to an `RkdError`: ErrorInfo, Help, BadRequest, RetryInfo read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from rkd_client.errors import BY_STATUS, RkdError
from rkd_client.grpc_sync import grpc
from rkd_client.transport import explain

_DETAILS = "grpc-status-details-bin"


class Failed(Protocol):
    """A failed call, of either half of gRPC."""

    def code(self) -> grpc.StatusCode:
        """Return its status."""

    def details(self) -> str | None:
        """Return its message."""

    def trailing_metadata(self) -> object:
        """Return the pairs of key and value at its end, or None."""


@dataclass(slots=True)
class Details:
    """What a rich status carries, in plain values."""

    reason: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    remedies: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    retry_s: float | None = None


def details_of(error: Failed) -> Details:
    """Read the details of *error*; unknown kinds, and bytes that are none, are left alone."""
    from google.protobuf.message import DecodeError  # noqa: PLC0415 - only errors pay for it
    from google.rpc import error_details_pb2, status_pb2  # noqa: PLC0415 - the same

    found = Details()
    pairs = dict(error.trailing_metadata() or ())  # type: ignore[call-overload]
    try:
        status = status_pb2.Status.FromString(pairs.get(_DETAILS, b""))
    except DecodeError:
        return found
    if status.code != error.code().value[0]:  # a proxy answered in the daemon's place
        return found
    for packed in status.details:
        info = error_details_pb2.ErrorInfo()
        help_ = error_details_pb2.Help()
        bad = error_details_pb2.BadRequest()
        retry = error_details_pb2.RetryInfo()
        if packed.Unpack(info):
            found.reason = info.reason
            found.metadata = dict(info.metadata)
        elif packed.Unpack(help_):
            found.remedies += [f"{i.description} {i.url}".strip() for i in help_.links]
        elif packed.Unpack(bad):
            found.violations += [f"{v.field}: {v.description}" for v in bad.field_violations]
        elif packed.Unpack(retry):
            found.retry_s = retry.retry_delay.ToMilliseconds() / 1000
    return found


def error_of(error: Failed, at: str, *, secure: bool = False) -> RkdError:
    """Say what the failed call *error* to the endpoint *at*, with TLS or not, means."""
    code, details = error.code(), details_of(error)
    message = error.details() or ""
    if not details.reason:
        return explain(code, message, at, secure=secure)
    # The daemon ends the message with the remedy, for clients that show nothing else.
    for remedy in details.remedies:
        message = message.removesuffix(remedy).rstrip()
    return BY_STATUS.get(code.name, RkdError)(
        details.reason,
        message,
        remedy="\n".join(details.remedies),
        metadata=details.metadata,
        violations=tuple(details.violations),
        retry_after_s=details.retry_s,
    )
