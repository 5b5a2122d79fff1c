"""Runs work in a forked child that kills itself at a step, to see what the disk is left with."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import NoReturn

Step = Callable[[str], None]


def _child(work: Callable[[Step], None], victim: int) -> NoReturn:
    count = 0

    def step(_name: str) -> None:
        nonlocal count
        if count == victim:
            os.kill(os.getpid(), signal.SIGKILL)
        count += 1

    try:
        work(step)
    except BaseException:  # noqa: BLE001 - the child must never return into the test run
        os._exit(1)
    os._exit(0)


def killed_at(work: Callable[[Step], None], victim: int) -> bool:
    """
    Do *work* in a child that dies by SIGKILL at its step number *victim*.

    Returns False when the work was done before it came that far.
    """
    child = os.fork()
    if child == 0:
        _child(work, victim)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return True
    assert os.WEXITSTATUS(status) == 0, "the work itself failed"
    return False
