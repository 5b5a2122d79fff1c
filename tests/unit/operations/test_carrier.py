"""Every operation ends: with a full disk, with runners that fail, hang or cannot clean up."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from rkd.errors import ExhaustedError, InternalError, PreconditionError, Reason
from rkd.events import Event
from rkd.operations.journal import Journal
from rkd.operations.operation import Operation, OperationKind, OperationState
from rkd.operations.operations import Operations
from rkd.operations.report import Report

PATIENT_S = 30.0
HASTY_S = 0.05


class FullJournal(Journal):
    """A journal on a disk that is full from one save on."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.saves_left = 1_000_000
        self.saved: list[OperationState] = []

    def _save(self, operation: Operation) -> None:
        if self.saves_left == 0:
            raise ExhaustedError(Reason.DISK_FULL, "no room")
        self.saves_left -= 1
        self.saved.append(operation.state)
        super()._save(operation)


class FakeRunner:
    """Runs until told to end; fails, hangs and cleans up as told."""

    resumable = True

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.end = asyncio.Event()
        self.heard = asyncio.Event()
        self.cleaned = asyncio.Event()
        self.cleaned.set()
        self.cancels = 0
        self.interrupted = False
        self.ran = 0
        self.error: Exception | None = None
        self.unclean: Exception | None = None
        self.deaf = False
        self.discard_hangs = False

    async def run(self, operation: Operation, report: Report) -> Mapping[str, str]:
        """Wait for the end, then answer or raise."""
        del operation, report
        self.ran += 1
        self.begun.set()
        while True:
            try:
                await self.end.wait()
                break
            except asyncio.CancelledError:
                self.cancels += 1
                self.heard.set()
                if not self.deaf:
                    try:
                        await self.cleaned.wait()
                    except asyncio.CancelledError:
                        self.interrupted = True
                    raise
        if self.error is not None:
            raise self.error
        return {}

    async def discard(self, operation: Operation) -> None:
        """Clean up, or not."""
        del operation
        if self.discard_hangs:
            await asyncio.Event().wait()
        if self.unclean is not None:
            raise self.unclean


class Bench:
    """Operations over a journal that can be made full."""

    def __init__(self, folder: Path, stop_wait_s: float) -> None:
        self.folder = folder
        self.runner = FakeRunner()
        self.journal = FullJournal(folder)
        self.events: list[Event] = []
        self.operations = Operations(
            journal=self.journal,
            runners={OperationKind.PULL: self.runner},
            publish=self.events.append,
            stop_wait_s=stop_wait_s,
        )

    async def start(self, key: str = "tiny") -> Operation:
        """Start a pull."""
        return await self.operations.start(
            OperationKind.PULL, key=key, subject=key, request={"reference": key}
        )

    async def end(self, operation: Operation) -> Operation:
        """Wait until *operation* has ended, however."""
        async with self.operations.attach(operation.id) as updates:
            async for _ in updates:
                pass
        return self.operations.get(operation.id)

    def on_disk(self) -> list[str]:
        """Name the journal's files."""
        return sorted(path.name for path in self.folder.iterdir()) if self.folder.exists() else []


@asynccontextmanager
async def bench(folder: Path, *, stop_wait_s: float = PATIENT_S) -> AsyncIterator[Bench]:
    """Give a bench that is closed in the end."""
    bench = Bench(folder / "operations", stop_wait_s)
    try:
        yield bench
    finally:
        bench.runner.end.set()
        await bench.operations.close()


async def test_what_cannot_be_written_down_does_not_begin(tmp_path: Path) -> None:
    """The caller hears DISK_FULL, nobody sees an operation, and the next try is a new one."""
    async with bench(tmp_path) as b:
        b.journal.saves_left = 0
        for _ in range(2):
            with pytest.raises(ExhaustedError) as caught:
                await b.start()
            assert caught.value.reason is Reason.DISK_FULL
        assert b.operations.list() == ()
        assert b.runner.ran == 0
        assert b.events == []
        b.journal.saves_left = 99
        started = await b.start()
        b.runner.end.set()

        assert (await b.end(started)).state is OperationState.SUCCEEDED


