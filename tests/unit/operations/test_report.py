"""Progress on its way from a runner to its watchers."""

from __future__ import annotations

import asyncio

from rkd.operations.operation import FileProgress, Progress
from rkd.operations.report import Report


class FakeClock:
    """A clock that stands until told."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        """Tell the time."""
        return self.now_s


class FakeListener:
    """Counts how often it was told of a change."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> None:
        """Take one call."""
        self.calls += 1


async def settle() -> None:
    """Let the callbacks that are due run."""
    await asyncio.sleep(0)


async def test_files_are_summed() -> None:
    """The whole is the sum of the files, resumed bytes apart."""
    report = Report(asyncio.get_running_loop(), FakeListener(), clock=FakeClock())
    report.begin("a", 100, resumed_bytes=40)
    report.begin("b", 50)
    report.advance("a", 60)

    progress = report.progress()

    assert (progress.completed_bytes, progress.total_bytes) == (60, 150)
    assert progress.resumed_bytes == 40
    assert progress.files == (FileProgress("a", 60, 100, 40), FileProgress("b", 0, 50, 0))


async def test_progress_never_goes_back() -> None:
    """A file fetched again, or begun again after a pause, stands still until it is as far."""
    known = Progress(files=(FileProgress("a", 70, 100, 0),))
    report = Report(asyncio.get_running_loop(), FakeListener(), known=known, clock=FakeClock())
    report.begin("a", 100, resumed_bytes=10)
    report.advance("a", 30)

    assert report.progress().completed_bytes == 70


async def test_many_small_steps_wake_few_times() -> None:
    """Steps within a tenth of a second are told together, the last of them too."""
    told = asyncio.Event()
    listener = FakeListener()

    def changed() -> None:
        listener()
        if report.progress().completed_bytes == 99:
            told.set()

    report = Report(asyncio.get_running_loop(), changed, interval_s=0.02)
    report.begin("a", 1000)
    for done in range(1, 100):
        report.advance("a", done)
        await settle()
    await told.wait()

    assert listener.calls <= 4


async def test_speed_counts_what_arrived_in_this_run() -> None:
    """Resumed bytes are no speed; bytes over seconds are."""
    clock = FakeClock()
    report = Report(asyncio.get_running_loop(), FakeListener(), clock=clock)
    report.begin("a", 10_000, resumed_bytes=5_000)
    clock.now_s += 2
    report.advance("a", 5_500)

    assert report.progress().bytes_per_s == 250.0


async def test_speed_is_that_of_the_last_seconds() -> None:
    """Waiting before the first byte does not count, and a stall shows within the window."""
    clock = FakeClock()
    report = Report(asyncio.get_running_loop(), FakeListener(), clock=clock)
    clock.now_s += 60
    report.begin("a", 10_000)
    speeds = []
    for done in (100, 200, 300, 300, 300, 300, 300, 300, 300):
        clock.now_s += 1
        report.advance("a", done)
        speeds.append(report.progress().bytes_per_s)

    assert speeds[:3] == [100.0, 100.0, 100.0]
    assert speeds[5] < 100.0
    assert speeds[-1] == 0.0


async def test_numbers_may_come_from_other_threads() -> None:
    """A mover's thread reports; the listener is called on the loop."""
    listener = FakeListener()
    report = Report(asyncio.get_running_loop(), listener)
    report.begin("a", 10)
    await asyncio.to_thread(report.advance, "a", 10)
    for _ in range(3):
        await settle()

    assert listener.calls == 2
    assert report.progress().completed_bytes == 10
