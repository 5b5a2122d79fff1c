"""
What can go wrong, as a program sees it: one class for each kind of the daemon's taxonomy.

The kinds are those of `rkd.errors`, and say what the caller should do. A reason is the daemon's,
or, where the call did not get that far, the name of its gRPC status (`UNAVAILABLE`,
`DEADLINE_EXCEEDED` …) or one of this library's own (`INVALID_ENDPOINT`, `FILE_NOT_FOUND` …).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from rkd import errors as taxonomy

_EMPTY: Mapping[str, str] = MappingProxyType({})


class RkdError(Exception):
    """
    Base of all: what happened, to what, and what to do.

    Args:
        reason: the public reason; programs decide by it.
        message: one sentence.
        remedy: what to do, a line each; may be empty.
        metadata: the values of the message, as strings.
        violations: the bad fields of a request, as `field: what is wrong`.
        retry_after_s: seconds after which trying again makes sense, or None.
    """

    def __init__(
        self,
        reason: str,
        message: str,
        *,
        remedy: str = "",
        metadata: Mapping[str, str] = _EMPTY,
        violations: tuple[str, ...] = (),
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.remedy = remedy
        self.metadata = dict(metadata)
        self.violations = violations
        self.retry_after_s = retry_after_s

    def __str__(self) -> str:
        return f"{self.message.rstrip('.')} [{self.reason}]"


class InvalidInputError(RkdError):
    """The request itself is wrong: change it."""


class NotFoundError(RkdError):
    """What was named does not exist: name another, or fetch it first."""


class AlreadyExistsError(RkdError):
    """The name is taken: choose another, or ask to replace."""


class PreconditionError(RkdError):
    """Nothing wrong with the request, but something has to be changed first."""


class TimedOutError(RkdError):
    """A bounded wait ran out."""


class ExhaustedError(RkdError):
    """Something is full: wait, or make room."""


class BeyondRangeError(RkdError):
    """The request reaches past what exists: shorten it, or start anew."""


class UnavailableError(RkdError):
    """Nothing was done, or the daemon is not there: try the same again."""


class ConnectionBrokenError(UnavailableError):
    """
    An answer that had begun was cut, by the daemon's end or by a proxy on the way.

    It is lost from there on, and never asked for again by itself.
    """


class AbortedError(RkdError):
    """Something was begun and lost: start over, knowing that part of it was seen."""


class DataLossError(RkdError):
    """Bytes are not what they should be: fetch them again."""


class UnauthenticatedError(RkdError):
    """Say who you are."""


class ForbiddenError(RkdError):
    """Known, but not allowed."""


class NotBuiltError(RkdError):
    """The daemon does not know this call: it is older than this client."""


class InternalError(RkdError):
    """A defect of rkd: report it with the request id."""


BY_STATUS: Mapping[str, type[RkdError]] = MappingProxyType(
    {
        "INVALID_ARGUMENT": InvalidInputError,
        "NOT_FOUND": NotFoundError,
        "ALREADY_EXISTS": AlreadyExistsError,
        "FAILED_PRECONDITION": PreconditionError,
        "DEADLINE_EXCEEDED": TimedOutError,
        "RESOURCE_EXHAUSTED": ExhaustedError,
        "OUT_OF_RANGE": BeyondRangeError,
        "UNAVAILABLE": UnavailableError,
        "ABORTED": AbortedError,
        "DATA_LOSS": DataLossError,
        "UNAUTHENTICATED": UnauthenticatedError,
        "PERMISSION_DENIED": ForbiddenError,
        "UNIMPLEMENTED": NotBuiltError,
        "INTERNAL": InternalError,
    }
)
"""The kind of a gRPC status, by its name."""


def of_reason(reason: str, message: str, remedy: str = "") -> RkdError:
    """Return the error of the kind that owns *reason*, as an operation ended with it."""
    for owner in taxonomy.RkdError.__subclasses__():
        if reason in owner.reasons:
            kind: type[RkdError] = globals().get(owner.__name__, RkdError)
            return kind(reason, message, remedy=remedy)
    return InternalError(reason or "INTERNAL", message, remedy=remedy)
