"""The sentences with which the pool says no."""

from __future__ import annotations

import pytest

from rkd.errors import PreconditionError, Reason
from rkd.pool.deciding import refusals
from rkd.pool.deciding.state import Death, FailedWay


@pytest.mark.parametrize(
    ("estimate_s", "told_s"), [(None, 1.0), (0.0, 1.0), (7.5, 7.5), (3600.0, 60.0)]
)
def test_a_delay_stays_within_sense(estimate_s: float | None, told_s: float) -> None:
    """At least a second, at most a minute, a second where nothing is known."""
    assert refusals.retry_after(estimate_s) == told_s


def failed(remedy: str, now_s: float) -> PreconditionError:
    """What is said of a model that failed and rests until second 30."""
    cause = PreconditionError(Reason.LOAD_FAILED, "the file is cut", remedy=remedy)
    error = refusals.failed("alpha", FailedWay(cause, retry_s=30.0), now_s)
    assert isinstance(error, PreconditionError)
    return error


def test_what_failed_says_how_long_it_rests_and_what_to_do() -> None:
    """The cause's own remedy, else the command that tries again."""
    known = failed("Pull it anew.", 10.0)

    assert known.metadata == {"model": "alpha", "cause": "LOAD_FAILED", "retry_s": "20"}
    assert known.retry_after_s == 20.0
    assert known.remedy == "Pull it anew."
    assert failed("", 10.0).remedy == "Mend the cause, then `rkctl load alpha`."


def test_a_rest_that_is_over_is_no_seconds() -> None:
    """Never a negative time."""
    assert failed("", 31.0).metadata["retry_s"] == "0"


def test_a_crash_carries_the_last_five_lines() -> None:
    """Enough to see why, not the engine's whole log."""
    death = Death("killed by SIGSEGV", "SIGSEGV", last_lines=tuple("abcdefgh"))

    assert refusals.crashed("alpha", death).metadata["engine_log"] == "d | e | f | g | h"
