"""One operation while the daemon runs."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime

from rkd.events import Event, Topic
from rkd.operations.live import Live
from rkd.operations.operation import Operation, OperationKind, OperationState, Progress
from rkd.operations.report import Report

PAUSED, CANCELLED = OperationState.PAUSED, OperationState.CANCELLED


def live(state: OperationState = OperationState.RUNNING, **fields: object) -> Live:
    """An operation in that state."""
    operation = Operation(
        id="pull-0000000a",
        kind=OperationKind.PULL,
        key="user/repo",
        subject="tiny",
        request={},
        state=state,
        created=datetime(2026, 1, 1, tzinfo=UTC),
        **fields,  # type: ignore[arg-type]
    )
    return Live(operation)


class Work:
    """A runner that cleans up when it is cancelled, for as long as the test likes."""

    def __init__(self) -> None:
        self.may_end = asyncio.Event()
        self.interrupted = False

    async def __call__(self) -> Mapping[str, str]:
        """Work for ever."""
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            try:
                await self.may_end.wait()
            except asyncio.CancelledError:
                self.interrupted = True
                raise
        return {}


async def test_a_second_stop_does_not_interrupt_the_cleaning_up() -> None:
    """The work is cancelled once, however often it is asked to end."""
    it, work = live(), Work()
    it.work = asyncio.ensure_future(work())
    await asyncio.sleep(0)
    it.stop(PAUSED, within_s=60)
    await asyncio.sleep(0)
    it.stop(CANCELLED, within_s=60)
    await asyncio.sleep(0)
    assert not work.interrupted
    assert it.work.cancelling() == 1
    assert not it.over.is_set()
    work.may_end.set()
    await asyncio.wait([it.work])
    assert it.work.cancelled()


async def test_work_that_does_not_end_is_left_behind() -> None:
    """After the time that was allowed it is waited for no longer."""
    it, work = live(), Work()
    it.work = asyncio.ensure_future(work())
    await asyncio.sleep(0)
    it.stop(CANCELLED, within_s=0)
    await it.over.wait()
    assert not it.work.done()
    work.may_end.set()
    await asyncio.wait([it.work])


async def test_a_cancel_wins_over_a_pause() -> None:
    """In either order."""
    it = live()
    it.stop(PAUSED, within_s=1)
    assert it.stop_as is PAUSED
    it.stop(CANCELLED, within_s=1)
    it.stop(PAUSED, within_s=1)
    assert it.stop_as is CANCELLED


async def test_it_rests_while_no_task_is_under_way() -> None:
    """Before the first and after the last."""
    it = live()
    assert it.at_rest
    it.task = asyncio.create_task(asyncio.sleep(0))
    assert not it.at_rest
    await it.task
    assert it.at_rest


async def test_what_the_runner_told_enters_the_record() -> None:
    """Its progress, and its detail beside what was known; without a report nothing changes."""
    it = live(detail={"commit": "abc"})
    before = it.operation
    it.take_progress()
    assert it.operation is before
    it.report = Report(asyncio.get_running_loop(), it.wake)
    it.report.stage("downloading")
    it.report.tell("license", "mit")
    it.take_progress()
    assert it.operation.progress.stage == "downloading"
    assert it.operation.detail == {"commit": "abc", "license": "mit"}


async def test_a_watch_ends_with_the_operation() -> None:
    """Now first, then what changed; nothing after a final state."""
    it = live()
    seen = it.updates()
    assert (await anext(seen)).state is OperationState.RUNNING
    it.operation = live(OperationState.SUCCEEDED).operation
    it.wake()
    assert [one.state async for one in seen] == [OperationState.SUCCEEDED]


async def test_a_watch_ends_with_the_daemon() -> None:
    """What will not change in this process is not waited for."""
    it = live()
    it.left_alone = True
    assert [one.state async for one in it.updates()] == [OperationState.RUNNING]


def test_the_event_tells_what_was_moved() -> None:
    """Without what an earlier run had; never less than nothing."""
    for resumed_bytes, moved in ((10, "90"), (99, "1"), (120, "0")):
        it = live(progress=Progress(completed_bytes=100, resumed_bytes=resumed_bytes))
        assert it.event("changed") == Event(
            Topic.OPERATION,
            "changed",
            "pull-0000000a",
            (("kind", "pull"), ("about", "tiny"), ("state", "running"), ("moved_bytes", moved)),
        )


def test_every_change_has_an_event_of_its_own() -> None:
    """Who looks again after one change waits for the next."""
    it = live()
    first = it.changed
    it.wake()
    assert first.is_set()
    assert not it.changed.is_set()
