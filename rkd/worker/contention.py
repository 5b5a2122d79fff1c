"""
Whether others want the cores this process computes on: by how long its threads wait for one.

The kernel tells each thread's time on a core and its time in the queue for one
(`/proc/PID/task/TID/schedstat`). The load of the machine would not do: who works on a little core
is in nobody's way.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

NS = 1_000_000_000
LEAST_SHARE = 0.05
"""Of the step, that a thread must have run to be one that computes: who writes an answer's bytes
and waits for a core of the two that compute says nothing of others."""
CONTENDED = 0.25
"""Of what a thread wanted, that it had to wait for: then somebody is in its way. One other program
on the same core makes it a half; the daemon's own work for each token a tenth."""
CALM_STEPS = 3
"""Steps without waiting after which it is over."""
MOST_CALM_STEPS = 48


@dataclass(frozen=True, slots=True)
class Times:
    """
    Of one thread, since it began.

    Args:
        ran_ns: on a core.
        waited_ns: in the queue for one.
    """

    ran_ns: int = 0
    waited_ns: int = 0


class Contention:
    """Judges one step after the other."""

    def __init__(self) -> None:
        self._before: Mapping[int, Times] = {}
        self._calm = MOST_CALM_STEPS
        self._wanted_calm = CALM_STEPS
        self.contended = False

    def begin(self, now: Mapping[int, Times]) -> None:
        """Forget the times between: nothing was computed then."""
        self._before = now

    def judge(self, now: Mapping[int, Times], step_s: float) -> bool:
        """
        Say whether others are in the way, by the times of each thread at the end of a step.

        One step is enough for yes, some in a row for no; twice as many each time the no was wrong.
        """
        least_ns = step_s * NS * LEAST_SHARE
        worst = max((self._share(*one, least_ns) for one in now.items()), default=-1.0)
        self._before = now
        if worst < 0:
            return self.contended
        if worst > CONTENDED:
            if not self.contended and self._calm < MOST_CALM_STEPS:
                self._wanted_calm = min(self._wanted_calm * 2, MOST_CALM_STEPS)
            self._calm, self.contended = 0, True
            return True
        self._calm += 1
        if self._calm == MOST_CALM_STEPS:
            self._wanted_calm = CALM_STEPS
        if self._calm >= self._wanted_calm:
            self.contended = False
        return self.contended

    def _share(self, thread: int, now: Times, least_ns: float) -> float:
        """What *thread* waited of what it wanted since the last step; -1 when it hardly ran."""
        before = self._before.get(thread, Times())
        waited = now.waited_ns - before.waited_ns
        ran = now.ran_ns - before.ran_ns
        return waited / (ran + waited) if ran >= least_ns else -1.0


def thread_times(process: Path = Path("/proc/self")) -> dict[int, Times]:
    """
    Read the times of every thread of *process*.

    Empty where the kernel keeps none (CONFIG_SCHED_INFO).
    """
    times = {}
    with suppress(OSError):
        for name in os.listdir(process / "task"):  # noqa: PTH208 - five times a second
            with suppress(OSError, ValueError, IndexError):  # it has ended
                words = (process / "task" / name / "schedstat").read_bytes().split()
                times[int(name)] = Times(int(words[0]), int(words[1]))
    return times
