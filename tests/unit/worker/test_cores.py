"""What the kernel tells of cores and threads, and threads kept on some of them."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rkd.worker.contention import Times
from rkd.worker.cores import Affinity, busy_times, fastest_first, thread_times

TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
STAT = """cpu  9 9 9 9 9 9 9 9 9 9
cpu0 1 2 3 100 200 4 5 1000 1 1
cpu1 10 0 0 0 0 0 0 0 0 0
cpu10 7 0 0 0 0 0 0 0 0 0
intr 99 1 2
cpu4 1 1 1 1 1 1 1 1 1 1
"""
OWN = Path("/proc/self")


def test_every_thread_of_a_process_is_read(tmp_path: Path) -> None:
    """One that has ended while it was read is left out, and so is nonsense."""
    for name, text in (("7", "5 6 1\n"), ("8", "x"), ("9", "")):
        (tmp_path / "task" / name).mkdir(parents=True)
        (tmp_path / "task" / name / "schedstat").write_text(text)
    (tmp_path / "task" / "10").mkdir()

    assert thread_times(tmp_path) == {7: Times(5, 6)}
    assert thread_times(tmp_path / "gone") == {}


def test_what_a_core_did_is_not_what_it_would_give_up(tmp_path: Path) -> None:
    """Idling, what the nice do and what was stolen; lines behind the cores are not read."""
    (tmp_path / "stat").write_text(STAT)

    assert busy_times((0, 1, 4), tmp_path) == {0: 13 * TICK_NS, 1: 10 * TICK_NS}
    assert busy_times((10,), tmp_path) == {10: 7 * TICK_NS}


@pytest.mark.parametrize("text", [None, "", "cpu0 1\n", "cpu0 a b c d e f g h\n", "\n"])
def test_a_kernel_that_tells_nothing_of_cores(tmp_path: Path, text: str | None) -> None:
    """ProcSubset=pid, or something that is no table."""
    if text is not None:
        (tmp_path / "stat").write_text(text)

    assert busy_times((0,), tmp_path) == {}


LITTLE_FIRST = (4, 5, 6, 7, 0, 1, 2, 3)
BOARDS = {
    "RK3588": ((530,) * 4 + (1024, 1024, 1018, 1018), (LITTLE_FIRST, 4)),
    "RK3588, big first": ((1024,) * 4 + (530,) * 4, ((0, 1, 2, 3, 4, 5, 6, 7), 4)),
    "RK3576": ((485,) * 4 + (1024,) * 4, (LITTLE_FIRST, 4)),
    "RK3566": ((1024,) * 4, ((0, 1, 2, 3), 4)),
    "three kinds": ((250, 250, 700, 700, 1024), ((4, 2, 3, 0, 1), 3)),
    "x86-64": ((), ((0, 1), 2)),
}


@pytest.mark.parametrize("board", BOARDS)
def test_the_big_cores_come_first(tmp_path: Path, board: str) -> None:
    """By what the kernel says of each; a half of them is a half of the fast ones."""
    capacities, ranked = BOARDS[board]
    for core, capacity in enumerate(capacities):
        folder = tmp_path / f"devices/system/cpu/cpu{core}"
        folder.mkdir(parents=True)
        (folder / "cpu_capacity").write_text(f"{capacity}\n")

    assert fastest_first(reversed(range(len(capacities) or 2)), tmp_path) == ranked


@contextmanager
def sleeper() -> Iterator[int]:
    """A thread that does nothing."""
    over, known = threading.Event(), threading.Event()
    thread = threading.Thread(target=lambda: (known.set(), over.wait()))
    thread.start()
    known.wait()
    try:
        yield thread.native_id or 0
    finally:
        over.set()
        thread.join()


def test_threads_are_kept_and_let_go() -> None:
    """Only the ones that were named, wherever they were."""
    whole = os.sched_getaffinity(0)
    places = Affinity(OWN, whole)
    with sleeper() as one, sleeper() as other:
        assert places.keep([one], [min(whole)])
        kept = [os.sched_getaffinity(thread) for thread in (one, other)]
        places.release()

        assert kept == [{min(whole)}, whole]
        assert os.sched_getaffinity(one) == whole


def test_they_move_when_their_home_does() -> None:
    """All that are named then; the last word counts."""
    whole = sorted(os.sched_getaffinity(0))
    if len(whole) < 2:
        pytest.skip("moving wants a second core")
    places = Affinity(OWN, whole)
    with sleeper() as one:
        places.keep([one], whole[:1])
        places.keep([one], whole[1:2])

        assert os.sched_getaffinity(one) == {whole[1]}
        places.release()
        assert os.sched_getaffinity(one) == set(whole)


def test_one_that_was_begun_at_home_is_let_go_as_well() -> None:
    """An engine's thread starts another where it is itself."""
    whole = os.sched_getaffinity(0)
    places = Affinity(OWN, whole)
    with sleeper() as one, sleeper() as born:
        places.keep([one], [min(whole)])
        os.sched_setaffinity(born, {min(whole)})
        places.release()

        assert os.sched_getaffinity(born) == whole


def test_one_that_has_ended_is_nobody() -> None:
    """Threads come and go between a look and what follows from it."""
    whole = os.sched_getaffinity(0)
    with sleeper() as one:
        pass
    places = Affinity(OWN, whole)

    assert places.keep([one], [min(whole)])
    places.release()


def test_where_it_is_forbidden_it_is_told() -> None:
    """A core that is not there stands for a sandbox that forbids the call."""
    whole = os.sched_getaffinity(0)
    with sleeper() as one:
        assert not Affinity(OWN, whole).keep([one], [1023])
        assert os.sched_getaffinity(one) == whole
