"""Others are in the way when threads that want a core have to wait for one."""

from __future__ import annotations

from pathlib import Path

import pytest

from rkd.worker.contention import (
    CALM_STEPS,
    MOST_CALM_STEPS,
    Contention,
    Times,
    thread_times,
)

STEP_S = 0.2
STEP_NS = 200_000_000


class Board:
    """Two threads of an engine and one that sleeps, step by step."""

    def __init__(self) -> None:
        self.judge = Contention()
        self._times = dict.fromkeys((1, 2, 3), Times())
        self.judge.begin(self._times)

    def step(self, *shares: float) -> bool:
        """One more step, in which thread after thread waited for that part of it."""
        for thread, share in enumerate(shares, 1):
            before = self._times[thread]
            waited = int(share * STEP_NS)
            now = Times(before.ran_ns + STEP_NS - waited, before.waited_ns + waited)
            self._times = {**self._times, thread: now}
        return self.judge.judge(self._times, STEP_S)


@pytest.fixture
def board() -> Board:
    """A fresh one."""
    return Board()


def test_cores_of_ones_own_are_nobodys(board: Board) -> None:
    """A daemon that works for each token takes a tenth; that is no contention."""
    assert not any(board.step(0.0, 0.1) for _ in range(20))


def test_one_thread_that_waits_is_enough(board: Board) -> None:
    """All others wait for it."""
    assert board.step(0.0, 0.5)


def test_it_is_over_after_some_calm_steps(board: Board) -> None:
    """One calm step may be chance."""
    board.step(0.5, 0.5)

    said = [board.step(0.0, 0.0) for _ in range(CALM_STEPS)]

    assert said == [True] * (CALM_STEPS - 1) + [False]


def test_who_was_wrong_waits_longer(board: Board) -> None:
    """Others that come and go are not believed to be gone again and again."""
    needed = []
    for _ in range(3):
        board.step(0.5, 0.5)
        needed.append(1)
        while board.step(0.0, 0.0):
            needed[-1] += 1

    assert needed == [CALM_STEPS, 2 * CALM_STEPS, 4 * CALM_STEPS]


def test_a_long_calm_is_forgiven(board: Board) -> None:
    """What was wrong an hour ago says nothing of now."""
    for _ in range(4):
        board.step(0.5, 0.5)
        while board.step(0.0, 0.0):
            pass
    for _ in range(MOST_CALM_STEPS):
        board.step(0.0, 0.0)
    board.step(0.5, 0.5)

    said = [board.step(0.0, 0.0) for _ in range(CALM_STEPS)]

    assert said[-1] is False


def test_threads_that_hardly_ran_say_nothing(board: Board) -> None:
    """Who writes down what two others compute on two cores waits for them, and for nobody else."""
    board.judge.judge({3: Times(STEP_NS // 100, STEP_NS // 2)}, STEP_S)

    assert not board.judge.contended


def test_without_work_nothing_changes(board: Board) -> None:
    """The NPU computes, and its threads sleep."""
    board.step(0.5, 0.5)

    assert all(board.step() for _ in range(MOST_CALM_STEPS))


def test_times_between_answers_do_not_count(board: Board) -> None:
    """A thread that waited while nothing was computed was in nobody's way."""
    board.judge.begin({1: Times(0, 10 * STEP_NS)})

    assert not board.judge.judge({1: Times(STEP_NS, 10 * STEP_NS)}, STEP_S)


def test_every_thread_of_a_process_is_read(tmp_path: Path) -> None:
    """One that has ended while it was read is left out, and so is nonsense."""
    for name, text in (("7", "5 6 1\n"), ("8", "x"), ("9", "")):
        (tmp_path / "task" / name).mkdir(parents=True)
        (tmp_path / "task" / name / "schedstat").write_text(text)
    (tmp_path / "task" / "10").mkdir()

    assert thread_times(tmp_path) == {7: Times(5, 6)}
    assert thread_times(tmp_path / "gone") == {}
