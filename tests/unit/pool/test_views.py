"""What others see: positions, estimates, stages, residents, previews."""

from __future__ import annotations

from rkd.errors import PreconditionError, Reason
from rkd.model import BackendChoice, BackendKind
from rkd.pool import views
from rkd.pool.deciding.budget import GIB, Capacity
from rkd.pool.deciding.scheduler import Scheduler
from rkd.pool.deciding.state import Launch, LoadFault, LoadPlan, Moment, Phase, Waiter
from rkd.pool.deciding.table import Rules
from rkd.pool.ticket import Loading, Queued, Update
from tests.unit.pool.fakes import at, loaded, plan, waiter

REFUSED = PreconditionError(
    Reason.LOAD_FAILED, "the engine refused it", metadata={"model": "Alpha"}
)


def scheduler(ram: int = 2 * GIB, places: int = 0) -> Scheduler:
    """With turns of no length."""
    return Scheduler(Capacity(ram, max_resident=places), Rules(turn_s=0.0))


def ready(it: Scheduler, ticket: int, what: LoadPlan, now_s: float = 0.0) -> int:
    """Make a model ready, held by *ticket*."""
    actions = it.on_request(waiter(ticket, what), at(now_s))
    (launch,) = [one for one in actions if isinstance(one, Launch)]
    it.on_loaded(launch.generation, loaded(), 0, at(now_s))
    return launch.generation


def update(it: Scheduler, who: Waiter, ahead: int = 0, same: int = 0) -> Update:
    """What it would be told."""
    return views.update(it.table, who, ahead, same, planned=BackendKind.NPU, said={})


class TestUpdate:
    """What a waiting request is told."""

    def test_position_and_estimate(self) -> None:
        """Those before it for its model, times what a run takes here."""
        it = scheduler()
        ready(it, 1, plan())
        it.on_finished(1, at(4))
        it.on_request(waiter(2, plan()), at(4))
        late = waiter(3, plan())
        it.on_request(late, at(5))
        assert update(it, late, ahead=5, same=1) == Queued(1, 8.0)

    def test_no_estimate_before_any_run(self) -> None:
        """None is better than a guess from nothing."""
        it = scheduler()
        ready(it, 1, plan())
        assert update(it, waiter(2, plan())) == Queued(0, None)

    def test_a_load_for_it(self) -> None:
        """Starting, then what the worker says; retrying; falling back."""
        it = scheduler()
        who = waiter(1, plan(npu=GIB))
        it.on_request(who, at(0))
        assert update(it, who) == Loading("starting", BackendKind.NPU)
        said = {1: ("loading", 0.5)}
        told = views.update(it.table, who, 0, 0, planned=BackendKind.NPU, said=said)
        assert told == Loading("loading", BackendKind.NPU, 0.5)
        who.crashes = 1
        assert update(it, who) == Loading("retrying", BackendKind.NPU)
        other = views.update(it.table, who, 0, 0, planned=BackendKind.CPU, said=said)
        assert isinstance(other, Loading)
        assert other.stage == "falling-back"

    def test_who_leaves_for_it(self) -> None:
        """By name, until its own load begins."""
        it = scheduler(places=1)
        ready(it, 1, plan("alpha"))
        who = waiter(2, plan("beta"))
        it.on_request(who, at(1))
        assert update(it, who) == Loading("evicting", BackendKind.CPU, evicting=("alpha",))


