"""What an error of the daemon is over HTTP: one table, whatever the dialect."""

from __future__ import annotations

import math

from rkd_client.errors import (
    AlreadyExistsError,
    BeyondRangeError,
    ExhaustedError,
    ForbiddenError,
    InvalidInputError,
    NotBuiltError,
    NotFoundError,
    PreconditionError,
    RkdError,
    TimedOutError,
    UnauthenticatedError,
    UnavailableError,
)

_BY_REASON = {
    "TOKEN_INVALID": 401,
    "DIGEST_MISMATCH": 400,
    "BODY_TOO_LARGE": 413,
    "BODY_TOO_SLOW": 408,
    "PATH_NOT_FOUND": 404,
    "METHOD_NOT_ALLOWED": 405,
    "GATEWAY_BUSY": 503,
    "DISK_FULL": 503,
}
"""Reasons that HTTP has a number of its own for."""

_BY_KIND: tuple[tuple[type[RkdError], int], ...] = (
    (InvalidInputError, 400),
    (BeyondRangeError, 400),
    (PreconditionError, 400),
    (UnauthenticatedError, 401),
    (ForbiddenError, 403),
    (NotFoundError, 404),
    (AlreadyExistsError, 409),
    (ExhaustedError, 429),
    (NotBuiltError, 501),
    (UnavailableError, 503),
    (TimedOutError, 504),
)


def status_of(error: RkdError) -> int:
    """Return the HTTP status of *error*; 500 for what is nobody's fault but ours."""
    if error.reason in _BY_REASON:
        return _BY_REASON[error.reason]
    return next((status for kind, status in _BY_KIND if isinstance(error, kind)), 500)


def headers_of(error: RkdError) -> dict[str, str]:
    """Return what HTTP says of *error* besides its body."""
    headers = {}
    if error.retry_after_s is not None:
        headers["retry-after"] = str(max(1, math.ceil(error.retry_after_s)))
    if status_of(error) == 401:  # noqa: PLR2004 - RFC 9110 wants the challenge with it
        headers["www-authenticate"] = 'Bearer realm="rkd"'
    return headers


def sentence(error: RkdError) -> str:
    """Return what happened, what was wrong with which field, and what to do, in one text."""
    said = [error.message]
    said += [one for one in error.violations if one not in error.message]
    said += [error.remedy] if error.remedy else []
    return " ".join(text if text.endswith((".", "!", "?")) else f"{text}." for text in said)


def unsupported(field: str, why: str, remedy: str = "") -> PreconditionError:
    """Return the refusal of *field*, which the daemon cannot honour."""
    metadata = {"field": field}
    return PreconditionError(
        "CAPABILITY_UNSUPPORTED", f"{field}: {why}", remedy=remedy, metadata=metadata
    )


def bad_field(field: str, what: str) -> InvalidInputError:
    """Return the error for *field*, which should be *what*."""
    metadata = {"field": field}
    return InvalidInputError("INVALID_FIELD", f"{field} should be {what}", metadata=metadata)
