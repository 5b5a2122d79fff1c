"""Operations: joined, watched, stopped, remembered."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from rkd.errors import (
    ExhaustedError,
    InternalError,
    NotFoundError,
    PreconditionError,
    Reason,
    RkdError,
    UnavailableError,
)
from rkd.events import Event
from rkd.operations.journal import Journal
from rkd.operations.operation import Operation, OperationKind, OperationState
from rkd.operations.operations import (
    HISTORY_AGE,
    HISTORY_LIMIT,
    RUNNING_LIMIT,
    UNFINISHED_LIMIT,
    Operations,
)
from rkd.operations.report import Report


class FakeRunner:
    """Runs until told to end; remembers what was asked of it."""

    def __init__(self, *, resumable: bool = True, error: Exception | None = None) -> None:
        self.resumable = resumable
        self.error = error
        self.ran: list[str] = []
        self.stopped: list[str] = []
        self.discarded: list[str] = []
        self.begun = asyncio.Event()
        self.end = asyncio.Event()
        self.report: Report | None = None

    async def run(self, operation: Operation, report: Report) -> Mapping[str, str]:
        """Wait for the end, then answer or raise."""
        self.ran.append(operation.subject)
        self.report = report
        self.begun.set()
        try:
            await self.end.wait()
        except asyncio.CancelledError:
            self.stopped.append(operation.subject)
            raise
        if self.error is not None:
            raise self.error
        return {"model": operation.subject}

    async def discard(self, operation: Operation) -> None:
        """Remember that it was asked to clean up."""
        self.discarded.append(operation.subject)


class Bench:
    """One Operations over a folder, with what it published."""

    def __init__(self, folder: Path, runner: FakeRunner | None = None) -> None:
        self.runner = runner or FakeRunner()
        self.folder = folder
        self.events: list[Event] = []
        self.operations = Operations(
            journal=Journal(folder),
            runners={OperationKind.PULL: self.runner},
            publish=self.events.append,
        )

    def files(self) -> list[Path]:
        """List the operations on disk."""
        return list(self.folder.glob("*.json"))

    async def start(self, subject: str = "tiny") -> Operation:
        """Start a pull whose key is its subject."""
        return await self.operations.start(
            OperationKind.PULL, key=subject, subject=subject, request={"reference": subject}
        )

    async def state(self, operation: Operation, state: OperationState) -> Operation:
        """Wait until *operation* is in *state*."""
        async with self.operations.attach(operation.id) as updates:
            async for update in updates:
                if update.state is state:
                    return update
        raise AssertionError(f"never {state}: {self.operations.get(operation.id)}")


@contextlib.asynccontextmanager
async def bench(folder: Path, runner: FakeRunner | None = None) -> AsyncIterator[Bench]:
    """Give a bench that is closed in the end."""
    bench = Bench(folder, runner)
    try:
        yield bench
    finally:
        await bench.operations.close()


async def test_a_watcher_sees_now_first_and_the_end_last(tmp_path: Path) -> None:
    """Attaching shows the present state at once and ends after the final one."""
    async with bench(tmp_path) as b:
        operation = await b.start()
        await b.runner.begun.wait()
        seen = []
        async with b.operations.attach(operation.id) as updates:
            async for update in updates:
                seen.append(update.state)
                b.runner.end.set()

        assert seen == [OperationState.RUNNING, OperationState.SUCCEEDED]
        assert b.operations.get(operation.id).detail["model"] == "tiny"


async def test_the_same_work_is_done_once(tmp_path: Path) -> None:
    """A second start of the same key joins the first; another key does not."""
    async with bench(tmp_path) as b:
        first, second = await asyncio.gather(b.start(), b.start())
        other = await b.start("other")
        await b.state(first, OperationState.RUNNING)
        await b.state(other, OperationState.RUNNING)

        assert first.id == second.id
        assert other.id != first.id
        assert b.runner.ran == ["tiny", "other"]


async def test_a_slow_watcher_gets_the_newest_only(tmp_path: Path) -> None:
    """Changes between two looks are joined into one."""
    async with bench(tmp_path) as b:
        operation = await b.start()
        await b.runner.begun.wait()
        assert b.runner.report is not None
        async with b.operations.attach(operation.id) as updates:
            await anext(updates)
            for stage in ("planning", "downloading", "verifying"):
                b.runner.report.stage(stage)
            await asyncio.sleep(0)
            newest = await anext(updates)

        assert newest.progress.stage == "verifying"


async def test_leaving_detaches(tmp_path: Path) -> None:
    """The last watcher leaving changes nothing, unless it asked for a cancel."""
    async with bench(tmp_path) as b:
        operation = await b.start()
        async with b.operations.attach(operation.id):
            pass
        await b.runner.begun.wait()

        assert b.operations.get(operation.id).state is OperationState.RUNNING
        assert b.runner.stopped == []


async def test_the_last_to_leave_cancels_when_asked_to(tmp_path: Path) -> None:
    """One of two leaving does not stop the other; the second takes the operation along."""
    async with bench(tmp_path) as b:
        operation = await b.start()
        await b.runner.begun.wait()
        async with b.operations.attach(operation.id, cancel_when_left=True):
            async with b.operations.attach(operation.id, cancel_when_left=True):
                pass
            await asyncio.sleep(0)
            assert b.runner.stopped == []
        await b.state(operation, OperationState.CANCELLED)

        assert b.runner.stopped == ["tiny"]
        assert b.runner.discarded == ["tiny"]


async def test_a_pause_keeps_what_is_there_and_a_resume_goes_on(tmp_path: Path) -> None:
    """Pausing stops the runner without discarding; resuming runs it again, under the same id."""
    async with bench(tmp_path) as b:
        operation = await b.start()
        await b.runner.begun.wait()
        paused = await b.operations.pause(operation.id)
        await b.operations.resume(operation.id)
        b.runner.end.set()
        ended = await b.operations.finished(operation.id)

        assert paused.state is OperationState.PAUSED
        assert b.runner.discarded == []
        assert b.runner.ran == ["tiny", "tiny"]
        assert ended.state is OperationState.SUCCEEDED


async def test_starting_a_paused_operation_resumes_it(tmp_path: Path) -> None:
    """Who asks for the same work again gets the paused one, going on."""
    async with bench(tmp_path) as b:
        operation = await b.start()
        await b.operations.pause(operation.id)
        again = await b.start()
        await b.state(again, OperationState.RUNNING)

        assert again.id == operation.id


async def test_a_paused_operation_can_be_cancelled(tmp_path: Path) -> None:
    """Cancelling what stands still cleans up without running it."""
    async with bench(tmp_path) as b:
        operation = await b.start()
        await b.operations.pause(operation.id)
        ended = await b.operations.cancel(operation.id)

        assert ended.state is OperationState.CANCELLED
        assert b.runner.discarded == ["tiny"]


async def test_what_cannot_go_on_cannot_be_paused(tmp_path: Path) -> None:
    """A pause of a kind that starts from nothing is refused, naming the cancel."""
    async with bench(tmp_path, FakeRunner(resumable=False)) as b:
        operation = await b.start()
        with pytest.raises(PreconditionError) as caught:
            await b.operations.pause(operation.id)

        assert caught.value.reason is Reason.CAPABILITY_UNSUPPORTED
        assert operation.id in caught.value.remedy


async def test_a_failure_reaches_everybody_as_its_own_error(tmp_path: Path) -> None:
    """The taxonomy error of the runner is stored and raised again at who waits."""
    full = ExhaustedError(Reason.DISK_FULL, "no room", metadata={"needed_bytes": "7"})
    async with bench(tmp_path, FakeRunner(error=full)) as b:
        operation = await b.start()
        b.runner.end.set()
        with pytest.raises(ExhaustedError, match="no room") as caught:
            await b.operations.finished(operation.id)

        assert caught.value.metadata == {"needed_bytes": "7"}


async def test_a_failed_operation_can_go_on(tmp_path: Path) -> None:
    """Resuming what failed runs it again under its id."""
    runner = FakeRunner(error=ExhaustedError(Reason.DISK_FULL, "no room"))
    async with bench(tmp_path, runner) as b:
        operation = await b.start()
        b.runner.end.set()
        await b.state(operation, OperationState.FAILED)
        runner.error = None
        again = await b.operations.resume(operation.id)
        ended = await b.operations.finished(operation.id)

        assert again.failure is None
        assert ended.state is OperationState.SUCCEEDED


async def test_a_defect_ends_the_operation_too(tmp_path: Path) -> None:
    """An error outside the taxonomy is told as INTERNAL, not left running for ever."""
    async with bench(tmp_path, FakeRunner(error=ZeroDivisionError("oops"))) as b:
        operation = await b.start()
        b.runner.end.set()
        with pytest.raises(InternalError, match="oops"):
            await b.operations.finished(operation.id)


async def test_a_restart_goes_on_where_it_was(tmp_path: Path) -> None:
    """What ran when the daemon stopped runs again under its id; what was paused stays so."""
    async with bench(tmp_path) as before:
        running = await before.start()
        paused = await before.start("paused")
        await before.runner.begun.wait()
        await before.operations.pause(paused.id)
    async with bench(tmp_path) as after:
        loaded = await after.operations.load()
        with capture_logs() as logged:
            await after.operations.restore()
        await after.state(running, OperationState.RUNNING)

        assert {one.id for one in loaded} == {running.id, paused.id}
        assert [(one["event"], one["id"]) for one in logged] == [("operation.resumed", running.id)]
        assert after.runner.ran == ["tiny"]
        assert after.operations.get(paused.id).state is OperationState.PAUSED
        assert before.runner.discarded == []


async def test_a_restart_fails_what_cannot_go_on(tmp_path: Path) -> None:
    """A kind that is not resumable ends as interrupted, and says so."""
    async with bench(tmp_path, FakeRunner(resumable=False)) as before:
        operation = await before.start()
        await before.runner.begun.wait()
    async with bench(tmp_path, FakeRunner(resumable=False)) as after:
        await after.operations.load()
        await after.operations.restore()
        with pytest.raises(UnavailableError, match="interrupted by a restart"):
            await after.operations.finished(operation.id)


async def test_stopping_ends_every_watch(tmp_path: Path) -> None:
    """A watcher attached at shutdown is let go with SHUTTING_DOWN, and nothing new starts."""
    async with bench(tmp_path) as b:
        operation = await b.start()
        waiting = asyncio.create_task(b.operations.finished(operation.id))
        await b.runner.begun.wait()
        await b.operations.close()
        with pytest.raises(UnavailableError, match="stopping"):
            await waiting
        with pytest.raises(UnavailableError, match="stopping") as late:
            await b.start("late")
        with pytest.raises(UnavailableError, match="stopping"):
            await b.operations.resume(operation.id)

        assert b.runner.stopped == ["tiny"]
        assert late.value.retry_after_s == 5


async def test_only_so_many_run_at_once(tmp_path: Path) -> None:
    """Further operations wait as PENDING, and can be cancelled there."""
    async with bench(tmp_path) as b:
        all_ = [await b.start(f"m{number}") for number in range(RUNNING_LIMIT + 1)]
        await b.state(all_[-2], OperationState.RUNNING)
        assert b.operations.get(all_[-1].id).state is OperationState.PENDING
        ended = await b.operations.cancel(all_[-1].id)

        assert ended.state is OperationState.CANCELLED
        assert len(b.runner.ran) == RUNNING_LIMIT


async def test_history_is_bounded(tmp_path: Path) -> None:
    """The oldest and the older than a week are forgotten, on disk too."""
    journal = Journal(tmp_path)
    template = Operation(
        id="",
        kind=OperationKind.PULL,
        key="",
        subject="old",
        request={},
        state=OperationState.SUCCEEDED,
        created=datetime.now(UTC),
    )
    long_ago = datetime.now(UTC) - HISTORY_AGE - timedelta(hours=1)
    await journal.save(replace(template, id="push-00000000", created=long_ago))
    for number in range(HISTORY_LIMIT + 2):
        born = template.created + timedelta(seconds=number)
        await journal.save(replace(template, id=f"pull-{number:08x}", created=born))
    journal.close()
    async with bench(tmp_path) as b:
        await b.operations.load()
        await b.operations.restore()

        assert len(b.operations.list()) == HISTORY_LIMIT
        assert b.operations.list()[0].id == "pull-00000002"
        assert len(b.files()) == HISTORY_LIMIT


async def test_many_starts_at_once_forget_each_old_one_once(tmp_path: Path) -> None:
    """While one start forgets what is old on disk, the others find nothing left of it to forget."""
    journal = Journal(tmp_path)
    long_ago = datetime.now(UTC) - HISTORY_AGE - timedelta(hours=1)
    async with bench(tmp_path) as b:
        await b.start("model")
        await b.operations.cancel(b.operations.list()[0].id)
        live = next(iter(b.operations._all.values()))
        for number in range(20):
            old = replace(live.operation, id=f"pull-{number:08}", finished=long_ago)
            await journal.save(old)
            b.operations._all[old.id] = type(live)(old)

        started = await asyncio.gather(*(b.start(f"model-{number}") for number in range(5)))

        assert len(started) == 5
        assert len(b.files()) == 6
    journal.close()


async def test_unknown_ids_are_not_found(tmp_path: Path) -> None:
    """Every verb on an id nobody knows says OPERATION_NOT_FOUND."""
    async with bench(tmp_path) as b:
        for verb in (b.operations.cancel, b.operations.pause, b.operations.resume):
            with pytest.raises(NotFoundError):
                await verb("pull-ffffffff")
        with pytest.raises(RkdError, match="no operation") as error:
            b.operations.get("f" * 100)

        assert error.value.message.count("f") == 80
        assert error.value.metadata == {"operation": "f" * 80}


async def test_changes_enter_the_event_log(tmp_path: Path) -> None:
    """Added, changed and finished are announced under the operation's id."""
    async with bench(tmp_path) as b:
        operation = await b.start()
        b.runner.end.set()
        await b.operations.finished(operation.id)

        assert [event.action for event in b.events] == ["added", "changed", "finished"]
        assert {event.subject for event in b.events} == {operation.id}
        assert dict(b.events[-1].detail)["state"] == "succeeded"


