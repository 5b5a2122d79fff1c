"""What an operation says of itself."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from rkd.errors import ExhaustedError, PreconditionError, Reason
from rkd.operations.operation import (
    Operation,
    OperationKind,
    OperationState,
    Progress,
    StoredFailure,
    succeeded,
    superseded,
)

STANDING = Operation(
    id="pull-00000001",
    kind=OperationKind.PULL,
    key="k",
    subject="tiny",
    request={},
    state=OperationState.RUNNING,
    created=datetime(2026, 1, 1, tzinfo=UTC),
)


def test_a_stored_failure_becomes_the_same_error_again() -> None:
    """Class, reason, message, remedy and metadata survive being taken down."""
    error = ExhaustedError(
        Reason.DISK_FULL, "no room", remedy="make some", metadata={"needed_bytes": "5"}
    )

    again = StoredFailure.of(error).error()

    assert type(again) is ExhaustedError
    assert (again.reason, again.message) == (Reason.DISK_FULL, "no room")
    assert (again.remedy, again.metadata) == ("make some", {"needed_bytes": "5"})


def test_only_a_success_passes() -> None:
    """`succeeded` returns a success, raises a failure's error, and MODEL_INCOMPLETE otherwise."""
    success = replace(STANDING, state=OperationState.SUCCEEDED)
    failed = replace(
        STANDING, state=OperationState.FAILED, failure=StoredFailure(Reason.HUB_GATED, "closed")
    )

    assert succeeded(success) is success
    with pytest.raises(Exception, match="closed"):
        succeeded(failed)
    with pytest.raises(PreconditionError, match="is running"):
        succeeded(STANDING)


def test_remaining_time_is_unknown_until_there_is_a_speed() -> None:
    """Seconds to go come from the speed; there are none when all is there."""
    assert Progress(total_bytes=10).remaining_s is None
    assert Progress(total_bytes=10, completed_bytes=4, bytes_per_s=2.0).remaining_s == 3.0
    assert Progress(total_bytes=10, completed_bytes=4, bytes_per_s=0.5).remaining_s == 12.0
    assert Progress(total_bytes=10, completed_bytes=10, bytes_per_s=2.0).remaining_s is None


def test_one_that_is_not_needed_names_the_one_that_does_the_work() -> None:
    """So that whoever resumed it can watch that."""
    told = superseded(STANDING, replace(STANDING, id="pull-00000002"))

    assert told.reason is Reason.MODEL_BUSY
    assert "pull-00000002" in told.remedy
    assert dict(told.metadata) == {"operation": "pull-00000002"}
