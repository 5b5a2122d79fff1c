"""A crowd of sleeping threads makes OpenMP sleep as well, in the library as it is installed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rkd.backend import openmp
from rkd.worker.crowd import Crowd, loaded_openmp

CHILD = """
import ctypes, os, sys, time
from pathlib import Path
from rkd.worker.crowd import Crowd

openmp = ctypes.CDLL("libgomp.so.1")
work = ctypes.cast(ctypes.CDLL(None).sched_yield, ctypes.c_void_p)

def tasks():
    return [path.name for path in Path("/proc/self/task").iterdir()]

def spinning(name):
    state = Path(f"/proc/self/task/{name}/stat").read_text().rpartition(")")[2].split()[0]
    return name != str(os.getpid()) and state == "R"

def others_s(rounds):
    # What the second thread took: the first one's own time is not counted.
    before, own = time.process_time(), time.thread_time()
    for _ in range(rounds):
        # An empty region by two threads; then the second waits for the next, awake or not.
        openmp.GOMP_parallel(work, None, 2, 0)
        while any(map(spinning, tasks())):
            os.sched_yield()
    return time.process_time() - before - (time.thread_time() - own)

crowd = Crowd()
others_s(2)
alone = others_s(10)
had = len(tasks())
crowd.gather(); crowd.gather()
while len(tasks()) <= had + len(os.sched_getaffinity(0)) - 1:
    os.sched_yield()
together = others_s(10)
crowd.disperse(); crowd.disperse()
while len(tasks()) > had:
    os.sched_yield()
print(alone, together, others_s(10))
"""


@pytest.mark.parametrize("switched", [True, False])
def test_threads_sleep_while_it_is_there_and_spin_before_and_after(*, switched: bool) -> None:
    """By what the waiting thread takes of a core: 300,000 rounds at each barrier, or 100."""
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("spinning wants a second core")
    clean = {
        key: value for key, value in os.environ.items() if "OMP_" not in key and "GOMP_" not in key
    }

    if switched:
        openmp.switch(clean)

    told = subprocess.run(
        [sys.executable, "-c", CHILD],
        env={**clean, "PYTHONPATH": str(Path(__file__).parents[3])},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    alone, together, after = map(float, told.stdout.split())

    assert alone > 3 * together
    assert after > 3 * together


def test_without_an_openmp_there_is_nothing_to_do(tmp_path: Path) -> None:
    """An engine that needs none, or brings another."""
    maps = tmp_path / "maps"
    maps.write_text("7f00-7f01 r-xp 0 fe:00 1  /usr/lib/libm.so.6\n")

    assert loaded_openmp(maps) == ""
    assert loaded_openmp(tmp_path / "gone") == ""


def test_the_one_that_is_loaded_is_found(tmp_path: Path) -> None:
    """A wheel's own copy too, whose name nobody knows before."""
    maps = tmp_path / "maps"
    maps.write_text(
        "7f00-7f01 r-xp 0 fe:00 1          /opt/x y/libs/libgomp-a34b3233.so.1.0.0\n"
        "7f00-7f01 r-xp 0 fe:00 1          /usr/lib/libgompish.txt\n"
    )

    assert loaded_openmp(maps) == "/opt/x y/libs/libgomp-a34b3233.so.1.0.0"


def test_one_that_never_came_goes_without_a_word() -> None:
    """The watcher says so at every calm step."""
    crowd = Crowd()
    crowd.disperse()

    assert not crowd.there


def test_without_an_openmp_it_says_that_nobody_sleeps() -> None:
    """In a process of its own: nothing is ever unloaded."""
    code = "from rkd.worker.crowd import Crowd; crowd = Crowd(); print(crowd.gather(), crowd.there)"
    told = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(Path(__file__).parents[3])},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )

    assert told.stdout.split() == ["False", "False"]
