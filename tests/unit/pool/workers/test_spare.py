"""One worker is kept ahead, given away once, and missed by nobody when it is gone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from rkd.errors import Reason, UnavailableError
from rkd.model import BackendKind
from rkd.pool.deciding.budget import GIB
from rkd.pool.deciding.state import LoadPlan
from rkd.pool.workers.handle import WorkerDiedError
from rkd.pool.workers.spare import LEAST_AVAILABLE_BYTES, Spare
from tests.unit.pool.fakes import DEAD, FakeMachine, FakeWorker, plan, settled

FOR_NOBODY = plan("nobody")


class FakeStarted(FakeWorker):
    """A worker whose load the test ends."""

    def __init__(self, machine: FakeMachine, pid: int, launched: LoadPlan) -> None:
        super().__init__(machine, pid, launched)
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class FakeStarts:
    """Starts fakes; what was started how, in order."""

    def __init__(self) -> None:
        self.machine = FakeMachine()
        self.started: list[FakeStarted] = []
        self.ways: list[str] = []
        self.become_trouble: Exception | None = None
        self.ahead_trouble: Exception | None = None
        self.may_start = asyncio.Event()
        self.may_start.set()

    def _start(self, way: str, launched: LoadPlan) -> FakeStarted:
        self.ways.append(way)
        self.started.append(FakeStarted(self.machine, 100 + len(self.started), launched))
        return self.started[-1]

    async def __call__(self, plan: LoadPlan) -> FakeStarted:
        """A fresh one."""
        return self._start(f"fresh {plan.model}", plan)

    async def ahead(self, kind: BackendKind) -> FakeStarted:
        """One for nobody yet."""
        if self.ahead_trouble is not None:
            raise self.ahead_trouble
        await self.may_start.wait()
        return self._start(f"ahead {kind}", FOR_NOBODY)

    async def become(self, spare: FakeStarted, plan: LoadPlan, bound_s: float) -> None:
        """Make it somebody's."""
        assert bound_s > 0
        if self.become_trouble is not None:
            raise self.become_trouble
        await asyncio.sleep(0)
        assert spare.plan is FOR_NOBODY, "one spare served two"
        spare.plan = plan
        self.ways.append(f"become {plan.model}")


def kept(starts: FakeStarts, available: Callable[[], int] = lambda: 8 * GIB) -> Spare[FakeStarted]:
    """A spare with one about to be there."""
    spare = Spare(starts, available)
    spare.make()
    return spare


async def test_it_is_given_to_the_first_and_the_next_comes_behind_his_load() -> None:
    """Not before: it would compete with what somebody waits for."""
    starts = FakeStarts()
    spare = kept(starts)
    await settled()

    worker = await spare(plan("a", npu=1))
    await settled()
    during = list(starts.ways)
    worker.over.set_result(None)
    await settled()

    assert worker is starts.started[0]
    assert during == ["ahead cpu", "become a"]
    assert starts.ways == ["ahead cpu", "become a", "ahead npu"]
    assert spare.pid == starts.started[1].pid


async def test_it_never_serves_two() -> None:
    """Two loads at the same moment: the second gets a fresh one."""
    starts = FakeStarts()
    spare = kept(starts)
    await settled()

    first, second = await asyncio.gather(spare(plan("a")), spare(plan("b")))

    assert first is not second
    assert sorted(starts.ways) == ["ahead cpu", "become a", "fresh b"]


@pytest.mark.parametrize(
    "trouble",
    [UnavailableError(Reason.WORKER_CRASHED, "it said nothing"), WorkerDiedError(DEAD)],
)
async def test_one_that_does_not_answer_costs_its_load_nothing(trouble: Exception) -> None:
    """A fresh one takes its place."""
    starts = FakeStarts()
    starts.become_trouble = trouble
    spare = kept(starts)
    await settled()

    worker = await spare(plan("a"))

    assert starts.ways == ["ahead cpu", "fresh a"]
    assert worker is starts.started[1]
    assert spare.pid is None


async def test_its_death_is_noticed_and_not_answered_by_another() -> None:
    """What kills one would kill the next; the next load starts afresh."""
    starts = FakeStarts()
    spare = kept(starts)
    await settled()

    starts.started[0].die()
    await settled()
    gone = spare.pid
    await spare(plan("a"))

    assert gone is None
    assert starts.ways == ["ahead cpu", "fresh a"]


async def test_a_load_does_not_wait_for_one_that_is_being_made() -> None:
    """Starting one costs as much whoever does it."""
    starts = FakeStarts()
    starts.may_start.clear()
    spare = kept(starts)
    await settled()

    await spare(plan("a"))

    assert starts.ways == ["fresh a"]
    await spare.close()


async def test_little_memory_belongs_to_models() -> None:
    """Asked anew each time."""
    starts = FakeStarts()
    free = [LEAST_AVAILABLE_BYTES - 1]
    spare = kept(starts, lambda: free[0])
    await settled()
    before = spare.pid
    free[0] += 1
    spare.make()
    await settled()

    assert before is None
    assert spare.pid is not None


async def test_one_at_a_time() -> None:
    """However often one is asked for."""
    starts = FakeStarts()
    spare = kept(starts)
    spare.make()
    await settled()
    spare.make()
    await settled()

    assert starts.ways == ["ahead cpu"]


async def test_a_machine_without_processes_left_goes_on() -> None:
    """The load that needs one will say so."""
    starts = FakeStarts()
    starts.ahead_trouble = OSError(11, "Resource temporarily unavailable")
    spare = kept(starts)
    await settled()

    await spare(plan("a"))

    assert starts.ways == ["fresh a"]


@pytest.mark.parametrize("ready", [True, False])
async def test_it_is_gone_at_the_end_and_none_comes_after(ready: bool) -> None:  # noqa: FBT001
    """Also one that was still being started, and one whose load ends later."""
    starts = FakeStarts()
    spare = kept(starts)
    await settled()
    worker = await spare(plan("a"))
    if not ready:
        starts.may_start.clear()
    worker.over.set_result(None)
    await settled()

    await spare.close()
    spare.make()
    await settled()

    assert spare.pid is None
    assert [one.closed for one in starts.started] == ([False, True] if ready else [False])
