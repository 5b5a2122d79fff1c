"""
What went wrong, as the user sees it: one line ending in `[REASON]`, then what to do; an exit code.

Knows no gRPC: `answer.py` turns a call's status into a `Failure`.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from rkd import errors


class Exit(enum.IntEnum):
    """The exit codes of rkctl; public, never renumbered."""

    OK = 0
    ERROR = 1
    USAGE = 2
    NOT_FOUND = 3
    UNAVAILABLE = 4
    PERMISSION = 5
    INTERRUPTED = 130


_EXITS: dict[type[errors.RkdError], Exit] = {
    errors.NotFoundError: Exit.NOT_FOUND,
    errors.UnavailableError: Exit.UNAVAILABLE,
    errors.UnauthenticatedError: Exit.PERMISSION,
    errors.ForbiddenError: Exit.PERMISSION,
}
"""Every other class of the taxonomy is a plain error."""


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
        """Return what is printed: the sentence with its reason, then the remedies, indented."""
        sentence = " ".join(self.message.split()).rstrip(".") or "something went wrong"
        return [
            f"rkctl: {sentence} [{self.reason}]",
            *(f"  {line}" for text in self.remedy for line in text.splitlines() if line.strip()),
        ]


def exit_of(reason: str) -> Exit:
    """Return the exit code of a reason of the contract, as told in an ended operation."""
    for kind, code in _EXITS.items():
        if reason in kind.reasons:
            return code
    return Exit.ERROR


def of_error(error: errors.RkdError) -> Failure:
    """Turn an error of rkd's own code that runs in this process into what the user sees."""
    remedy = (error.remedy,) if error.remedy else ()
    return Failure(error.message, error.reason.value, remedy, exit_of(error.reason.value))


def of_operation(reason: str, message: str, remedy: str) -> Failure:
    """Turn the error an operation ended with into what the user sees."""
    known = reason or errors.Reason.INTERNAL.value
    return Failure(message, known, (remedy,) if remedy else (), exit_of(known))
