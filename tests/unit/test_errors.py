"""The taxonomy: every class carries its own reasons and nothing else."""

from __future__ import annotations

import pytest

from rkd import errors
from rkd.errors import Reason, RkdError, Violation, from_reason


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_has_one_class_after_the_wire(reason: Reason) -> None:
    """What a worker names by its reason alone comes back whole, of the class that owns it."""
    error = from_reason(reason, "It broke.", remedy="Mend it.", metadata={"n": "1"})

    assert reason in type(error).reasons
    assert (error.reason, error.message, error.remedy) == (reason, "It broke.", "Mend it.")
    assert (error.metadata, str(error)) == ({"n": "1"}, "It broke.")


def test_only_a_crash_belongs_to_two_classes() -> None:
    """UNAVAILABLE before the first token and ABORTED after it; every other reason has one class."""
    shared = [
        reason
        for reason in Reason
        if len([one for one in RkdError.__subclasses__() if reason in one.reasons]) != 1
    ]

    assert shared == [Reason.WORKER_CRASHED]
    assert type(from_reason(Reason.WORKER_CRASHED, "gone")) is errors.UnavailableError


def test_a_class_refuses_a_reason_that_is_not_its_own() -> None:
    """A wrong pair is a defect at the place that makes it, not a wrong code for a client."""
    with pytest.raises(AssertionError, match="NotFoundError does not carry DISK_FULL"):
        errors.NotFoundError(Reason.DISK_FULL, "no")


def test_a_reason_nobody_owns_is_a_defect(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reason taken from its class is found out at once."""
    monkeypatch.setattr(errors.DataLossError, "reasons", frozenset())
    with pytest.raises(AssertionError, match="no class owns DIGEST_MISMATCH"):
        from_reason(Reason.DIGEST_MISMATCH, "no")


def test_metadata_is_the_errors_own() -> None:
    """Adding to one error's metadata changes neither its source nor the next error."""
    given = {"model": "tiny"}
    error = errors.NotFoundError(Reason.MODEL_NOT_FOUND, "no", metadata=given)
    error.metadata["request_id"] = "1"
    plain = errors.NotFoundError(Reason.MODEL_NOT_FOUND, "no")
    plain.metadata["request_id"] = "2"

    assert given == {"model": "tiny"}
    assert errors.NotFoundError(Reason.MODEL_NOT_FOUND, "no").metadata == {}


def test_what_was_given_is_kept() -> None:
    """Retry and violations come out as they went in; without them there are none."""
    bad = (Violation("a", "is wrong"),)
    error = errors.ExhaustedError(Reason.QUEUE_FULL, "no", retry_after_s=2.5, violations=bad)
    plain = errors.ExhaustedError(Reason.QUEUE_FULL, "no")

    assert (error.retry_after_s, error.violations) == (2.5, bad)
    assert (plain.retry_after_s, plain.violations, plain.remedy) == (None, (), "")
