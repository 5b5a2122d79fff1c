"""
How an engine's threads wait for each other, by what the cores are like while it computes.

On cores of its own a thread that spins sees the others' work at once: with small models twice the
tokens of one that sleeps. With others on the same cores it spins away the very time the thread it
waits for would need: a twentieth of the tokens (`bench/openmp.py`). So OpenMP is left at its own
default, which spins, and while others are in the way a `Crowd` makes it sleep.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

from rkd.worker.contention import Contention, Times, thread_times

STEP_S = 0.2
"""How often it is looked at while something is computed, and never otherwise."""
LONGEST_STEP_S = 0.8
"""While the NPU computes and our threads sleep: a look costs as much as two of its tokens."""
LEAST_CPU = 0.02
"""Of a step, that this process must have computed for its threads to be worth a look."""


class Switch(Protocol):
    """Makes threads sleep rather than spin; see `Crowd`."""

    def gather(self) -> None:
        """From now on they sleep."""

    def disperse(self) -> None:
        """From now on they spin."""


class Spinning:
    """
    Watches while something is computed; owns one thread, begun with the first.

    Args:
        switch: of the waiting.
        times: reads the times of all threads of this process.
        cpu_s: the seconds this process has computed.
        pause: waits for a step, or less when it is over before: given the step's seconds.
    """

    def __init__(
        self,
        switch: Switch,
        times: Callable[[], Mapping[int, Times]] = thread_times,
        pause: Callable[[float], object] | None = None,
        *,
        cpu_s: Callable[[], float] = time.process_time,
    ) -> None:
        self._switch = switch
        self._times = times
        self._cpu_s = cpu_s
        self._changed = threading.Condition()
        self.pause = pause or self._wait
        self._computing = 0
        self._thread: threading.Thread | None = None

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Watch for as long as the block takes; may be entered by several threads at once."""
        with self._changed:
            self._computing += 1
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, name="spinning", daemon=True)
                self._thread.start()
            self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._computing -= 1
                self._changed.notify_all()

    def _watch(self) -> None:
        if not self._times():
            self._switch.gather()  # nobody tells: sleeping threads are never far behind
            return
        contention = Contention()
        while True:
            with self._changed:
                while not self._computing:
                    self._changed.wait()
            self._steps(contention)

    def _steps(self, contention: Contention) -> None:
        """Look on until nothing is computed any more."""
        step_s, before_s = STEP_S, self._cpu_s()
        begun = False
        while self._computing:
            self.pause(step_s)
            if not self._computing:
                return  # a step that was cut says little
            now_s = self._cpu_s()
            worth, before_s = now_s - before_s >= LEAST_CPU * step_s, now_s
            if not worth:
                step_s = min(2 * step_s, LONGEST_STEP_S)
                continue
            if not begun:
                begun = True
                contention.begin(self._times())
            elif contention.judge(self._times(), step_s):
                self._switch.gather()
            else:
                self._switch.disperse()
            step_s = STEP_S

    def _wait(self, step_s: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: not self._computing, step_s)
