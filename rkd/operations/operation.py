"""
What an operation is: a pull, create or push as a frozen record that outlives its client.

Plain types and pure functions; `operations.py` changes the state, `journal.py` keeps it on disk.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from rkd.durable import disk_is_full
from rkd.errors import PreconditionError, Reason, RkdError, bad_field, from_reason
from rkd.outside import escaped


class OperationKind(enum.StrEnum):
    """What is being done; each kind has one runner."""

    PULL = "pull"
    CREATE = "create"
    PUSH = "push"


class OperationState(enum.StrEnum):
    """Where an operation stands; the last three are final."""

    PENDING = "pending"
    RUNNING = "running"
    PAUSED = "paused"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        """True when nothing will change any more."""
        return self in _FINAL


_FINAL = frozenset({OperationState.SUCCEEDED, OperationState.FAILED, OperationState.CANCELLED})


@dataclass(frozen=True, slots=True)
class FileProgress:
    """
    How far one file is.

    Args:
        completed_bytes: bytes that are safe; never goes down while an operation lives.
        resumed_bytes: how many of them were there before this run, and cost no traffic.
    """

    name: str
    completed_bytes: int
    total_bytes: int
    resumed_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Progress:
    """
    How far the whole operation is.

    Args:
        stage: what is being done now, a few words for people (`downloading`, `quantizing`).
        bytes_per_s: smoothed over the last seconds; 0 while unknown.
    """

    stage: str = ""
    completed_bytes: int = 0
    total_bytes: int = 0
    resumed_bytes: int = 0
    bytes_per_s: float = 0.0
    files: tuple[FileProgress, ...] = ()

    @property
    def remaining_s(self) -> float | None:
        """Seconds to go at the present speed; None while unknown, and when all is there."""
        if self.bytes_per_s <= 0 or self.completed_bytes >= self.total_bytes:
            return None
        return (self.total_bytes - self.completed_bytes) / self.bytes_per_s


@dataclass(frozen=True, slots=True)
class StoredFailure:
    """Why an operation failed, as an error of the taxonomy that can be stored."""

    reason: Reason
    message: str
    remedy: str = ""
    metadata: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, error: RkdError) -> StoredFailure:
        """Take down *error*."""
        metadata = ((escaped(key), escaped(value)) for key, value in error.metadata.items())
        return cls(error.reason, escaped(error.message), escaped(error.remedy), tuple(metadata))

    @classmethod
    def of_the_system(cls, error: OSError, subject: str) -> StoredFailure:
        """Take down what the system refused: a disk that is full or cannot be written."""
        why = escaped(error.strerror or type(error).__name__)
        if disk_is_full(error):
            remedy = "Make room (rkctl rm MODEL) and start it again."
            return cls(Reason.DISK_FULL, f"the disk is full at {subject}", remedy)
        remedy = "Look at the models folder and the state folder: rkctl doctor."
        return cls(Reason.CAPABILITY_UNSUPPORTED, f"{subject} cannot go on: {why}", remedy)

    def error(self) -> RkdError:
        """Build the error again, to raise it at an attached client."""
        return from_reason(
            self.reason, self.message, remedy=self.remedy, metadata=dict(self.metadata)
        )


@dataclass(frozen=True, slots=True)
class Operation:
    """
    One operation as of now.

    Args:
        id: `<kind>-<8 hex digits>`.
        key: what makes two requests the same work; while one runs, a second start joins it.
        subject: what it is about, for people: a model's name, a repository.
        request: what the runner was asked for; enough to run again after a restart.
        detail: facts learnt on the way that a client may see (`license`, `commit`, `model` …),
            and the runner's result.
        failure: set exactly when the state is FAILED.
    """

    id: str
    kind: OperationKind
    key: str
    subject: str
    request: Mapping[str, str]
    state: OperationState
    created: datetime
    started: datetime | None = None
    finished: datetime | None = None
    progress: Progress = field(default_factory=Progress)
    detail: Mapping[str, str] = field(default_factory=dict)
    failure: StoredFailure | None = None


def asked(request: Mapping[str, str], key: str) -> str:
    """
    Take one thing out of a request as the journal kept it.

    Raises:
        InvalidInputError: INVALID_FIELD: the record lacks it.
    """
    try:
        return request[key]
    except KeyError:
        raise bad_field("request", f"the record of this operation lacks {key!r}") from None


def succeeded(operation: Operation) -> Operation:
    """
    Return *operation* if it succeeded.

    Raises:
        RkdError: what it failed with; MODEL_INCOMPLETE when it was cancelled or still stands.
    """
    if operation.state is OperationState.SUCCEEDED:
        return operation
    if operation.failure is not None:
        raise operation.failure.error()
    raise PreconditionError(
        Reason.MODEL_INCOMPLETE,
        f"the {operation.kind} of {operation.subject} is {operation.state}",
        remedy="Start it again; what is safe is not fetched twice.",
        metadata={"operation": operation.id, "state": str(operation.state)},
    )


def superseded(operation: Operation, twin: Operation) -> StoredFailure:
    """Say that *twin* does the same work, so that *operation* is not needed."""
    return StoredFailure(
        Reason.MODEL_BUSY,
        f"{twin.id} brings the same as {operation.id}",
        remedy=f"Watch that one: rkctl ops attach {twin.id}",
        metadata=(("operation", twin.id),),
    )


def interrupted(operation: Operation) -> StoredFailure:
    """Say that a restart ended *operation* and that it cannot go on by itself."""
    return StoredFailure(
        Reason.SHUTTING_DOWN,
        f"the {operation.kind} of {operation.subject} was interrupted by a restart of rkd",
        remedy="Start it again.",
        metadata=(("operation", operation.id),),
    )