async def test_a_disk_full_in_the_middle_ends_the_operation(tmp_path: Path) -> None:
    """The second save fails: the operation fails with it, and a later call begins anew."""
    async with bench(tmp_path) as b:
        b.journal.saves_left = 1
        failed = await b.end(await b.start())
        assert failed.failure is not None
        assert failed.failure.reason is Reason.DISK_FULL
        assert b.on_disk() == []
        b.journal.saves_left = 99
        again = await b.start()

        assert again.id != failed.id


async def test_it_is_on_disk_as_running_before_it_runs(tmp_path: Path) -> None:
    """Whatever the runner does can be gone on with after a crash."""
    async with bench(tmp_path) as b:
        await b.start()
        await b.runner.begun.wait()

        assert b.journal.saved == [OperationState.PENDING, OperationState.RUNNING]


@pytest.mark.parametrize("saves", [1, 2])
async def test_a_cancel_on_a_full_disk_leaves_nothing_to_begin_anew(
    tmp_path: Path, saves: int
) -> None:
    """What cannot be written as cancelled is removed, so that no restart goes on with it."""
    async with bench(tmp_path) as b:
        b.journal.saves_left = saves
        started = await b.start()
        await b.runner.begun.wait() if saves > 1 else await b.end(started)
        cancelled = await b.operations.cancel(started.id)

        assert cancelled.state.final
        assert b.on_disk() == []


async def test_an_end_is_written_once_its_own_file_gave_room(tmp_path: Path) -> None:
    """A save that fails for want of a block succeeds when the old file is gone."""

    class Tight(FullJournal):
        """Has room for one file."""

        def _save(self, operation: Operation) -> None:
            if operation.state.final and self._path(operation.id).exists():
                raise ExhaustedError(Reason.DISK_FULL, "no room for two")
            super()._save(operation)

    async with bench(tmp_path) as b:
        journal = Tight(b.folder)
        operations = Operations(
            journal=journal, runners={OperationKind.PULL: b.runner}, publish=b.events.append
        )
        started = await operations.start(OperationKind.PULL, key="k", subject="s", request={})
        b.runner.end.set()
        await operations.finished(started.id)
        await operations.close()

        assert [one.state for one in await b.journal.load()] == [OperationState.SUCCEEDED]


@pytest.mark.parametrize("error", [OSError(errno.EIO, "broken"), ZeroDivisionError("oops")])
async def test_a_failed_cleaning_up_ends_the_cancel(tmp_path: Path, error: Exception) -> None:
    """The cancel answers, says what was left, and a second one answers too."""
    async with bench(tmp_path) as b:
        b.runner.unclean = error
        started = await b.start()
        await b.runner.begun.wait()
        cancelled = await b.operations.cancel(started.id)
        again = await b.operations.cancel(started.id)

        assert cancelled.state is OperationState.CANCELLED
        assert "cleaned up" in cancelled.detail["warning"]
        assert again == cancelled
        assert (await b.start()).id != started.id


async def test_a_paused_one_whose_cleaning_up_fails_is_cancelled(tmp_path: Path) -> None:
    """The same for what stands still."""
    async with bench(tmp_path) as b:
        started = await b.start()
        await b.runner.begun.wait()
        await b.operations.pause(started.id)
        b.runner.unclean = OSError(errno.EIO, "broken")
        first, second = await asyncio.gather(
            b.operations.cancel(started.id), b.operations.cancel(started.id)
        )

        assert first.state is second.state is OperationState.CANCELLED


async def test_work_that_does_not_stop_is_left_behind(tmp_path: Path) -> None:
    """A runner deaf to its cancellation costs the stated time, not for ever."""
    async with bench(tmp_path, stop_wait_s=HASTY_S) as b:
        b.runner.deaf = True
        started = await b.start()
        await b.runner.begun.wait()
        cancelled = await b.operations.cancel(started.id)

        assert cancelled.state is OperationState.CANCELLED
        assert "did not stop" in cancelled.detail["warning"]


