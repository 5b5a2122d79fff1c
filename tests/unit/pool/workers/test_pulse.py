"""A worker that owes an answer gives signs of life, or is given up."""

from __future__ import annotations

import asyncio

import pytest

from rkd.pool.workers import pulse as module
from rkd.pool.workers.pulse import MISSES, Pulse


class FakeWorker:
    """Counts pings; answers the first few; owes something for as long as it is told to."""

    def __init__(self, answers: int = 0, owes: int = 1000) -> None:
        self.pings = 0
        self.lapsed = asyncio.Event()
        self.idle = asyncio.Event()
        self.pulse = Pulse(self.ping, self.busy, self.lapsed.set)
        self._answers = answers
        self._owes = owes

    def ping(self) -> None:
        """Be asked."""
        self.pings += 1
        if self.pings <= self._answers:
            self.pulse.heard()

    def busy(self) -> bool:
        """Owe something."""
        self._owes -= 1
        if self._owes < 0:
            self.idle.set()
        return self._owes >= 0


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ping without waiting."""
    monkeypatch.setattr(module, "PING_S", 0.0)


async def test_silence_lapses() -> None:
    """After so many pings in a row, and once."""
    worker = FakeWorker()
    worker.pulse.watch()
    await worker.lapsed.wait()

    assert worker.pings == MISSES


async def test_a_sign_of_life_counts_anew() -> None:
    """Only what is missed in a row ends it."""
    worker = FakeWorker(answers=20)
    worker.pulse.watch()
    await worker.lapsed.wait()

    assert worker.pings == 20 + MISSES


async def test_nothing_is_asked_of_the_idle() -> None:
    """Pings end with the last answer, and begin again with the next request."""
    worker = FakeWorker(answers=1000, owes=3)
    worker.pulse.watch()
    worker.pulse.watch()
    await worker.idle.wait()

    assert worker.pings == 3
    assert not worker.lapsed.is_set()


async def test_a_worker_that_is_gone_is_not_asked() -> None:
    """Whatever it owed."""
    worker = FakeWorker()
    worker.pulse.watch()
    worker.pulse.stop()
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert worker.pings == 0
