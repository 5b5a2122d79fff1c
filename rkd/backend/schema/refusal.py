"""What is said of a schema that cannot be kept: where in it, and why."""

from __future__ import annotations

from rkd.errors import (
    InvalidInputError,
    PreconditionError,
    Reason,
    RkdError,
    Violation,
    bad_field,
)
from rkd.outside import QUOTED_CHARACTERS, shown

FIELD = "options.sampling.json_schema"


def wrong(path: str, what: str) -> InvalidInputError:
    """The schema itself is wrong at *path*, a JSON pointer such as `#/properties/age`."""
    error = bad_field(FIELD, f"at {_short(path)}: {what}")
    error.metadata["path"] = _short(path)
    return error


def beyond(path: str, what: str) -> PreconditionError:
    """The schema is right, but no engine of ours can hold an answer to it at *path*."""
    said = f"at {_short(path)}: {what}"
    return PreconditionError(
        Reason.CAPABILITY_UNSUPPORTED,
        f"{FIELD}: {said}",
        remedy="Say it in another way, or leave it out and check it in the answer.",
        metadata={"capability": "json_schema", "path": _short(path)},
        violations=(Violation(FIELD, said),),
    )


def step(path: str, name: str | int) -> str:
    """The pointer to *name* inside *path*."""
    return f"{path}/{str(name).replace('~', '~0').replace('/', '~1')}"


def _short(path: str) -> str:
    text = shown(path)
    return text if len(text) <= QUOTED_CHARACTERS else f"{text[:QUOTED_CHARACTERS]}…"


def of_field(error: RkdError, field: str) -> RkdError:
    """*error* as one of another field of the request that holds a schema."""
    error.message = error.message.replace(FIELD, field, 1)
    error.args = (error.message,)
    error.violations = tuple(Violation(field, one.description) for one in error.violations)
    return error
