"""Freed memory goes back to the machine, as the C library counts it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CHILD = """
import ctypes
from rkd.worker import heap

libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p

def resident():
    return int(open("/proc/self/statm").read().split()[1])

# Small pieces, every one touched, and one behind them that stays: the heap cannot shrink.
pieces = [libc.malloc(ctypes.c_size_t(4000)) for _ in range(10_000)]
for piece in pieces:
    ctypes.memset(ctypes.c_void_p(piece), 1, 4000)
kept = libc.malloc(ctypes.c_size_t(4000))
for piece in pieces:
    libc.free(ctypes.c_void_p(piece))
before = resident()
heap.give_back()
print(before - resident())
"""


THREAD = """
import ctypes, sys, threading
from rkd.worker import heap

libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_size_t
if sys.argv[1] == "shared":
    heap.share_one()
got = []
thread = threading.Thread(target=lambda: got.append(libc.malloc(ctypes.c_size_t(100_000))))
thread.start()
thread.join()
(span,) = [line.split()[0] for line in open("/proc/self/maps") if line.endswith("[heap]\\n")]
first, last = (int(end, 16) for end in span.split("-"))
print(first <= got[0] < last)
"""


@pytest.mark.parametrize("asked", ["shared", "as it is"])
def test_threads_share_one_heap(asked: str) -> None:
    """What a thread takes lies in the process's heap, once that was asked for."""
    told = subprocess.run(
        [sys.executable, "-c", THREAD, asked],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    assert told.stdout.strip() == str(asked == "shared")


def test_holes_in_the_heap_are_given_back() -> None:
    """40 MB in pieces below one that is in use."""
    told = subprocess.run(
        [sys.executable, "-c", CHILD],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    assert int(told.stdout) * os.sysconf("SC_PAGE_SIZE") > 20_000_000