async def test_unfinished_ones_are_bounded(tmp_path: Path) -> None:
    """Beyond the limit a start is refused; joining one that is there is not."""
    async with bench(tmp_path) as b:
        for number in range(UNFINISHED_LIMIT):
            await b.start(f"m{number}")
        with pytest.raises(ExhaustedError) as caught:
            await b.start("one more")

        assert caught.value.reason is Reason.QUEUE_FULL
        assert (await b.start("m0")).subject == "m0"


async def test_an_end_is_told_also_while_rkd_stops(tmp_path: Path) -> None:
    """What has succeeded needs nobody to go on."""
    async with bench(tmp_path) as b:
        operation = await b.start()
        b.runner.end.set()
        await b.operations.finished(operation.id)
        await b.operations.close()

        assert (await b.operations.finished(operation.id)).state is OperationState.SUCCEEDED


async def test_what_ended_well_is_left_by_a_resume(tmp_path: Path) -> None:
    """Neither run again nor taken for another one that does the same now."""
    async with bench(tmp_path) as b:
        first = await b.start()
        b.runner.end.set()
        await b.operations.finished(first.id)
        b.runner.end.clear()
        second = await b.start()
        await b.state(second, OperationState.RUNNING)
        resumed = await b.operations.resume(first.id)

        assert (resumed.id, resumed.state) == (first.id, OperationState.SUCCEEDED)
        assert b.runner.ran == ["tiny", "tiny"]


