"""Blocking work beside the loop."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading

import pytest

from rkd.errors import Reason, UnavailableError
from rkd.hub.threads import in_thread

HELD_UP = """
import asyncio, threading
from rkd.hub.threads import in_thread

async def main():
    waiting = asyncio.ensure_future(in_thread(threading.Event().wait, name="stuck"))
    await asyncio.sleep(0)
    waiting.cancel()

asyncio.run(main())
"""


async def test_what_the_thread_does_is_what_the_waiter_gets() -> None:
    """Results and errors cross, and the thread has the name asked for."""

    def fail() -> None:
        raise UnavailableError(Reason.HUB_UNREACHABLE, "gone")

    assert await in_thread(lambda: threading.current_thread().name, name="own") == "own"
    with pytest.raises(UnavailableError, match="gone"):
        await in_thread(fail, name="own")


async def test_a_cancelled_waiter_does_not_wait() -> None:
    """The thread is left to end by itself, and its late result disturbs nobody."""
    go, done = threading.Event(), threading.Event()

    def work() -> None:
        go.wait(10)
        done.set()

    waiting = asyncio.ensure_future(in_thread(work, name="late"))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    go.set()

    assert await asyncio.to_thread(done.wait, 10)


def test_a_thread_that_hangs_does_not_hold_up_the_end() -> None:
    """A process ends although its thread waits for ever."""
    ended = subprocess.run([sys.executable, "-c", HELD_UP], check=False, timeout=30)

    assert ended.returncode == 0
