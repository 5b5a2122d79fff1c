"""Threads are made to sleep while others want the cores, and only looked at while they compute."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable

from rkd.worker.contention import CALM_S, NS, Times
from rkd.worker.spinning import FIRST_STEP_S, LONGEST_STEP_S, STEP_S, Kernel, Lookout, Spinning

BOUND_S = 60
CORES = (4, 5)


class FakeSwitch:
    """Notes which way it stands."""

    def __init__(self, *, works: bool = True) -> None:
        self._works = works
        self.asleep = False
        self.gathered = threading.Event()

    def gather(self) -> bool:
        """Sleep, if they can be made to."""
        self.asleep = self._works
        self.gathered.set()
        return self._works

    def disperse(self) -> None:
        """Spin."""
        self.asleep = False


class FakeAffinity:
    """Notes who is kept where."""

    def __init__(self, *, allowed: bool = True) -> None:
        self._allowed = allowed
        self.kept: dict[int, tuple[int, ...]] = {}
        self.asked = 0

    def keep(self, threads: Iterable[int], home: Iterable[int]) -> bool:
        """Keep them, if we may."""
        self.asked += 1
        if self._allowed:
            self.kept = dict.fromkeys(threads, tuple(home))
        return self._allowed

    def release(self) -> None:
        """Let them go."""
        self.kept = {}


class FakeKernel:
    """Tells the times of two threads, and ends each step when the test says so."""

    def __init__(self, *, tells: bool = True, allowed: bool = True) -> None:
        self._tells = tells
        self._now = {1: Times(), 2: Times()}
        self._busy = dict.fromkeys(CORES, 0)
        self._steps: queue.Queue[tuple[float, float]] = queue.Queue()
        self._done: queue.Queue[None] = queue.Queue()
        self._cpu_s = 0.0
        self._clock_ns = NS
        self.places = FakeAffinity(allowed=allowed)
        self.looks = 0
        self.lengths: list[float] = []

    def made(self) -> Kernel:
        """As the watcher wants it."""
        return Kernel(
            times=self._times,
            cpu_s=lambda: self._cpu_s,
            busy=lambda cores: {core: self._busy[core] for core in cores},
            cores=CORES,
            fast=len(CORES),
            places=self.places,
            clock_ns=lambda: self._clock_ns,
        )

    def _times(self) -> dict[int, Times]:
        self.looks += 1
        return dict(self._now) if self._tells else {}

    def pause(self, step_s: float) -> None:
        """A step begins: the one before has been judged."""
        self.lengths.append(step_s)
        self._done.put(None)
        ran, waited = self._steps.get(timeout=BOUND_S)
        self.pass_by(step_s, ran, waited)

    def pass_by(
        self, seconds: float, ran: float = 0.0, waited: float = 0.0, *, others: float = 0.0
    ) -> None:
        """Time passes, in which each thread ran and waited for those parts of it."""
        step_ns = round(seconds * NS)
        self._clock_ns += step_ns
        self._cpu_s += 2 * ran * seconds
        for thread, was in self._now.items():
            ran_ns, waited_ns = round(ran * step_ns), round(waited * step_ns)
            self._now[thread] = Times(was.ran_ns + ran_ns, was.waited_ns + waited_ns)
        self._busy[CORES[0]] += round(2 * ran * step_ns)
        self._busy[CORES[1]] += round(others * step_ns)

    def step(self, ran: float, waited: float = 0.0) -> None:
        """Let a step end in which each thread did so; return once it is judged."""
        self._done.get(timeout=BOUND_S)
        self._steps.put((ran, waited))
        self._done.get(timeout=BOUND_S)
        self._done.put(None)

    def last(self) -> None:
        """Let the step under way end, whatever becomes of it."""
        self._steps.put((0.0, 0.0))


def watching(switch: FakeSwitch, kernel: FakeKernel) -> Spinning:
    """A watcher on that kernel."""
    return Spinning(switch, kernel.made, kernel.pause)


class Answer:
    """One that is watched step by step, without any thread."""

    def __init__(self, *, allowed: bool = True, works: bool = True) -> None:
        self.switch, self.kernel = FakeSwitch(works=works), FakeKernel(allowed=allowed)
        self.watch = Lookout(self.kernel.made(), self.switch, lot=0)
        self.watch.begin()

    def step(self, ran: float, waited: float = 0.0, *, others: float = 0.0) -> bool:
        """Let one end; whether the threads are to sleep now."""
        self.kernel.pass_by(STEP_S, ran, waited, others=others)
        self.watch.look()
        return self.switch.asleep


CALM_STEPS = round(CALM_S / STEP_S)


def test_others_make_threads_sleep_at_home_and_their_end_lets_them_go() -> None:
    """In the middle of one answer."""
    answer = Answer()

    assert not answer.step(0.5)
    assert answer.step(0.4, 0.6)
    assert answer.kernel.places.kept == {1: CORES[:1], 2: CORES[:1]}
    assert answer.step(0.5, 0.4, others=1.0)
    assert [answer.step(0.5, 0.4) for _ in range(CALM_STEPS)][-2:] == [True, False]
    assert not answer.kernel.places.kept


def test_free_cores_since_the_last_answer_are_calm() -> None:
    """Looked at as the next begins, before anything of it is judged."""
    answer = Answer()
    answer.step(0.4, 0.6)
    answer.kernel.pass_by(3600.0)
    answer.watch.begin()

    assert not answer.switch.asleep
    assert not answer.kernel.places.kept


def test_where_threads_may_not_be_kept_they_sleep_where_they_are() -> None:
    """Asked once; the waiting of threads tells again then."""
    answer = Answer(allowed=False)

    assert all(answer.step(0.4, 0.6) for _ in range(3))
    assert answer.kernel.places.asked == 1
    assert [answer.step(0.5) for _ in range(CALM_STEPS)][-2:] == [True, False]


def test_threads_that_cannot_be_made_to_sleep_are_not_kept_together() -> None:
    """One that spins on the core of the one it waits for would be worst of all."""
    answer = Answer(works=False)
    for _ in range(3):
        answer.step(0.4, 0.6)

    assert answer.kernel.places.asked == 0


def test_only_who_computes_is_worth_a_look() -> None:
    """More than now and then, since it was asked last."""
    answer = Answer()
    answer.kernel.pass_by(1.0, 0.005)
    seldom = answer.watch.worth(1.0)
    answer.kernel.pass_by(1.0, 0.5)

    assert (seldom, answer.watch.worth(1.0), answer.watch.worth(1.0)) == (False, True, False)


def test_an_answer_that_begins_beside_others_is_seen_soon() -> None:
    """Whoever spins beside others does a twentieth until somebody looks."""
    switch, kernel = FakeSwitch(), FakeKernel()

    with watching(switch, kernel).watched():
        for _ in range(3):
            kernel.step(0.4, 0.6)
        assert switch.asleep
        kernel.last()

    assert kernel.lengths[:3] == [FIRST_STEP_S, FIRST_STEP_S, 2 * FIRST_STEP_S]
    assert sum(kernel.lengths[:3]) <= STEP_S


def test_what_was_learned_holds_for_the_next_answer() -> None:
    """Nobody in the way has gone by itself because nobody asked for a moment."""
    switch, kernel = FakeSwitch(), FakeKernel()
    spinning = watching(switch, kernel)

    with spinning.watched():
        for _ in range(3):
            kernel.step(0.4, 0.6)
    kernel.last()

    assert switch.asleep


def test_a_kernel_that_tells_nothing_is_taken_for_a_busy_one() -> None:
    """Sleeping threads are never far behind; spinning ones may be by twenty times."""
    switch = FakeSwitch()
    spinning = Spinning(switch, FakeKernel(tells=False).made)

    with spinning.watched():
        assert switch.gathered.wait(BOUND_S)

    assert switch.asleep


def test_nothing_is_looked_at_between_answers() -> None:
    """An idle board's worker wakes nobody; the first look is for whether the kernel tells."""
    kernel = FakeKernel()
    spinning = watching(FakeSwitch(), kernel)
    before = kernel.looks
    with spinning.watched():
        kernel.step(0.5)
    kernel.last()

    assert before == 0
    assert kernel.looks == 1 + 1


def test_an_answer_of_the_npu_is_hardly_looked_at() -> None:
    """Its threads sleep meanwhile: steps grow, and no thread is asked for its times."""
    kernel = FakeKernel()
    spinning = watching(FakeSwitch(), kernel)
    with spinning.watched():
        for _ in range(6):
            kernel.step(0.0)
        kernel.last()

    assert kernel.looks == 1
    assert kernel.lengths[0] == FIRST_STEP_S
    assert kernel.lengths[-2:] == [LONGEST_STEP_S, LONGEST_STEP_S]


def test_a_step_is_over_with_the_answer() -> None:
    """The waiting of its own ends at once, not after its seconds."""
    spinning = Spinning(FakeSwitch(), FakeKernel().made)
    ended = threading.Event()
    inside = spinning.watched()

    with inside:
        threading.Thread(target=lambda: (spinning.pause(BOUND_S * 10), ended.set())).start()

    assert ended.wait(BOUND_S)
    assert STEP_S < 1
