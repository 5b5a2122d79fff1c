"""What became of a run and of a load, and whether it was an answer; pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from rkd_client.errors import RkdError

from rkd.v1 import pool_pb2
from rkd.v1 import types_pb2 as types

GONE = frozenset({"UNAVAILABLE", "SHUTTING_DOWN"})
"""Reasons that say there is no daemon to be asked."""


@dataclass(frozen=True, slots=True)
class Heard:
    """
    What became of one run.

    Args:
        deltas: the pieces of text.
        accepted, finished: as the daemon sent them; empty where it did not.
        error: what ended it, or None.
    """

    deltas: tuple[str, ...] = ()
    accepted: types.Accepted = field(default_factory=types.Accepted)
    finished: types.Finished = field(default_factory=types.Finished)
    error: RkdError | None = None

    @property
    def text(self) -> str:
        """The whole answer."""
        return "".join(self.deltas)

    @property
    def trouble(self) -> str:
        """Why it is no answer, or ""."""
        if self.error is not None:
            return reason_of(self.error)
        return garbled(self.text)

    @property
    def reason(self) -> str:
        """Why it ended, by name."""
        return types.FinishReason.Name(self.finished.finish_reason).removeprefix("FINISH_REASON_")


@dataclass(frozen=True, slots=True)
class Load:
    """What became of a load: the model in memory, or the error."""

    resident: pool_pb2.Resident = field(default_factory=pool_pb2.Resident)
    error: RkdError | None = None

    @property
    def lines(self) -> tuple[str, ...]:
        """What the library printed."""
        return tuple(self.resident.engine_lines)

    @property
    def version(self) -> str:
        """The library's, by its file; "" when it does not tell."""
        found = re.match(r"rkllm (\d\S*)", self.resident.runtime)
        return found.group(1) if found else ""


def raise_if_gone(error: RkdError) -> None:
    """
    Pass on that there is no daemon any more: no row tells of that.

    Raises:
        RkdError: *error* itself.
    """
    if error.reason in GONE:
        raise error


def reason_of(error: RkdError) -> str:
    """Say an error in a line."""
    return f"{error.reason}: {error.message}"


def garbled(text: str) -> str:
    """Why *text* is no answer, or ""."""
    said = "".join(text.split())
    if not said:
        return "an empty answer"
    if len(said) >= 4 and len(set(said)) == 1:  # noqa: PLR2004 - fewer may be an answer
        return f"{len(said)} times the same sign"
    if text.count("\ufffd") * 2 > len(text):
        return "bytes that are no text"
    return ""
