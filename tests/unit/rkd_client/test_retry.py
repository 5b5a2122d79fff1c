"""Whether a failed call is tried again."""

from __future__ import annotations

import pytest
from rkd_client.errors import ExhaustedError, NotFoundError, RkdError, UnavailableError
from rkd_client.retry import LONGEST_S, PAUSE_S, TRIES, Attempts

BROKEN = UnavailableError("UNAVAILABLE", "the connection broke")


def full(retry_s: float | None, reason: str = "QUEUE_FULL") -> RkdError:
    """Something is full, and when there will be room."""
    return ExhaustedError(reason, "full", retry_after_s=retry_s)


def attempts(*, repeatable: bool = True, bound_s: float | None = None) -> Attempts:
    """The tries of a call on a clock that stands still."""
    return Attempts(repeatable, bound_s, lambda: 100.0)


@pytest.mark.parametrize(
    ("error", "repeatable", "begun", "pause_s"),
    [
        (full(1.5), False, False, 1.5),
        (full(1.5), True, True, None),
        (full(None), True, False, None),
        (full(LONGEST_S + 1), True, False, None),
        (full(1.0, "AUTH_RATE_LIMITED"), True, False, None),
        (UnavailableError("SHUTTING_DOWN", "bye", retry_after_s=2.0), False, False, 2.0),
        (BROKEN, True, False, PAUSE_S),
        (BROKEN, False, False, None),
        (BROKEN, True, True, None),
        (NotFoundError("MODEL_NOT_FOUND", "no", retry_after_s=1.0), True, False, None),
    ],
)
def test_only_what_is_safe_is_repeated(
    error: RkdError,
    repeatable: bool,  # noqa: FBT001
    begun: bool,  # noqa: FBT001
    pause_s: float | None,
) -> None:
    """And after what the daemon says, or a moment."""
    assert attempts(repeatable=repeatable).pause_s(error, begun=begun) == pause_s


def test_tries_are_counted() -> None:
    """The pause grows, and ends."""
    tried = attempts()
    pauses = [tried.pause_s(BROKEN, begun=False) for _ in range(TRIES)]

    assert pauses == [PAUSE_S, 2 * PAUSE_S, None]


def test_all_tries_stay_within_the_bound() -> None:
    """No pause reaches past it; what is left is each try's own bound."""
    assert attempts(bound_s=1.0).left_s() == 1.0
    assert attempts(bound_s=1.0).pause_s(full(1.5), begun=False) is None


def test_a_connection_that_stays_broken_is_told_as_it_broke_first() -> None:
    """Later tries say less: a certificate refused, then a socket closed."""
    tried = attempts()
    later = UnavailableError("UNAVAILABLE", "Socket closed")
    tried.pause_s(BROKEN, begun=False)
    tried.pause_s(later, begun=False)

    assert tried.telling(later) is BROKEN
    assert tried.telling(full(None)).reason == "QUEUE_FULL"
