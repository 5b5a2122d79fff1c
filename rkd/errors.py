"""
The closed taxonomy of everything that can go wrong, named after what the caller should do.

Nothing else lives here and this module imports nothing of rkd. Each `Reason` is public: it reaches
clients as `google.rpc.ErrorInfo.reason` (domain `rkd`). `service/gate/status.py` holds the one
table from class to gRPC code; the wire between daemon and worker carries all an error says.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar


class Reason(enum.StrEnum):
    """Why a call failed, as clients see it; values never change once released."""

    INVALID_FIELD = "INVALID_FIELD"
    INVALID_NAME = "INVALID_NAME"
    INVALID_MODELFILE = "INVALID_MODELFILE"
    WEIGHTS_INVALID = "WEIGHTS_INVALID"
    ARCHITECTURE_UNSUPPORTED = "ARCHITECTURE_UNSUPPORTED"
    UPLOAD_OFFSET = "UPLOAD_OFFSET"
    MODEL_NOT_FOUND = "MODEL_NOT_FOUND"
    OPERATION_NOT_FOUND = "OPERATION_NOT_FOUND"
    HUB_NOT_FOUND = "HUB_NOT_FOUND"
    MODEL_EXISTS = "MODEL_EXISTS"
    MODELFILE_MISSING = "MODELFILE_MISSING"
    MODEL_INCOMPLETE = "MODEL_INCOMPLETE"
    MODEL_FAILED = "MODEL_FAILED"
    MODEL_BUSY = "MODEL_BUSY"
    MODELS_READ_ONLY = "MODELS_READ_ONLY"
    RUNTIME_MISMATCH = "RUNTIME_MISMATCH"
    NPU_UNAVAILABLE = "NPU_UNAVAILABLE"
    PLATFORM_MISMATCH = "PLATFORM_MISMATCH"
    LOAD_FAILED = "LOAD_FAILED"
    LOAD_TIMEOUT = "LOAD_TIMEOUT"
    CAPABILITY_UNSUPPORTED = "CAPABILITY_UNSUPPORTED"
    MODEL_TOO_LARGE = "MODEL_TOO_LARGE"
    QUEUE_FULL = "QUEUE_FULL"
    NO_EVICTABLE_MODEL = "NO_EVICTABLE_MODEL"
    CONTEXT_LENGTH_EXCEEDED = "CONTEXT_LENGTH_EXCEEDED"
    WORKER_CRASHED = "WORKER_CRASHED"
    DISK_FULL = "DISK_FULL"
    DIGEST_MISMATCH = "DIGEST_MISMATCH"
    HUB_UNREACHABLE = "HUB_UNREACHABLE"
    OFFLINE = "OFFLINE"
    HUB_GATED = "HUB_GATED"
    TOKEN_MISSING = "TOKEN_MISSING"  # noqa: S105 - a reason, not a secret
    TOKEN_INVALID = "TOKEN_INVALID"  # noqa: S105 - a reason, not a secret
    TOKEN_NOT_FOUND = "TOKEN_NOT_FOUND"  # noqa: S105 - the same
    ROLE_FORBIDS = "ROLE_FORBIDS"
    AUTH_RATE_LIMITED = "AUTH_RATE_LIMITED"
    BOARD_NEEDED = "BOARD_NEEDED"
    WRONG_BOARD = "WRONG_BOARD"
    REVISION_COMPACTED = "REVISION_COMPACTED"
    SHUTTING_DOWN = "SHUTTING_DOWN"
    NOT_IMPLEMENTED = "NOT_IMPLEMENTED"
    INTERNAL = "INTERNAL"
    """A defect of ours: the only reason no table of the contract names."""


@dataclass(frozen=True, slots=True)
class Violation:
    """
    One bad field of a request, or one bad place in a Modelfile.

    Args:
        field: path of the field as in the proto (`sampling.top_k`), or `line 3, column 9`.
        description: what is wrong with it and what is allowed.
    """

    field: str
    description: str


_EMPTY: Mapping[str, str] = MappingProxyType({})


class RkdError(Exception):
    """
    Base of the taxonomy: what happened, to what, and what to do.

    Args:
        reason: the public reason.
        message: one sentence saying what happened, to what.
        remedy: what to do, one sentence or a command; may be empty.
        metadata: every dynamic value of the message, as strings (numbers in plain decimal).
        retry_after_s: seconds after which trying again makes sense, or None.
        violations: the bad fields, for `BadRequest`.
    """

    reasons: ClassVar[frozenset[Reason]] = frozenset(Reason)

    def __init__(
        self,
        reason: Reason,
        message: str,
        *,
        remedy: str = "",
        metadata: Mapping[str, str] = _EMPTY,
        retry_after_s: float | None = None,
        violations: tuple[Violation, ...] = (),
    ) -> None:
        if reason not in self.reasons:
            raise AssertionError(f"{type(self).__name__} does not carry {reason}")
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.remedy = remedy
        self.metadata = dict(metadata)
        self.retry_after_s = retry_after_s
        self.violations = violations


class InvalidInputError(RkdError):
    """The request itself is wrong: change it."""

    reasons = frozenset(
        {
            Reason.INVALID_FIELD,
            Reason.INVALID_NAME,
            Reason.INVALID_MODELFILE,
            Reason.WEIGHTS_INVALID,
            Reason.ARCHITECTURE_UNSUPPORTED,
            Reason.UPLOAD_OFFSET,
        }
    )


def bad_field(field: str, what: str, message: str = "", *, remedy: str = "") -> InvalidInputError:
    """
    Make the error for one bad field of a request.

    Args:
        field: its path as in the proto (`sampling.top_k`).
        what: what is wrong with it and what is allowed; it quotes at most 200 bytes of input.
        message: the sentence for people; default: field and *what*.
        remedy: what to do.
    """
    return InvalidInputError(
        Reason.INVALID_FIELD,
        message or f"{field}: {what}",
        remedy=remedy,
        violations=(Violation(field, what),),
    )


def bad_fields(violations: Sequence[Violation]) -> InvalidInputError:
    """Make the error for all that is wrong with a request."""
    listed = "; ".join(f"{one.field} {one.description}" for one in violations)
    return InvalidInputError(
        Reason.INVALID_FIELD, f"The request is wrong: {listed}.", violations=tuple(violations)
    )


class NotFoundError(RkdError):
    """What was named does not exist: name another, or fetch it first."""

    reasons = frozenset(
        {
            Reason.MODEL_NOT_FOUND,
            Reason.OPERATION_NOT_FOUND,
            Reason.HUB_NOT_FOUND,
            Reason.TOKEN_NOT_FOUND,
        }
    )


class AlreadyExistsError(RkdError):
    """The name is taken: choose another, or ask to replace."""

    reasons = frozenset({Reason.MODEL_EXISTS})


class PreconditionError(RkdError):
    """Nothing wrong with the request, but something has to be changed first."""

    reasons = frozenset(
        {
            Reason.MODELFILE_MISSING,
            Reason.MODEL_INCOMPLETE,
            Reason.MODEL_FAILED,
            Reason.MODEL_BUSY,
            Reason.MODELS_READ_ONLY,
            Reason.RUNTIME_MISMATCH,
            Reason.NPU_UNAVAILABLE,
            Reason.PLATFORM_MISMATCH,
            Reason.LOAD_FAILED,
            Reason.CAPABILITY_UNSUPPORTED,
            Reason.MODEL_TOO_LARGE,
            Reason.OFFLINE,
            Reason.BOARD_NEEDED,
        }
    )


class TimedOutError(RkdError):
    """A bounded wait ran out."""

    reasons = frozenset({Reason.LOAD_TIMEOUT})


class ExhaustedError(RkdError):
    """Something is full: wait, or make room."""

    reasons = frozenset(
        {
            Reason.QUEUE_FULL,
            Reason.NO_EVICTABLE_MODEL,
            Reason.DISK_FULL,
            Reason.AUTH_RATE_LIMITED,
        }
    )


class BeyondRangeError(RkdError):
    """The request reaches past what exists: shorten it, or start anew."""

    reasons = frozenset({Reason.CONTEXT_LENGTH_EXCEEDED, Reason.REVISION_COMPACTED})


class UnavailableError(RkdError):
    """Nothing was done: try the same again."""

    reasons = frozenset(
        {
            Reason.WORKER_CRASHED,
            Reason.HUB_UNREACHABLE,
            Reason.SHUTTING_DOWN,
            Reason.WRONG_BOARD,
        }
    )


class AbortedError(RkdError):
    """Something was begun and lost: start over, knowing that part of the answer was seen."""

    reasons = frozenset({Reason.WORKER_CRASHED})


class DataLossError(RkdError):
    """Bytes are not what they should be: fetch them again."""

    reasons = frozenset({Reason.DIGEST_MISMATCH})


class UnauthenticatedError(RkdError):
    """Say who you are."""

    reasons = frozenset({Reason.TOKEN_MISSING, Reason.TOKEN_INVALID})


class ForbiddenError(RkdError):
    """Known, but not allowed."""

    reasons = frozenset({Reason.ROLE_FORBIDS, Reason.HUB_GATED})


class NotBuiltError(RkdError):
    """No method of this daemon: the caller knows a newer one."""

    reasons = frozenset({Reason.NOT_IMPLEMENTED})


class InternalError(RkdError):
    """A defect of rkd: report it with the request id."""

    reasons = frozenset({Reason.INTERNAL})


def from_reason(
    reason: Reason,
    message: str,
    *,
    remedy: str = "",
    metadata: Mapping[str, str] = _EMPTY,
    retry_after_s: float | None = None,
    violations: tuple[Violation, ...] = (),
) -> RkdError:
    """
    Build the error of the class that owns *reason*, as after crossing the worker wire.

    WORKER_CRASHED becomes `UnavailableError`; who knows that tokens were seen raises
    `AbortedError` itself.
    """
    for owner in RkdError.__subclasses__():
        if reason in owner.reasons:
            return owner(
                reason,
                message,
                remedy=remedy,
                metadata=metadata,
                retry_after_s=retry_after_s,
                violations=violations,
            )
    raise AssertionError(f"no class owns {reason}")
