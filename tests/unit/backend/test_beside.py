"""Two things that take long, at the same time."""

from __future__ import annotations

import threading

import pytest

from rkd.backend.beside import Beside

BOUND_S = 60


def test_it_is_done_while_other_work_goes_on() -> None:
    """Here the other work is to wait for it."""
    begun, may_end = threading.Event(), threading.Event()

    def work() -> str:
        begun.set()
        assert may_end.wait(BOUND_S)
        return "done"

    beside = Beside(work, "test")
    assert begun.wait(BOUND_S)
    may_end.set()

    assert beside.result() == "done"
    assert beside.result() == "done"


def test_what_goes_wrong_is_heard_where_it_is_waited_for() -> None:
    """And not on the thread, where nobody listens."""

    def work() -> str:
        raise ValueError("broken")

    beside = Beside(work, "test")

    for _ in range(2):
        with pytest.raises(ValueError, match="broken"):
            beside.result()
