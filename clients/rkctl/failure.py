"""
What went wrong, as the user sees it: one line ending in `[REASON]`, then what to do; an exit code.

Errors of the client library and of rkd's own code that runs in this process become a `Failure`.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from rkd_client import errors
from rkd_client.files import named

from rkd.errors import RkdError as LocalError


class Exit(enum.IntEnum):
    """The exit codes of rkctl; public, never renumbered."""

    OK = 0
    ERROR = 1
    USAGE = 2
    NOT_FOUND = 3
    UNAVAILABLE = 4
    PERMISSION = 5
    INTERRUPTED = 130


_BY_REASON = {
    "INVALID_ENDPOINT": Exit.USAGE,
    "INVALID_FILE": Exit.USAGE,
    "DEADLINE_EXCEEDED": Exit.UNAVAILABLE,
}
"""Reasons of this side of the wire that say more than their kind."""

_BY_KIND: dict[type[errors.RkdError], Exit] = {
    errors.NotFoundError: Exit.NOT_FOUND,
    errors.UnavailableError: Exit.UNAVAILABLE,
    errors.UnauthenticatedError: Exit.PERMISSION,
    errors.ForbiddenError: Exit.PERMISSION,
}
"""Every other kind is a plain error."""


@dataclass(eq=False)
class Failure(Exception):  # noqa: N818 - what a user reads, not a defect of the program
    """
    An end of the program that the user should understand.

    Args:
        message: one sentence: what happened to what.
        reason: the reason of the contract, or the name of the gRPC status where none came.
        remedy: what to do, one line each; may be empty.
        exit_code: what the shell gets.
    """

    message: str
    reason: str
    remedy: tuple[str, ...] = ()
    exit_code: Exit = Exit.ERROR

    def lines(self) -> list[str]:
        """
        Return what is printed: the sentence with its reason, then the remedies, indented.

        Of a word as long as no name is, its beginning: it came from outside.
        """
        words = (named(word) for word in self.message.split())
        sentence = " ".join(words).rstrip(".") or "something went wrong"
        return [
            f"rkctl: {sentence} [{self.reason}]",
            *(f"  {line}" for text in self.remedy for line in text.splitlines() if line.strip()),
        ]


def of_error(error: errors.RkdError) -> Failure:
    """Turn an error of the client library into what the user sees."""
    if error.reason == "MODEL_EXISTS":
        error.remedy = f"{error.remedy}\nto replace it, say so: --replace".strip()
    told = [text for text in error.violations if not _told(text, error.message)]
    again = [f"try again in {error.retry_after_s:.3g} s"] if error.retry_after_s else []
    remedy = (*told, *error.remedy.splitlines(), *again)
    kinds = (_BY_KIND[kind] for kind in type(error).__mro__ if kind in _BY_KIND)
    code = _BY_REASON.get(error.reason) or next(kinds, Exit.ERROR)
    return Failure(error.message, error.reason, remedy, code)


def of_local(error: LocalError) -> Failure:
    """Turn an error of rkd's own code that runs in this process into what the user sees."""
    return of_error(errors.of_reason(error.reason.value, error.message, error.remedy))


def failure_of(error: Failure | errors.RkdError | LocalError) -> Failure:
    """Return *error*, whosever it is, as the user sees it."""
    if isinstance(error, Failure):
        return error
    return of_error(error) if isinstance(error, errors.RkdError) else of_local(error)


def _told(violation: str, message: str) -> bool:
    """Tell whether the message says already what the violation says."""
    return violation.partition(": ")[2].rstrip(".") in message
