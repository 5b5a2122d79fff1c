"""What the carrier writes down, tells and keeps quiet about where an operation begins and ends."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from structlog.testing import capture_logs

from rkd.errors import ExhaustedError, Reason
from rkd.events import Event
from rkd.operations.carrier import Carrier
from rkd.operations.live import Live
from rkd.operations.operation import Operation, OperationKind, OperationState, StoredFailure
from rkd.operations.report import Report

BEFORE = datetime(2026, 1, 1, tzinfo=UTC)
NOW = datetime(2026, 1, 2, tzinfo=UTC)


class FakeJournal:
    """A journal in memory; `gate` holds whoever saves a pause."""

    def __init__(self) -> None:
        self.saved: list[Operation] = []
        self.settled: list[Operation] = []
        self.saving = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()
        self.full = False

    async def save(self, operation: Operation) -> None:
        """Keep it, once the gate is open."""
        if operation.state is OperationState.PAUSED:
            self.saving.set()
            await self.gate.wait()
            if self.full:
                raise ExhaustedError(Reason.DISK_FULL, "no room")
        self.saved.append(operation)

    async def settle(self, operation: Operation) -> None:
        """Keep the end."""
        self.settled.append(operation)


class FakeRunner:
    """Tells some progress, then waits; hangs, fails and cleans up as told."""

    resumable = True

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.end = asyncio.Event()
        self.told = 0
        self.deaf = False
        self.error: Exception | None = None
        self.discarded = asyncio.Event()
        self.may_discard = asyncio.Event()
        self.may_discard.set()
        self.unclean: Exception | None = None

    async def run(self, operation: Operation, report: Report) -> Mapping[str, str]:
        """Work until told to end."""
        del operation
        report.begin("a", 10)
        self.begun.set()
        while not self.end.is_set():
            try:
                await self.end.wait()
            except asyncio.CancelledError:
                if not self.deaf:
                    await turns(5)  # tidies up
                    if self.error is None:
                        raise
                    break
        report.advance("a", self.told)
        if self.error is not None:
            raise self.error
        return {}

    async def discard(self, operation: Operation) -> None:
        """Clean up, deaf to being told to leave."""
        del operation
        self.discarded.set()
        await self.may_discard.wait()
        if self.unclean is not None:
            raise self.unclean


class Bench:
    """A carrier with one operation, and everything it was heard to say."""

    def __init__(self, *, stop_wait_s: float = 60.0, **fields: Any) -> None:
        self.journal = FakeJournal()
        self.runner = FakeRunner()
        self.events: list[Event] = []
        self.noise: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(
            lambda _loop, context: self.noise.append(context)
        )
        self.live = Live(operation(**fields))
        self.carrier = Carrier(
            journal=self.journal,  # type: ignore[arg-type]
            runners={OperationKind.PULL: self.runner},
            publish=self.events.append,
            now=lambda: NOW,
            at_once=1,
            stop_wait_s=stop_wait_s,
        )

    async def begin(self) -> None:
        """Launch it and wait until its runner is at work."""
        self.carrier.launch(self.live)
        await self.runner.begun.wait()

    async def rest(self) -> Operation:
        """Wait until nothing is under way any more."""
        assert self.live.task is not None
        await asyncio.wait({self.live.task})
        return self.live.operation

    async def cancel(self) -> Operation:
        """Cancel it and wait for the end."""
        self.carrier.stop(self.live, OperationState.CANCELLED)
        return await self.rest()

    async def quiet(self) -> bool:
        """Whether the loop was told of nothing that nobody heard, after all is collected."""
        await turns(5)
        gc.collect()
        await turns(2)
        return not self.noise


def operation(**fields: Any) -> Operation:
    """A pull that waits."""
    given = {"kind": OperationKind.PULL, "state": OperationState.PENDING, **fields}
    return Operation(
        id="pull-0000000a", key="k", subject="tiny", request={}, created=BEFORE, **given
    )


async def turns(count: int) -> None:
    """Let the loop go round."""
    for _ in range(count):
        await asyncio.sleep(0)


async def test_an_end_is_logged_with_its_reason() -> None:
    """Who reads the log sees which operation ended how, and why."""
    bench = Bench()
    with capture_logs() as logs:
        await bench.carrier.finish(
            bench.live, OperationState.FAILED, failure=StoredFailure(Reason.DISK_FULL, "no room")
        )
        await bench.carrier.finish(bench.live, OperationState.SUCCEEDED)

    assert [(one["event"], one["state"], one["reason"]) for one in logs] == [
        ("operation.finished", "failed", "DISK_FULL"),
        ("operation.finished", "succeeded", ""),
    ]


async def test_closing_waits_until_the_runners_have_tidied_up() -> None:
    """After it nothing of an operation is at work any more, and it can be gone on with."""
    bench = Bench()
    await bench.begin()
    await bench.carrier.close()

    assert bench.live.work is not None
    assert bench.live.work.done()
    assert bench.live.at_rest
    assert bench.live.operation.state is OperationState.RUNNING
    assert bench.journal.settled == []


async def test_what_fails_while_rkd_stops_makes_no_noise() -> None:
    """A runner that cannot tidy up in that moment is nobody's news; its operation goes on later."""
    bench = Bench()
    bench.runner.error = ZeroDivisionError("late")
    await bench.begin()
    await bench.carrier.close()
    bench.live.work = None

    assert bench.live.operation.state is OperationState.RUNNING
    assert await bench.quiet()


