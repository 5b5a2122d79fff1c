"""The sentences with which the pool says no."""

from __future__ import annotations

import pytest

from rkd.errors import PreconditionError, Reason, UnavailableError
from rkd.inference import Loaded
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


def test_what_other_libraries_did_comes_before_the_last_ones_error() -> None:
    """Each in so many characters; of the error everything else stays as it is."""
    last = UnavailableError(
        Reason.WORKER_CRASHED, "killed.", remedy="Wait.", metadata={"a": "b"}, retry_after_s=3
    )
    told = refusals.after_others(last, ("x" * 300, "so did this."))

    assert told.message == f"killed; before it: {'x' * 200}; so did this"
    assert (type(told), told.reason, told.remedy) == (type(last), last.reason, "Wait.")
    assert (told.metadata, told.retry_after_s) == ({"a": "b"}, 3)
    assert refusals.after_others(last, ()) is last


@pytest.mark.parametrize(("detail", "said"), [("& 8 times", "& 8 times"), ("", "it ended at once")])
def test_an_answer_that_is_none_says_what_it_was(detail: str, said: str) -> None:
    """With the runtime that gave it, and the cause other libraries are tried for."""
    heard = Loaded(4096, 1, "RKLLM 1.3.1", first_answer_detail=detail)
    error = refusals.garbage("alpha", heard)

    assert error.message == f"RKLLM 1.3.1 answers alpha with no text: {said}"
    assert error.metadata == {"model": "alpha", "cause": "garbage"}


def test_a_crash_carries_the_last_five_lines() -> None:
    """Enough to see why, not the engine's whole log."""
    death = Death("killed by SIGSEGV", "SIGSEGV", last_lines=tuple("abcdefgh"))

    assert refusals.crashed("alpha", death).metadata["engine_log"] == "d | e | f | g | h"
