"""
How an engine's threads wait for each other, by what the cores are like while it computes.

On cores of its own a thread that spins sees the others' work at once: with small models twice the
tokens of one that sleeps. With others on the same cores it spins away the very time the thread it
waits for would need: a twentieth of the tokens (`bench/openmp.py`). So OpenMP is left at its own
default, which spins, and while others are in the way a `Crowd` makes it sleep, and the threads are
kept on half of the cores: a team of which one thread waits for its core is a team that waits.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from rkd.worker.contention import Glance, Stand, Times, judged, rested
from rkd.worker.cores import Affinity, busy_times, fastest_first, thread_times

FIRST_STEP_S = 0.05
"""Until the first look at an answer, and until the next: whoever spins beside others loses all of
that time."""
STEP_S = 0.2
"""How often it is looked at later while something is computed, and never otherwise."""
LONGEST_STEP_S = 0.8
"""While the NPU computes and our threads sleep: a look costs as much as two of its tokens."""
LEAST_CPU = 0.02
"""Of a step, that this process must have computed for its threads to be worth a look."""


class Switch(Protocol):
    """Makes threads sleep rather than spin; see `Crowd`."""

    def gather(self) -> bool:
        """From now on they sleep; False if they cannot be made to."""

    def disperse(self) -> None:
        """From now on they spin."""


class Keeps(Protocol):
    """Keeps threads on some cores; see `Affinity`."""

    def keep(self, threads: Iterable[int], home: Iterable[int]) -> bool:
        """Keep them there; False if we may not."""

    def release(self) -> None:
        """Let them run anywhere."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """
    What is asked of it, about one process.

    Args:
        times: of all its threads; empty where they are not kept.
        cpu_s: the seconds it has computed.
        busy: what was done on each of some cores; empty where that is not told.
        cores: it may use, the fastest first.
        fast: how many of them are fast.
        places: keeps its threads on some of them.
        clock_ns: the time.
    """

    times: Callable[[], Mapping[int, Times]]
    cpu_s: Callable[[], float]
    busy: Callable[[Iterable[int]], Mapping[int, int]]
    cores: tuple[int, ...]
    fast: int
    places: Keeps
    clock_ns: Callable[[], int] = time.monotonic_ns


def ours() -> Kernel:
    """Ask about this process."""
    process, (cores, fast) = Path("/proc/self"), fastest_first(os.sched_getaffinity(0))
    places = Affinity(process, cores)
    return Kernel(thread_times, time.process_time, busy_times, cores, fast, places)


class Lookout:
    """
    What is known of one process, and what follows; used by one thread.

    Args:
        kernel: to ask.
        switch: of the waiting.
        lot: of this process; see `Stand`.
    """

    def __init__(self, kernel: Kernel, switch: Switch, lot: int) -> None:
        self._kernel = kernel
        self._switch = switch
        cores = kernel.cores if kernel.busy(kernel.cores) else ()
        self._stand = Stand(cores, kernel.fast, lot=lot)
        self._before = Glance(0)
        self._cpu_s = kernel.cpu_s()

    def worth(self, step_s: float) -> bool:
        """Whether the process has computed since this was asked, more than now and then."""
        before_s, self._cpu_s = self._cpu_s, self._kernel.cpu_s()
        return self._cpu_s - before_s >= LEAST_CPU * step_s

    def begin(self) -> None:
        """Look at what the cores were like between two answers."""
        now = self._read()
        if self._before.at_ns:
            self._act(rested(self._stand, self._before, now))
        self._before = now

    def look(self) -> None:
        """Judge the step that has ended."""
        now = self._read()
        self._act(judged(self._stand, self._before, now))
        self._before = now

    def _read(self) -> Glance:
        kernel = self._kernel
        return Glance(kernel.clock_ns(), kernel.times(), kernel.busy(self._stand.cores))

    def _act(self, stand: Stand) -> None:
        if not stand.contended:
            self._kernel.places.release()
            self._switch.disperse()
        else:
            sleeps = self._switch.gather()
            if stand.home and not (sleeps and self._kernel.places.keep(stand.team, stand.home)):
                # One that spins on the core of the one it waits for would be worst of all.
                stand = replace(stand, cores=(), home=())
        self._stand = stand


class Spinning:
    """
    Watches while something is computed; owns one thread, begun with the first.

    Args:
        switch: of the waiting.
        kernel: made with that thread.
        pause: waits for a step, or less when it is over before: given the step's seconds.
    """

    def __init__(
        self,
        switch: Switch,
        kernel: Callable[[], Kernel] = ours,
        pause: Callable[[float], object] | None = None,
    ) -> None:
        self._switch = switch
        self._make_kernel = kernel
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
        kernel = self._make_kernel()
        if not kernel.times():
            self._switch.gather()  # nobody tells: sleeping threads are never far behind
            return
        watch = Lookout(kernel, self._switch, lot=os.getpid())
        while True:
            with self._changed:
                while not self._computing:
                    self._changed.wait()
            self._steps(watch)

    def _steps(self, watch: Lookout) -> None:
        """Look on until nothing is computed any more."""
        step_s, begun = FIRST_STEP_S, False
        watch.worth(step_s)
        while self._computing:
            self.pause(step_s)
            if not self._computing:
                return  # a step that was cut says little
            if not watch.worth(step_s):
                step_s = min(2 * step_s, LONGEST_STEP_S)
                continue
            if begun:
                watch.look()
                step_s = min(2 * step_s, STEP_S)
            else:
                watch.begin()
                begun, step_s = True, FIRST_STEP_S

    def _wait(self, step_s: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: not self._computing, step_s)