async def test_what_is_cancelled_before_its_first_step_never_runs() -> None:
    """A stop in the very breath of the launch finds no work to interrupt, and is heard."""
    bench = Bench()
    bench.carrier.launch(bench.live)
    cancelled = await bench.cancel()

    assert cancelled.state is OperationState.CANCELLED
    assert not bench.runner.begun.is_set()
    assert bench.journal.settled == [cancelled]


async def test_nothing_of_what_has_ended_is_kept() -> None:
    """A daemon that runs for a year does not hold a task for each operation there ever was."""
    bench = Bench()
    bench.runner.end.set()
    await bench.begin()
    await bench.rest()
    assert bench.live.task is not None
    task = weakref.ref(bench.live.task)
    bench.live.task = None
    await turns(3)
    gc.collect()

    assert task() is None


async def test_the_last_progress_is_in_the_record_of_the_end() -> None:
    """What was counted a moment before the end is not lost to the interval of announcements."""
    bench = Bench()
    bench.runner.told = 10
    await bench.begin()
    await turns(5)
    bench.runner.end.set()
    ended = await bench.rest()

    assert ended.state is OperationState.SUCCEEDED
    assert ended.progress.completed_bytes == 10
    assert bench.journal.settled == [ended]


@pytest.mark.parametrize("started", [None, BEFORE])
async def test_going_on_keeps_when_it_was_first_started(started: datetime | None) -> None:
    """A resumed operation began when it began; a new one begins now."""
    bench = Bench(started=started)
    bench.runner.end.set()
    await bench.begin()
    ended = await bench.rest()

    assert ended.started == (started or NOW)
    assert ended.finished == NOW


async def test_a_cancel_is_never_written_down_as_a_pause() -> None:
    """A crash in the middle of it leaves no paused operation; and there is nothing to warn of."""
    bench = Bench()
    await bench.begin()
    cancelled = await bench.cancel()

    assert cancelled.state is OperationState.CANCELLED
    assert [one.state for one in bench.journal.saved] == [OperationState.RUNNING]
    assert cancelled.detail == {}
    assert bench.events[-1].action == "cancelled"


async def test_a_cancel_wins_over_a_pause_that_is_being_written() -> None:
    """Asked for meanwhile, it is what the operation ends in."""
    bench = Bench()
    await bench.begin()
    bench.journal.gate.clear()
    bench.carrier.stop(bench.live, OperationState.PAUSED)
    await bench.journal.saving.wait()
    bench.carrier.stop(bench.live, OperationState.CANCELLED)
    bench.journal.gate.set()

    assert (await bench.rest()).state is OperationState.CANCELLED
    assert bench.runner.discarded.is_set()


async def test_a_pause_that_cannot_be_written_stands_and_is_logged() -> None:
    """Only a restart would go on with it: the log says so."""
    bench = Bench()
    await bench.begin()
    bench.journal.full = True
    with capture_logs() as logs:
        bench.carrier.stop(bench.live, OperationState.PAUSED)
        paused = await bench.rest()

    assert paused.state is OperationState.PAUSED
    assert [(one["event"], one["error"]) for one in logs] == [("operations.unsaved", "no room")]


async def test_what_nobody_can_run_is_cancelled_without_cleaning_up() -> None:
    """An operation of a kind this daemon has no runner for still ends."""
    bench = Bench(kind=OperationKind.PUSH, state=OperationState.PAUSED)
    cancelled = await bench.cancel()

    assert cancelled.state is OperationState.CANCELLED
    assert cancelled.detail == {}


