"""Generated from rkd/v1/operations.proto by tests/value_types.py; never edited."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from rkd_client.v1 import types


@dataclass(frozen=True, slots=True)
class OperationServiceListResponse:
    """Some operations."""

    operations: tuple[types.Operation, ...] = ()
    """Newest first."""

    next_page_token: str = ""
    """Asks for the next page; empty when this was the last."""


@dataclass(frozen=True, slots=True)
class OperationServiceGetResponse:
    """One operation."""

    operation: types.Operation = types.Operation()
    """As it is now."""


@dataclass(frozen=True, slots=True)
class OperationServiceCancelResponse:
    """The operation stopped."""

    operation: types.Operation = types.Operation()
    """As it is now."""


@dataclass(frozen=True, slots=True)
class OperationServicePauseResponse:
    """The operation rests."""

    operation: types.Operation = types.Operation()
    """As it is now."""


@dataclass(frozen=True, slots=True)
class OperationServiceResumeResponse:
    """The operation goes on."""

    operation: types.Operation = types.Operation()
    """As it is now."""


@dataclass(frozen=True, slots=True)
class OperationServiceWatchResponse:
    """A change."""

    revision: int = 0
    """Its place in the log; watch from the next one to resume."""

    time: datetime | None = None
    """When."""

    operation: types.Operation = types.Operation()
    """As it was then."""
