"""Threads are made to sleep while others want the cores, and only looked at while they compute."""

from __future__ import annotations

import queue
import threading

from rkd.worker.contention import CALM_STEPS, Times
from rkd.worker.spinning import LONGEST_STEP_S, STEP_S, Spinning

BOUND_S = 60


class FakeSwitch:
    """Notes which way it stands."""

    def __init__(self) -> None:
        self.asleep = False
        self.gathered = threading.Event()

    def gather(self) -> None:
        """Sleep."""
        self.asleep = True
        self.gathered.set()

    def disperse(self) -> None:
        """Spin."""
        self.asleep = False


class Kernel:
    """Tells the times of one thread, and ends each step when the test says so."""

    def __init__(self, *, tells: bool = True) -> None:
        self._tells = tells
        self._now = Times()
        self._steps: queue.Queue[tuple[float, bool]] = queue.Queue()
        self._done: queue.Queue[None] = queue.Queue()
        self._cpu_s = 0.0
        self.looks = 0
        self.lengths: list[float] = []

    def times(self) -> dict[int, Times]:
        """What it tells."""
        self.looks += 1
        return {1: self._now} if self._tells else {}

    def cpu_s(self) -> float:
        """What the process has computed."""
        return self._cpu_s

    def pause(self, step_s: float) -> None:
        """A step begins: the one before has been judged."""
        self.lengths.append(step_s)
        self._done.put(None)
        share, computes = self._steps.get(timeout=BOUND_S)
        if not computes:
            return
        waited = int(step_s * 1e9 * share)
        ran = int(step_s * 1e9) - waited
        self._cpu_s += ran / 1e9
        self._now = Times(self._now.ran_ns + ran, self._now.waited_ns + waited)

    def step(self, share: float, *, computes: bool = True) -> None:
        """Let a step end in which the thread waited for *share* of it; return once it is judged."""
        self._done.get(timeout=BOUND_S)
        self._steps.put((share, computes))
        self._done.get(timeout=BOUND_S)
        self._done.put(None)

    def last(self) -> None:
        """Let the step under way end, whatever becomes of it."""
        self._steps.put((0.0, True))


def watching(switch: FakeSwitch, kernel: Kernel) -> Spinning:
    """A watcher on that kernel."""
    return Spinning(switch, kernel.times, kernel.pause, cpu_s=kernel.cpu_s)


def test_others_make_threads_sleep_and_their_end_makes_them_spin() -> None:
    """In the middle of one answer."""
    switch, kernel = FakeSwitch(), Kernel()
    spinning = watching(switch, kernel)

    with spinning.watched():
        kernel.step(0.0)
        kernel.step(0.0)
        assert not switch.asleep
        kernel.step(0.6)
        assert switch.asleep
        for _ in range(CALM_STEPS):
            kernel.step(0.0)
        assert not switch.asleep
        kernel.last()


def test_what_was_learned_holds_for_the_next_answer() -> None:
    """Nobody in the way has gone by itself because nobody asked for a second."""
    switch, kernel = FakeSwitch(), Kernel()
    spinning = watching(switch, kernel)

    with spinning.watched():
        kernel.step(0.0)
        kernel.step(0.6)
    kernel.last()

    assert switch.asleep


def test_a_kernel_that_tells_nothing_is_taken_for_a_busy_one() -> None:
    """Sleeping threads are never far behind; spinning ones may be by twenty times."""
    switch = FakeSwitch()
    spinning = Spinning(switch, Kernel(tells=False).times)

    with spinning.watched():
        assert switch.gathered.wait(BOUND_S)

    assert switch.asleep


def test_nothing_is_looked_at_between_answers() -> None:
    """An idle board's worker wakes nobody; the first look is for whether the kernel tells."""
    kernel = Kernel()
    spinning = watching(FakeSwitch(), kernel)
    before = kernel.looks
    with spinning.watched():
        kernel.step(0.0)
    kernel.last()

    assert before == 0
    assert kernel.looks == 1 + 1


def test_an_answer_of_the_npu_is_hardly_looked_at() -> None:
    """Its threads sleep meanwhile: steps grow, and no thread is asked for its times."""
    kernel = Kernel()
    spinning = watching(FakeSwitch(), kernel)
    with spinning.watched():
        for _ in range(4):
            kernel.step(0.0, computes=False)
        kernel.last()

    assert kernel.looks == 1
    assert kernel.lengths == [STEP_S, 2 * STEP_S, LONGEST_STEP_S, LONGEST_STEP_S, LONGEST_STEP_S]


def test_a_step_is_over_with_the_answer() -> None:
    """The waiting of its own ends at once, not after its seconds."""
    spinning = Spinning(FakeSwitch(), lambda: {1: Times()})
    ended = threading.Event()
    inside = spinning.watched()

    with inside:
        threading.Thread(target=lambda: (spinning.pause(BOUND_S * 10), ended.set())).start()

    assert ended.wait(BOUND_S)
    assert STEP_S < 1
