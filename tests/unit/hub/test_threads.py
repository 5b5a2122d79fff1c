"""Blocking work beside the loop."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import subprocess
import sys
import threading
from typing import Any

import pytest

from rkd.errors import Reason, UnavailableError
from rkd.hub.threads import Moved, in_thread, left_behind

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


async def test_what_is_left_behind_makes_no_noise() -> None:
    """A transfer that fails while it stops, or after, is heard; one that hangs is given up."""
    noise: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, context: noise.append(context))
    failing: asyncio.Future[None] = loop.create_future()
    late: asyncio.Future[None] = loop.create_future()
    hanging: asyncio.Future[None] = loop.create_future()
    loop.call_soon(failing.set_exception, ZeroDivisionError("stopped"))
    await left_behind(failing, within_s=60)
    waited = failing.done()
    await left_behind(hanging, within_s=0)
    task = asyncio.create_task(_deaf(late))
    await left_behind(task, within_s=0)
    late.set_exception(ZeroDivisionError("late"))
    await asyncio.wait({task})
    given_up = hanging.cancelled()
    del failing, late, hanging, task
    await asyncio.sleep(0)
    gc.collect()

    assert waited
    assert given_up
    assert noise == []


async def test_each_thing_told_is_a_move() -> None:
    """As long as something is told a transfer is waited for; in silence it is given up."""
    now_s, told = [0.0], list[tuple[str, int]]()

    def tell(path: str, done: int) -> None:
        told.append((path, done))

    moved = Moved(lambda: now_s[0])
    noting = moved.noting(tell)
    transfer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    now_s[0] = 3600.0
    with pytest.raises(UnavailableError, match="nothing moved for 3600 s: a push") as caught:
        await moved.ended(transfer, within_s=3600, what="a push")
    noting("a", 5)
    asyncio.get_running_loop().call_soon(transfer.set_result, "there")
    ended = await moved.ended(transfer, within_s=3600, what="a push")

    assert caught.value.reason is Reason.HUB_UNREACHABLE
    assert ended == "there"
    assert told == [("a", 5)]


async def _deaf(end: asyncio.Future[None]) -> None:
    """Wait for *end* whoever cancels."""
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.shield(end)
    await end