async def test_a_cleaning_up_that_hangs_is_left_behind(tmp_path: Path) -> None:
    """A disk that answers no more holds no cancel."""
    async with bench(tmp_path, stop_wait_s=HASTY_S) as b:
        b.runner.discard_hangs = True
        started = await b.start()
        await b.runner.begun.wait()
        cancelled = await b.operations.cancel(started.id)

        assert "in time" in cancelled.detail["warning"]


async def test_a_second_stop_leaves_the_cleaning_up_alone(tmp_path: Path) -> None:
    """Pause, then cancel twice: the runner is interrupted once, and the cancel wins."""
    async with bench(tmp_path) as b:
        b.runner.cleaned.clear()
        started = await b.start()
        await b.runner.begun.wait()
        stops = [asyncio.create_task(b.operations.pause(started.id))]
        await b.runner.heard.wait()
        stops += [asyncio.create_task(b.operations.cancel(started.id)) for _ in range(2)]
        for _ in range(50):
            await asyncio.sleep(0)
        b.runner.cleaned.set()
        ended = await asyncio.gather(*stops)

        assert b.runner.cancels == 1
        assert not b.runner.interrupted
        assert {one.state for one in ended} == {OperationState.CANCELLED}


async def test_what_begins_to_be_cancelled_before_it_runs_never_runs(tmp_path: Path) -> None:
    """A cancel in the same breath as the start is heard."""
    async with bench(tmp_path) as b:
        started = await b.start()
        cancelled = await b.operations.cancel(started.id)

        assert cancelled.state is OperationState.CANCELLED


async def test_trouble_of_the_system_has_its_reason(tmp_path: Path) -> None:
    """ENOSPC in a runner is DISK_FULL, another refusal is no defect of ours."""
    async with bench(tmp_path) as b:
        b.runner.error = OSError(errno.ENOSPC, "No space left on device")
        b.runner.end.set()
        full = await b.start("full")
        with pytest.raises(ExhaustedError):
            await b.operations.finished(full.id)
        b.runner.error = OSError(errno.EROFS, "Read-only file system")
        sealed = await b.start("sealed")
        with pytest.raises(PreconditionError, match="Read-only"):
            await b.operations.finished(sealed.id)


async def test_resuming_joins_the_twin(tmp_path: Path) -> None:
    """A failed pull is not run beside the one that was started again since."""
    async with bench(tmp_path) as b:
        b.runner.error = ExhaustedError(Reason.DISK_FULL, "no room")
        b.runner.end.set()
        failed = await b.end(await b.start())
        b.runner.end.clear()
        b.runner.error = None
        twin = await b.start()
        resumed = await b.operations.resume(failed.id)

        assert resumed.id == twin.id
        assert b.operations.get(failed.id).state is OperationState.FAILED


async def test_of_two_twins_in_the_journal_one_goes_on(tmp_path: Path) -> None:
    """A forged or copied journal does not set two writers on the same work."""
    async with bench(tmp_path) as before:
        started = await before.start()
        await before.runner.begun.wait()
    folder = tmp_path / "operations"
    text = (folder / f"{started.id}.json").read_text()
    (folder / "pull-ffffffff.json").write_text(text.replace(started.id, "pull-ffffffff"))
    async with bench(tmp_path) as after:
        await after.operations.load()
        await after.operations.restore()
        await after.runner.begun.wait()
        states = sorted(str(one.state) for one in after.operations.list())

        assert after.runner.ran == 1
        assert states == ["failed", "running"]


async def test_a_defect_of_the_carrier_strands_nobody(tmp_path: Path) -> None:
    """Even where the end itself cannot be told, who waits gets an answer."""

    class Broken(FullJournal):
        """Fails where nothing may."""

        async def settle(self, operation: Operation) -> None:
            raise ZeroDivisionError(operation.id)

    async with bench(tmp_path) as b:
        operations = Operations(
            journal=Broken(b.folder),
            runners={OperationKind.PULL: b.runner},
            publish=b.events.append,
        )
        started = await operations.start(OperationKind.PULL, key="k", subject="s", request={})
        b.runner.end.set()
        with pytest.raises(InternalError):
            await operations.finished(started.id)
        await operations.close()