async def test_a_resume_is_written_down_and_told_before_it_runs(tmp_path: Path) -> None:
    """It may wait for long; a restart goes on with it."""
    async with bench(tmp_path) as b:
        operation = await b.start()
        await b.runner.begun.wait()
        await b.operations.pause(operation.id)
        others = [await b.start(f"m{number}") for number in range(RUNNING_LIMIT)]
        await b.state(others[-1], OperationState.RUNNING)
        seen = len(b.events)
        resumed = await b.operations.resume(operation.id)
        kept = json.loads((tmp_path / f"{operation.id}.json").read_bytes())

        assert resumed.state is OperationState.PENDING
        assert kept["state"] == "pending"
        assert [(one.action, one.subject) for one in b.events[seen:]] == [("changed", operation.id)]


class HeldJournal(Journal):
    """Writes nothing before it is let."""

    def __init__(self, folder: Path, error: Exception | None = None) -> None:
        super().__init__(folder)
        self.asked = asyncio.Event()
        self.gate = asyncio.Event()
        self.error = error
        self.closed = False

    async def save(self, operation: Operation) -> None:
        """Wait, then do it or fail."""
        self.asked.set()
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        await super().save(operation)

    def close(self) -> None:
        """Remember that it was closed."""
        self.closed = True
        super().close()


