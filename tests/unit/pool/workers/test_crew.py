"""What becomes of workers, told once and in order."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable

import pytest

from rkd.errors import PreconditionError, Reason
from rkd.inference import Loaded, LoadProgress, LoadSpec
from rkd.pool.deciding.budget import GIB
from rkd.pool.deciding.state import Death, Launch, LoadFault, LoadPlan, Stop
from rkd.pool.workers.crew import Crew, LoadDone, LoadEnded, LoadSaid, News, WorkerGone, WorkerLost
from rkd.pool.workers.handle import WorkerDiedError
from tests.unit.pool.fakes import FakeMachine, FakeWorker, plan, settled

ORDER = Launch(1, plan())


class Heard:
    """Keeps the news."""

    def __init__(self, machine: FakeMachine, *, load_timeout_s: float = 60.0) -> None:
        self.news: list[News] = []
        self.crew = Crew(machine, lambda: machine.available, self.news.append, load_timeout_s)

    async def until(self, kind: type[News]) -> News:
        """The first of that kind."""
        while True:
            for one in self.news:
                if isinstance(one, kind):
                    return one
            await asyncio.sleep(0.001)


async def test_a_load_a_death_and_the_end() -> None:
    """Said, done, lost, gone: each once."""
    machine = FakeMachine()
    heard = Heard(machine)
    heard.crew.launch(ORDER)
    await heard.until(LoadDone)
    machine.workers[0].die()
    lost = await heard.until(WorkerLost)
    assert isinstance(lost, WorkerLost)
    assert lost.death.signal == "SIGSEGV"
    heard.crew.stop(Stop(1, "alpha", kill=True), GIB)
    await heard.crew.close()
    assert [type(one) for one in heard.news] == [LoadSaid, LoadDone, WorkerLost, WorkerGone]
    assert heard.crew.of(1) is None


async def test_a_worker_told_to_stop_is_not_lost() -> None:
    """Its end is what was asked for; a second order changes nothing."""
    machine = FakeMachine()
    heard = Heard(machine)
    heard.crew.launch(ORDER)
    await heard.until(LoadDone)
    heard.crew.stop(Stop(1, "alpha"), GIB)
    heard.crew.stop(Stop(1, "alpha"), GIB)
    await heard.crew.close()
    await settled()
    assert [type(one) for one in heard.news] == [LoadSaid, LoadDone, WorkerGone]


async def test_a_load_is_stopped_in_the_middle() -> None:
    """No LoadDone, no LoadEnded: only the end, and the worker is closed."""
    machine = FakeMachine()
    machine.may_load.clear()
    heard = Heard(machine)
    heard.crew.launch(ORDER)
    await heard.until(LoadSaid)
    heard.crew.stop(Stop(1, "alpha", kill=True), GIB)
    await heard.crew.close()
    assert [type(one) for one in heard.news] == [LoadSaid, WorkerGone]
    assert machine.workers[0].closed


async def test_silence_ends_a_load() -> None:
    """LOAD_TIMEOUT, and it is not taken for a lack of memory."""
    machine = FakeMachine()
    machine.may_load.clear()
    heard = Heard(machine, load_timeout_s=0.01)
    heard.crew.launch(ORDER)
    ended = await heard.until(LoadEnded)
    assert isinstance(ended, LoadEnded)
    assert ended.error.reason is Reason.LOAD_TIMEOUT
    assert ended.fault is LoadFault.REFUSED
    heard.crew.stop(Stop(1, "alpha", kill=True), GIB)
    await heard.crew.close()


class FakeChatty(FakeWorker):
    """Says something all the time and takes longer than the silence allowed."""

    async def load(self, spec: LoadSpec, progress: object) -> Loaded:
        """Six signs of life, then ready."""
        for _ in range(6):
            await asyncio.sleep(0.1)
            assert callable(progress)
            progress(LoadProgress("loading", 0.1))
        return await super().load(spec, lambda _: None)


async def test_progress_extends_the_silence_allowed() -> None:
    """A slow load that moves is not ended."""

    class FakeChattyMachine(FakeMachine):
        async def __call__(self, wanted: LoadPlan) -> FakeWorker:
            self.workers.append(FakeChatty(self, 1, wanted))
            return self.workers[-1]

    machine = FakeChattyMachine()
    heard = Heard(machine, load_timeout_s=0.5)
    heard.crew.launch(ORDER)
    await heard.until(LoadDone)
    heard.crew.stop(Stop(1, "alpha"), 0)
    await heard.crew.close()


async def test_a_load_that_only_talks_is_ended() -> None:
    """Progress extends the silence allowed, not the whole for ever."""

    class FakeTalker(FakeWorker):
        async def load(self, spec: LoadSpec, progress: Callable[[LoadProgress], None]) -> Loaded:
            del spec
            while True:
                progress(LoadProgress("loading", 0.5))
                await asyncio.sleep(0)

    class FakeTalkingMachine(FakeMachine):
        async def __call__(self, wanted: LoadPlan) -> FakeWorker:
            self.workers.append(FakeTalker(self, 1, wanted))
            return self.workers[-1]

    heard = Heard(FakeTalkingMachine(), load_timeout_s=0.005)
    heard.crew.launch(ORDER)
    ended = await heard.until(LoadEnded)
    heard.crew.stop(Stop(1, "alpha"), 0)
    await heard.crew.close()

    assert isinstance(ended, LoadEnded)
    assert ended.error.reason is Reason.LOAD_TIMEOUT


@pytest.mark.parametrize(
    ("trouble", "fault"),
    [
        (PreconditionError(Reason.LOAD_FAILED, "bad file"), LoadFault.REFUSED),
        (PreconditionError(Reason.LOAD_FAILED, "failed to allocate buffer"), LoadFault.MEMORY),
        (
            PreconditionError(
                Reason.LOAD_FAILED, "no", metadata={"engine_log": "malloc: errno:14 Bad address"}
            ),
            LoadFault.MEMORY,
        ),
        (WorkerDiedError(Death("killed by SIGKILL", "SIGKILL")), LoadFault.MEMORY),
        (WorkerDiedError(Death("killed by SIGSEGV", "SIGSEGV")), LoadFault.CRASHED),
        (WorkerDiedError(Death("ended by rkd", "SIGKILL", blamed=True)), LoadFault.CRASHED),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), LoadFault.MEMORY),
        (OSError(errno.EMFILE, "Too many open files"), LoadFault.REFUSED),
    ],
)
async def test_why_a_load_failed(trouble: Exception, fault: LoadFault) -> None:
    """A lack of memory is told apart: it is worth another try."""
    machine = FakeMachine()
    machine.load_troubles["alpha", ORDER.plan.backend] = [trouble]
    heard = Heard(machine)
    heard.crew.launch(ORDER)
    ended = await heard.until(LoadEnded)
    assert isinstance(ended, LoadEnded)
    assert ended.fault is fault
    heard.crew.stop(Stop(1, "alpha", kill=True), 0)
    await heard.crew.close()


async def test_memory_that_comes_back_slowly_is_waited_for() -> None:
    """While it rises, nobody is told that the worker is gone."""
    machine = FakeMachine()
    heard = Heard(machine)
    heard.crew.launch(ORDER)
    await heard.until(LoadDone)
    machine.workers[0].taken = 0
    readings = iter([1, 1, 2 * GIB // 8, 3 * GIB // 8, GIB])
    crew = Crew(machine, lambda: next(readings, GIB), heard.news.append, 60)
    crew._handles = dict(heard.crew._handles)
    crew.stop(Stop(1, "alpha"), GIB)
    await crew.close()
    assert next(readings, None) is None


class FakeOddWorker(FakeWorker):
    """Cannot be closed in peace."""

    async def close(self, *, kill: bool) -> None:
        """Close, and make a mistake."""
        await super().close(kill=kill)
        raise ZeroDivisionError


async def test_a_mistake_in_a_load_strands_nobody() -> None:
    """Whoever waits for it is told, as INTERNAL."""
    machine = FakeMachine()
    machine.load_troubles["alpha", plan().backend] = [ZeroDivisionError()]
    heard = Heard(machine)
    heard.crew.launch(ORDER)
    ended = await heard.until(LoadEnded)

    assert isinstance(ended, LoadEnded)
    assert (ended.error.reason, ended.fault) == (Reason.INTERNAL, LoadFault.REFUSED)
    heard.crew.stop(Stop(1, "alpha", kill=True), GIB)
    await heard.crew.close()


async def test_a_mistake_at_the_end_of_a_worker_strands_nobody() -> None:
    """It counts as gone: `until_gone` and the daemon's own end wait for that."""
    machine = FakeMachine()
    heard = Heard(machine)
    heard.crew.launch(ORDER)
    await heard.until(LoadDone)
    heard.crew._handles[1] = FakeOddWorker(machine, 1, plan())
    heard.crew.stop(Stop(1, "alpha", kill=True), GIB)
    await heard.crew.close()

    assert isinstance(heard.news[-1], WorkerGone)
    assert heard.crew.of(1) is None
