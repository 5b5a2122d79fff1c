"""From the status of a gRPC call to a `Failure`: ErrorInfo, Help, BadRequest and RetryInfo read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

import grpc
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from rkctl.failure import Exit, Failure
from rkctl.transport import explain

_EXITS = {
    grpc.StatusCode.NOT_FOUND: Exit.NOT_FOUND,
    grpc.StatusCode.UNAVAILABLE: Exit.UNAVAILABLE,
    grpc.StatusCode.UNAUTHENTICATED: Exit.PERMISSION,
    grpc.StatusCode.PERMISSION_DENIED: Exit.PERMISSION,
}


@dataclass(slots=True)
class Details:
    """What a rich status carries, in plain values."""

    reason: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    remedies: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    retry_s: float | None = None


def details_of(error: grpc.Call) -> Details:
    """Read the details of *error*; unknown kinds are left alone."""
    found = Details()
    try:
        status = rpc_status.from_call(error)
    except ValueError:  # the details contradict the status: a proxy answered
        status = None
    for packed in (status or status_pb2.Status()).details:
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


def failure_of(error: grpc.RpcError, endpoint: str, *, secure: bool = False) -> Failure:
    """Say what the failed call *error* to *endpoint*, with TLS or not, means for the user."""
    call = cast("grpc.Call", error)  # every RpcError of a call is one as well
    code, details = call.code(), details_of(call)
    if not details.reason:
        return explain(code, str(call.details() or ""), endpoint, secure=secure)
    # The daemon ends the message with the remedy, for clients that show nothing else.
    message = str(call.details() or "")
    for remedy in details.remedies:
        message = message.removesuffix(remedy).rstrip()
    remedies = [text for text in details.violations if not _told(text, message)]
    remedies += details.remedies
    if details.retry_s is not None:
        remedies.append(f"try again in {details.retry_s:.3g} s")
    return Failure(message, details.reason, tuple(remedies), _EXITS.get(code, Exit.ERROR))


def _told(violation: str, message: str) -> bool:
    """Tell whether the message says already what the violation says."""
    return violation.partition(": ")[2].rstrip(".") in message
