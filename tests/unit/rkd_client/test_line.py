"""What is said once and done by both halves."""

from __future__ import annotations

import asyncio
import threading

import pytest
from rkd_client.line import through
from rkd_client.sync import _Lock


def test_what_never_waits_comes_to_its_end() -> None:
    """A coroutine without an event loop: its value, and its errors."""

    async def inner(number: int) -> int:
        return 12 // number

    async def outer(number: int) -> int:
        return await inner(number) + 1

    assert through(outer(3)) == 5
    with pytest.raises(ZeroDivisionError):
        through(outer(0))


def test_waiting_for_a_loop_is_a_defect_that_is_told() -> None:
    """It would never end: there is none."""
    with pytest.raises(RuntimeError, match="where there is none"):
        through(asyncio.sleep(0))


def test_the_lock_of_the_half_without_asyncio_keeps_threads_apart() -> None:
    """A second one waits until the first has left, also by an error."""
    lock, inside, held = _Lock(), threading.Event(), threading.Event()
    order: list[str] = []

    async def first() -> None:
        async with lock:
            inside.set()
            held.wait(60)
            order.append("first")
            raise ValueError("over")

    async def second() -> None:
        async with lock:
            order.append("second")

    def failing() -> None:
        with pytest.raises(ValueError, match="over"):
            through(first())

    threads = [threading.Thread(target=failing)]
    threads[0].start()
    assert inside.wait(60)
    threads.append(threading.Thread(target=lambda: through(second())))
    threads[1].start()
    held.set()
    for one in threads:
        one.join(60)

    assert order == ["first", "second"]