class TestResidents:
    """The list of `rkctl ps`."""

    def test_everything_of_a_resident(self) -> None:
        """Use, queue, time, domain, process."""
        it = scheduler(ram=8 * GIB)
        generation = ready(it, 1, plan("beta", npu=GIB))
        it.on_request(waiter(2, plan("beta", npu=GIB)), at(1))
        (seen,) = views.residents(it.table, {generation: 4711})
        assert (seen.model, seen.phase, seen.pid) == ("beta", Phase.READY, 4711)
        assert (seen.slots, seen.slots_used, seen.queued) == (1, 1, 1)
        assert (seen.npu_domain, seen.expires_s, seen.size_measured) == (0, None, False)
        it.on_finished(1, at(2))
        it.on_finished(2, at(3))
        (seen,) = views.residents(it.table, {})
        assert seen.expires_s == 303
        assert seen.served == 2

    def test_a_cpu_model_is_shown_at_its_measured_size_once_it_has_served(self) -> None:
        """The budget keeps to the estimate; on the NPU a process does not show its buffers."""
        it = scheduler(ram=8 * GIB)
        for ticket, what in ((1, plan("cpu")), (2, plan("npu", npu=GIB))):
            generation = ready(it, ticket, what)
            it.on_finished(ticket, at(1))
            it.on_measured(generation, GIB // 2, at(2))
        cpu, npu = views.residents(it.table, {})
        assert (cpu.size_bytes, cpu.size_measured) == (GIB // 2, True)
        assert (npu.size_bytes, npu.size_measured) == (GIB, False)
        assert it.table.residents["cpu"].need.ram_bytes == GIB

    def test_a_failed_one_is_shown_with_its_reason(self) -> None:
        """And when it may be tried again."""
        it = scheduler()
        it.on_request(waiter(1, plan()), at(0))
        it.on_load_failed(1, REFUSED, LoadFault.REFUSED, at(1))
        it.on_unloaded(1, at(2))
        (seen,) = views.residents(it.table, {})
        assert (seen.model, seen.phase) == ("Alpha", Phase.FAILED)
        assert seen.reason == "the engine refused it"
        assert seen.retry_s == 1


class TestPreview:
    """What `Plan` answers, without doing it."""

    def test_it_fits(self) -> None:
        """With the sum in words, and nothing has changed."""
        it = scheduler()
        seen = views.preview(it.table, waiter(0, plan()), at(0))
        assert seen.fits
        assert seen.explanation == "alpha needs 1.1 GB, 2.1 GB are free"
        assert it.table.residents == {}

    def test_it_is_there(self) -> None:
        """Nothing has to be done."""
        it = scheduler()
        ready(it, 1, plan())
        seen = views.preview(it.table, waiter(0, plan()), at(0))
        assert (seen.fits, seen.resident) == (True, True)

    def test_others_would_leave(self) -> None:
        """By name, in order; they stay for now."""
        it = scheduler(places=1)
        ready(it, 1, plan("alpha"))
        it.on_finished(1, at(1))
        seen = views.preview(it.table, waiter(0, plan("beta")), at(2))
        assert (seen.fits, seen.evicting) == (True, ("alpha",))
        assert it.table.residents["alpha"].phase is Phase.READY

    def test_a_reload_makes_its_own_room(self) -> None:
        """The same model with another context leaves first."""
        it = scheduler(ram=GIB)
        ready(it, 1, plan(context=4096))
        wanted = plan(context=8192, exact=True)
        seen = views.preview(it.table, waiter(0, wanted), at(1))
        assert (seen.fits, seen.evicting) == (True, ("alpha",))

    def test_it_never_fits(self) -> None:
        """The refusal's own words."""
        it = scheduler()
        seen = views.preview(it.table, waiter(0, plan(ram=3 * GIB)), at(0))
        assert not seen.fits
        assert "3.2 GB" in seen.explanation

    def test_pins_are_in_the_way(self) -> None:
        """Nobody leaves."""
        it = scheduler(places=1)
        ready(it, 1, plan("alpha"))
        it.on_pin("alpha", at(1), pinned=True)
        seen = views.preview(it.table, waiter(0, plan("beta")), at(2))
        assert (seen.fits, seen.evicting) == (False, ())
        assert "pinned (alpha)" in seen.explanation

    def test_it_would_wait(self) -> None:
        """What is loading now can leave later."""
        it = scheduler(places=1)
        it.on_request(waiter(1, plan("alpha")), at(0))
        it.on_cancel(1, at(0))
        seen = views.preview(it.table, waiter(0, plan("beta")), at(1))
        assert seen.fits
        assert "when what is in use has ended" in seen.explanation

    def test_free_memory_is_what_the_machine_has(self) -> None:
        """Not more than our share."""
        it = scheduler()
        explicit = plan(choice=BackendChoice.CPU)
        seen = views.preview(it.table, waiter(0, explicit), Moment(0.0, GIB // 2))
        assert seen.available_bytes == GIB // 2
        assert not seen.fits