def held(journal: HeldJournal) -> Operations:
    """Operations over *journal*."""
    return Operations(
        journal=journal, runners={OperationKind.PULL: FakeRunner()}, publish=lambda _event: None
    )


async def test_stopping_waits_for_what_is_being_written_down(tmp_path: Path) -> None:
    """Who asked gets the answer; then the journal is closed, and nothing is remembered of it."""
    journal = HeldJournal(tmp_path)
    operations = held(journal)
    start = operations.start(OperationKind.PULL, key="k", subject="s", request={})
    starting = asyncio.create_task(start)
    await journal.asked.wait()
    closing = asyncio.create_task(operations.close())
    done, _ = await asyncio.wait({closing}, timeout=0.1)
    journal.gate.set()
    await closing

    assert done == set()
    assert starting.done()
    assert journal.closed
    assert operations._errands == set()


@pytest.mark.parametrize("cancelled", [False, True])
async def test_what_fails_after_its_asker_left_makes_no_noise(
    tmp_path: Path,
    cancelled: bool,  # noqa: FBT001 - a table's column
) -> None:
    """Nobody is there to be told; the loop has nothing to complain of."""
    journal = HeldJournal(tmp_path, ExhaustedError(Reason.DISK_FULL, "no room"))
    operations = held(journal)
    complaints: list[object] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, context: complaints.append(context))
    start = operations.start(OperationKind.PULL, key="k", subject="s", request={})
    starting = asyncio.create_task(start)
    await journal.asked.wait()
    (errand,) = operations._errands
    starting.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await starting
    if cancelled:
        errand.cancel()
    journal.gate.set()
    await asyncio.wait({errand})
    del errand, starting
    gc.collect()
    await asyncio.sleep(0)
    loop.set_exception_handler(None)
    await operations.close()

    assert complaints == []


async def test_a_week_to_the_second_is_remembered(tmp_path: Path) -> None:
    """And one microsecond more is not."""
    now = datetime.now(UTC)
    template = Operation(
        id="pull-00000001",
        kind=OperationKind.PULL,
        key="",
        subject="old",
        request={},
        state=OperationState.SUCCEEDED,
        created=now - HISTORY_AGE,
    )
    journal = Journal(tmp_path)
    await journal.save(template)
    older = template.created - timedelta(microseconds=1)
    await journal.save(replace(template, id="pull-00000002", created=older))
    operations = Operations(journal=journal, runners={}, publish=lambda _: None, now=lambda: now)
    await operations.load()
    await operations.restore()
    known = [one.id for one in operations.list()]
    await operations.close()

    assert known == ["pull-00000001"]
