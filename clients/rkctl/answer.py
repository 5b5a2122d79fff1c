"""From the status of a gRPC call to a `Failure`: ErrorInfo, Help, BadRequest and RetryInfo read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

import grpc
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from rkctl.failure import Exit, Failure

_EXITS = {
    grpc.StatusCode.NOT_FOUND: Exit.NOT_FOUND,
    grpc.StatusCode.UNAVAILABLE: Exit.UNAVAILABLE,
    grpc.StatusCode.UNAUTHENTICATED: Exit.PERMISSION,
    grpc.StatusCode.PERMISSION_DENIED: Exit.PERMISSION,
}

_TLS_SIGNS = ("ssl", "tls", "handshake", "certificate")


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


def failure_of(error: grpc.RpcError, endpoint: str) -> Failure:
    """Say what the failed call *error* to *endpoint* means for the user."""
    call = cast("grpc.Call", error)  # every RpcError of a call is one as well
    code, details = call.code(), details_of(call)
    if not details.reason:
        return _bare(code, str(call.details() or ""), endpoint)
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


def _bare(code: grpc.StatusCode, message: str, endpoint: str) -> Failure:
    """Explain a status that did not come from rkd's own table: transport, proxy, old daemon."""
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        remedy = ("is it overloaded? see `rkctl status`; --timeout SECONDS waits longer",)
        said = f"the daemon at {endpoint} did not answer in time"
        return Failure(said, code.name, remedy, Exit.UNAVAILABLE)
    if code is grpc.StatusCode.UNAVAILABLE:
        if any(sign in message.lower() for sign in _TLS_SIGNS):
            remedy = (
                "check the certificate authority (--ca FILE); an endpoint without TLS takes none",
            )
            said = f"no trusted TLS connection to {endpoint}: {message}"
            return Failure(said, code.name, remedy, Exit.UNAVAILABLE)
        remedy = ("look at it: systemctl status rkd; journalctl -u rkd",)
        said = f"the connection to the daemon at {endpoint} broke: {message}"
        return Failure(said, code.name, remedy, Exit.UNAVAILABLE)
    if code is grpc.StatusCode.UNIMPLEMENTED:
        remedy = ("update rkd on the board: it is older than this rkctl",)
        said = f"the daemon at {endpoint} does not know this call"
        return Failure(said, code.name, remedy)
    return Failure(message or "the call failed", code.name, (), _EXITS.get(code, Exit.ERROR))