async def test_a_failed_cleaning_up_is_logged() -> None:
    """With what stood against it."""
    bench = Bench()
    bench.runner.unclean = ExhaustedError(Reason.DISK_FULL, "no room at all")
    await bench.begin()
    with capture_logs() as logs:
        cancelled = await bench.cancel()

    assert cancelled.detail == {"warning": "it could not be cleaned up: no room at all"}
    assert ("operation.uncleaned", "no room at all") in [
        (one["event"], one.get("error")) for one in logs
    ]


@pytest.mark.parametrize("error", [None, ZeroDivisionError("late")])
async def test_work_left_behind_is_logged_and_its_late_end_heard(error: Exception | None) -> None:
    """However it ends after it was given up, no unheard error is reported."""
    bench = Bench(stop_wait_s=0.01)
    bench.runner.deaf = True
    bench.runner.error = error
    await bench.begin()
    with capture_logs() as logs:
        cancelled = await bench.cancel()
    bench.runner.end.set()
    assert bench.live.work is not None
    await asyncio.wait({bench.live.work})
    bench.live.work = None

    assert "operation.stuck" in [one["event"] for one in logs]
    assert cancelled.detail == {"warning": "its work did not stop in time"}
    assert await bench.quiet()


async def test_work_left_behind_may_end_cancelled() -> None:
    """A second cancellation, as at the end of the loop, is no error either."""
    bench = Bench(stop_wait_s=0.01)
    bench.runner.deaf = True
    await bench.begin()
    await bench.cancel()
    bench.runner.deaf = False
    assert bench.live.work is not None
    bench.live.work.cancel()
    await asyncio.wait({bench.live.work})

    assert await bench.quiet()


async def test_a_cleaning_up_left_behind_is_heard_when_it_fails() -> None:
    """Its late error is nobody's news."""
    bench = Bench(stop_wait_s=0.01)
    bench.runner.may_discard.clear()
    bench.runner.unclean = ZeroDivisionError("late")
    await bench.begin()
    cancelled = await bench.cancel()
    bench.runner.may_discard.set()

    assert cancelled.detail == {"warning": "it could not be cleaned up in time"}
    assert await bench.quiet()


async def test_progress_enters_the_event_log_once_and_wakes_every_time() -> None:
    """Between two entries watchers are woken all the same."""
    bench = Bench()
    await bench.begin()
    await turns(3)
    loop = asyncio.get_running_loop()
    assert bench.live.report is not None
    bench.events.clear()
    bench.live.published_s = float("-inf")
    before_s = loop.time()
    bench.live.report.stage("one")
    await turns(3)
    told = [event.action for event in bench.events]
    published_s = bench.live.published_s
    bench.live.published_s = loop.time() + 3600
    changed = bench.live.changed
    bench.live.report.stage("two")
    await turns(3)

    assert told == ["progress"]
    assert before_s <= published_s <= loop.time()
    assert len(bench.events) == 1
    assert changed.is_set()
    assert bench.live.operation.progress.stage == "two"
    await bench.carrier.close()


async def test_progress_told_after_the_end_changes_nothing() -> None:
    """A runner's thread may outlive its operation by a moment."""
    bench = Bench()
    bench.runner.end.set()
    await bench.begin()
    ended = await bench.rest()
    bench.events.clear()
    assert bench.live.report is not None
    bench.live.report.stage("too late")
    await turns(3)

    assert bench.live.operation == ended
    assert bench.events == []


async def test_a_defect_is_logged_whole_and_told_in_short() -> None:
    """The log has the trace; the operation at most 300 characters of what happened."""
    bench = Bench()
    bench.runner.error = ZeroDivisionError("oops" * 200)
    bench.runner.end.set()
    with capture_logs() as logs:
        await bench.begin()
        failed = await bench.rest()
    (defect,) = [one for one in logs if one["event"] == "operation.defect"]

    assert "oops" * 200 in defect["trace"]
    assert failed.failure is not None
    assert failed.failure.reason is Reason.INTERNAL
    assert len(failed.failure.message) == 300
    assert failed.failure.message.startswith("pull-0000000a met a defect: ZeroDivisionError('oops")


async def test_an_end_that_cannot_be_announced_is_the_end_all_the_same() -> None:
    """Who watches is woken, the log has the defect, and what succeeded stays a success."""
    bench = Bench()

    def broken(_event: Event) -> None:
        raise ZeroDivisionError

    await bench.begin()
    changed = bench.live.changed
    bench.carrier._publish = broken
    bench.runner.end.set()
    with capture_logs() as logs:
        ended = await bench.rest()

    assert ended.state is OperationState.SUCCEEDED
    assert bench.live.operation == ended
    assert changed.is_set()
    assert "operation.defect" in [one["event"] for one in logs]
