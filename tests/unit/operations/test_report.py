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


async def test_a_fact_is_told_at_once_and_a_step_that_is_none_never() -> None:
    """What was known before a restart goes on without being named anew."""
    listener = FakeListener()
    known = Progress(files=(FileProgress("a", 70, 100, 0),))
    report = Report(asyncio.get_running_loop(), listener, known=known, clock=FakeClock())
    report.tell("license", "mit")
    await settle()
    told = listener.calls
    report.advance("a", 70)
    for _ in range(3):
        await settle()

    assert (told, listener.calls) == (1, 1)
    report.advance("a", 80)
    assert report.progress().completed_bytes == 80


def test_a_thread_that_outlives_the_loop_tells_nobody() -> None:
    """It ends without a traceback."""
    loop = asyncio.new_event_loop()
    loop.close()
    listener = FakeListener()
    report = Report(loop, listener, clock=FakeClock())
    report.begin("a", 10)
    report.advance("a", 5)
    report.stage("ending")

    assert listener.calls == 0


class TestSpeed:
    """Bytes over seconds, of samples some tenths of a second apart, over a window of 5 s."""

    def at(self, interval_s: float, *steps: tuple[float, int]) -> list[float]:
        """The speed told at each of *steps*: seconds since the beginning, bytes by then."""
        loop = asyncio.new_event_loop()
        loop.close()
        clock = FakeClock()
        report = Report(loop, FakeListener(), interval_s=interval_s, clock=clock)
        report.begin("a", 1_000_000)
        began_s, speeds = clock.now_s, []
        for at_s, done in steps:
            clock.now_s = began_s + at_s
            report.advance("a", done)
            speeds.append(report.progress().bytes_per_s)
        return speeds

    def test_nothing_and_no_time_are_no_speed(self) -> None:
        """Before the first byte, and in the very moment of it."""
        assert self.at(2.0, (0.0, 0), (0.0, 10)) == [0.0, 0.0]

    def test_a_sample_is_taken_when_half_an_interval_is_over(self) -> None:
        """Not before, however often it is asked for."""
        told = self.at(6.0, (3.0, 300), (5.5, 3000), (6.0, 6000))
        assert told == [100.0, 100.0, 1000.0]

    def test_what_is_older_than_the_window_does_not_count(self) -> None:
        """One sample of it does: the speed is between that and now."""
        told = self.at(0.1, (1.0, 100), (2.0, 200), (6.0, 1000), (7.0, 2000), (8.0, 2600))
        assert told == [100.0, 100.0, 900 / 5, 1800 / 5, 2400 / 6]

    def test_a_pause_longer_than_the_window_counts_from_its_beginning(self) -> None:
        """What came before it is forgotten at once."""
        assert self.at(0.1, (1.0, 100), (10.0, 1100)) == [100.0, 1000 / 9]

    def test_two_samples_are_always_kept(self) -> None:
        """Also when both are old: a speed has two ends."""
        assert self.at(100.0, (50.0, 500), (80.0, 500)) == [10.0, 10.0]

    def test_a_line_that_got_faster_is_told_as_that(self) -> None:
        """The slow beginning is forgotten with the window."""
        slow = [(float(at), 100 * at) for at in range(1, 11)]
        fast = [(float(10 + at), 1000 + 500 * at) for at in range(1, 11)]
        assert self.at(0.1, *slow, *fast)[-1] == 500.0
