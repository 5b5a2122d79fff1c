"""
From our errors to gRPC's: the one table, and the one place that makes statuses.

Services raise `rkd.errors`; nobody else sets a status code. Every non-OK status carries
`google.rpc.ErrorInfo` of domain `rkd`, and RetryInfo, BadRequest, PreconditionFailure or Help
where they fit. Whatever an error holds, its status fits the trailers every client takes.
"""

from __future__ import annotations

import asyncio
import base64
import math
import urllib.parse
from collections.abc import Iterator
from typing import Any, Final

import grpc
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2

from rkd import errors
from rkd.outside import cut

DOMAIN = "rkd"
_DETAILS_KEY = "grpc-status-details-bin"

MAX_TRAILER_BYTES: Final = 7 << 10
"""gRPC's clients take 8 KiB of trailers for certain; over 16 an error loses its reason."""

MAX_VIOLATIONS: Final = 10
MAX_METADATA: Final = 24
MAX_TEXT_BYTES: Final = 2048
MAX_QUOTED_BYTES: Final = 400
"""One violation: what is wrong, with at most 200 bytes of input in it."""
_PLAIN: Final = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) != "%")
_SHORTEST_BYTES: Final = 64
_LONGEST_WAIT_MS: Final = 3_600_000

CODES: dict[type[errors.RkdError], grpc.StatusCode] = {
    errors.InvalidInputError: grpc.StatusCode.INVALID_ARGUMENT,
    errors.NotFoundError: grpc.StatusCode.NOT_FOUND,
    errors.AlreadyExistsError: grpc.StatusCode.ALREADY_EXISTS,
    errors.PreconditionError: grpc.StatusCode.FAILED_PRECONDITION,
    errors.TimedOutError: grpc.StatusCode.DEADLINE_EXCEEDED,
    errors.ExhaustedError: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.BeyondRangeError: grpc.StatusCode.OUT_OF_RANGE,
    errors.UnavailableError: grpc.StatusCode.UNAVAILABLE,
    errors.AbortedError: grpc.StatusCode.ABORTED,
    errors.DataLossError: grpc.StatusCode.DATA_LOSS,
    errors.UnauthenticatedError: grpc.StatusCode.UNAUTHENTICATED,
    errors.ForbiddenError: grpc.StatusCode.PERMISSION_DENIED,
    errors.NotBuiltError: grpc.StatusCode.UNIMPLEMENTED,
    errors.InternalError: grpc.StatusCode.INTERNAL,
}
"""Every class of the taxonomy and its code; a test holds it against the taxonomy and the docs."""


def status_of(error: errors.RkdError) -> status_pb2.Status:
    """
    Turn *error* into a status with all its details; the message ends with the remedy.

    What is too long is cut: the first MAX_VIOLATIONS with the number of the others, texts with an
    ellipsis; until the whole fits MAX_TRAILER_BYTES.
    """
    longest = MAX_TEXT_BYTES
    while True:
        status = _status(error, longest)
        if _trailer_bytes(status) <= MAX_TRAILER_BYTES or longest < _SHORTEST_BYTES:
            return status
        longest //= 2


def _trailer_bytes(status: status_pb2.Status) -> int:
    """Count what *status* takes on the wire: in base64, and its message once more, in percents."""
    message = urllib.parse.quote(status.message, safe=_PLAIN)
    return len(message) + len(base64.b64encode(status.SerializeToString()))


def _status(error: errors.RkdError, longest: int) -> status_pb2.Status:
    message, remedy = cut(error.message, longest), cut(error.remedy, longest // 2)
    told = message if message.endswith((".", "!", "?", ":", "…")) else f"{message}."
    status = status_pb2.Status(
        code=code_pb2.Code.Value(CODES[type(error)].name), message=f"{told} {remedy}".strip()
    )
    for detail in _details(error, longest, message, remedy):
        status.details.add().Pack(detail)
    return status


def _details(error: errors.RkdError, longest: int, message: str, remedy: str) -> Iterator[Message]:
    pairs = list(error.metadata.items())[:MAX_METADATA]
    metadata = {cut(key, 64): cut(value, longest) for key, value in pairs}
    yield error_details_pb2.ErrorInfo(reason=error.reason.value, domain=DOMAIN, metadata=metadata)
    if error.retry_after_s is not None:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromMilliseconds(min(_LONGEST_WAIT_MS, max(1, _ms(error.retry_after_s))))
        yield retry
    if error.violations:
        bad, most = error_details_pb2.BadRequest(), min(longest // 4, MAX_QUOTED_BYTES)
        for one in error.violations[:MAX_VIOLATIONS]:
            bad.field_violations.add(
                field=cut(one.field, most), description=cut(one.description, most)
            )
        if (more := len(error.violations) - MAX_VIOLATIONS) > 0:
            bad.field_violations.add(field="…", description=f"and {more} more")
        yield bad
    if isinstance(error, errors.PreconditionError):
        failure = error_details_pb2.PreconditionFailure()
        subject = metadata.get("model", "")
        failure.violations.add(type=error.reason.value, subject=subject, description=message)
        yield failure
    if remedy:
        help_ = error_details_pb2.Help()
        help_.links.add(description=remedy)
        yield help_


def _ms(seconds: float) -> int:
    return int(seconds * 1000) if math.isfinite(seconds) else _LONGEST_WAIT_MS


async def fail(context: grpc.aio.ServicerContext[Any, Any], error: errors.RkdError) -> None:
    """End the call of *context* with *error*; never returns normally."""
    status = status_of(error)
    trailing = (*context.trailing_metadata(), (_DETAILS_KEY, status.SerializeToString()))
    try:
        await context.abort(CODES[type(error)], status.message, trailing)
    except grpc.aio.InternalError as gone:
        # the connection was lost, or gRPC has ended the call by itself: nobody is there to tell
        raise asyncio.CancelledError from gone
