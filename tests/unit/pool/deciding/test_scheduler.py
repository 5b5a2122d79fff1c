"""The scheduler's rules, one by one; the peers' defects they come from are named."""

from __future__ import annotations

import math

import pytest

from rkd.errors import PreconditionError, Reason, UnavailableError
from rkd.model import BackendChoice, BackendKind
from rkd.pool.deciding.budget import GIB, Capacity, Need
from rkd.pool.deciding.scheduler import Scheduler
from rkd.pool.deciding.state import (
    Action,
    Actions,
    Announce,
    Grant,
    Launch,
    LoadFault,
    LoadPlan,
    Moment,
    Phase,
    Priority,
    Refuse,
    Stop,
)
from rkd.pool.deciding.table import CRASH_LIMIT, Rules, rest_s
from tests.unit.pool.fakes import at, loaded, plan, waiter

DIED = UnavailableError(Reason.WORKER_CRASHED, "the worker was killed by SIGSEGV")
REFUSED = PreconditionError(Reason.LOAD_FAILED, "the engine refused the file")
SHORT = PreconditionError(Reason.LOAD_FAILED, "failed to malloc npu memory")


def scheduler(
    ram: int = 2 * GIB,
    *,
    places: int = 0,
    queue: int = 64,
    npu_runs: int = 1,
    turn_s: float = 0.0,
    keep_alive_s: float = 300.0,
    ageing_s: float = 30.0,
) -> Scheduler:
    """A scheduler with room for two models of a GiB."""
    rules = Rules(keep_alive_s, queue, npu_runs, turn_s, ageing_s)
    return Scheduler(Capacity(ram, max_resident=places), rules)


def essentials(actions: Actions) -> list[Action]:
    """The actions without what is only said."""
    return [one for one in actions if not isinstance(one, Announce)]


def generation_of(actions: Actions) -> int:
    """Of the one launch in *actions*."""
    (launch,) = [one for one in actions if isinstance(one, Launch)]
    return launch.generation


def granted(actions: Actions) -> list[int]:
    """The tickets granted, in order."""
    return [one.ticket for one in actions if isinstance(one, Grant)]


def refused(actions: Actions) -> dict[int, Reason]:
    """Why tickets were refused."""
    return {one.ticket: one.error.reason for one in actions if isinstance(one, Refuse)}


def ready(it: Scheduler, ticket: int, what: LoadPlan, now_s: float = 0.0, slots: int = 1) -> int:
    """Make a model ready and its request granted; returns the generation."""
    generation = generation_of(it.on_request(waiter(ticket, what), at(now_s)))
    done = it.on_loaded(generation, loaded(slots, what.spec.context_tokens), 0, at(now_s))
    assert granted(done) == [ticket]
    return generation


def idle(it: Scheduler, ticket: int, what: LoadPlan, now_s: float = 0.0) -> int:
    """Make a model ready that nobody uses; returns the generation."""
    generation = ready(it, ticket, what, now_s)
    it.on_finished(ticket, at(now_s))
    return generation


class TestPeersDefects:
    """What goes wrong elsewhere, each by name."""

    def test_resurrection_deadlock(self) -> None:
        """A hit on a model asked to leave does not revive it, and nobody waits for ever."""
        it = scheduler(places=1)
        alpha = ready(it, 1, plan("alpha"))
        it.on_request(waiter(2, plan("beta")), at(1))
        assert it.table.residents["alpha"].phase is Phase.DRAINING

        assert essentials(it.on_request(waiter(3, plan("alpha")), at(2))) == []
        assert essentials(it.on_finished(1, at(3))) == [Stop(alpha, "alpha")]
        beta = generation_of(it.on_unloaded(alpha, at(4)))
        assert granted(it.on_loaded(beta, loaded(), 0, at(5))) == [2]
        it.on_finished(2, at(6))
        again = generation_of(it.on_unloaded(beta, at(7)))
        assert granted(it.on_loaded(again, loaded(), 0, at(8))) == [3]

    def test_starvation_by_another_context(self) -> None:
        """A request that needs a reload stops the fast path, though a slot is free all along."""
        it = scheduler()
        alpha = ready(it, 1, plan(context=4096, slots=2), slots=2)
        it.on_request(waiter(2, plan(context=8192, exact=True)), at(1))

        for ticket in (3, 4, 5):
            assert granted(it.on_request(waiter(ticket, plan(context=4096)), at(2))) == []
        assert essentials(it.on_finished(1, at(3))) == [Stop(alpha, "alpha")]
        larger = generation_of(it.on_unloaded(alpha, at(4)))
        assert it.table.residents["alpha"].plan.spec.context_tokens == 8192
        assert granted(it.on_loaded(larger, loaded(context=8192), 0, at(5))) == [2]
        assert granted(it.on_finished(2, at(6))) == [3]

    def test_head_of_line_blocking(self) -> None:
        """A slow load does not keep another model from loading."""
        it = scheduler()
        generation_of(it.on_request(waiter(1, plan("alpha")), at(0)))
        beta = generation_of(it.on_request(waiter(2, plan("beta")), at(1)))

        assert granted(it.on_loaded(beta, loaded(), 0, at(2))) == [2]
        assert it.table.residents["alpha"].phase is Phase.LOADING

    def test_a_cancelled_waiter_never_starts_a_load(self) -> None:
        """Once it has gone, the room made for it loads nothing."""
        it = scheduler(places=1)
        alpha = ready(it, 1, plan("alpha"))
        it.on_request(waiter(2, plan("beta")), at(1))
        assert it.on_cancel(2, at(2)) == ()
        it.on_finished(1, at(3))

        assert essentials(it.on_unloaded(alpha, at(4))) == []
        assert len(it.table.queue) == 0

    def test_an_unload_has_identity(self) -> None:
        """That some other model has gone is not taken for the one that was waited for."""
        it = scheduler(places=2)
        alpha = idle(it, 1, plan("alpha"))
        beta = ready(it, 2, plan("beta"), 1)
        it.on_request(waiter(3, plan("gamma")), at(2))
        assert it.table.residents["alpha"].phase is Phase.UNLOADING

        assert essentials(it.on_unloaded(99, at(3))) == []
        assert essentials(it.on_unloaded(alpha - 10, at(3))) == []
        assert beta == it.table.residents["beta"].generation
        assert generation_of(it.on_unloaded(alpha, at(4)))
        assert it.on_unloaded(alpha, at(5)) == ()

    def test_hits_are_bounded_too(self) -> None:
        """Requests for a model that is loaded count against the queue like all others."""
        it = scheduler(queue=2)
        ready(it, 1, plan())
        it.on_request(waiter(2, plan()), at(1))
        it.on_request(waiter(3, plan()), at(1))

        assert refused(it.on_request(waiter(4, plan()), at(1))) == {4: Reason.QUEUE_FULL}
        assert refused(it.on_request(waiter(5, plan("beta")), at(1))) == {5: Reason.QUEUE_FULL}

    def test_a_full_queue_is_no_matter_to_who_need_not_wait(self) -> None:
        """A free slot of another model is given although the queue is full."""
        it = scheduler(queue=1)
        idle(it, 1, plan("beta"))
        ready(it, 2, plan("alpha"))
        it.on_request(waiter(3, plan("alpha")), at(1))

        assert granted(it.on_request(waiter(4, plan("beta")), at(1))) == [4]

    def test_a_busy_model_is_never_evicted(self) -> None:
        """It drains: the run goes on, and only then its worker is stopped."""
        it = scheduler(places=1)
        alpha = ready(it, 1, plan("alpha"))
        assert essentials(it.on_request(waiter(2, plan("beta")), at(1))) == []
        assert essentials(it.on_expired(at(100))) == []
        assert essentials(it.on_finished(1, at(200))) == [Stop(alpha, "alpha")]

    def test_forever_is_not_a_pin(self) -> None:
        """A model kept for ever leaves when another needs its place; a pinned one does not."""
        it = scheduler(places=1)
        keeper = waiter(1, plan("alpha"), keep_alive_s=math.inf)
        alpha = generation_of(it.on_request(keeper, at(0)))
        it.on_loaded(alpha, loaded(), 0, at(1))
        it.on_finished(1, at(2))
        assert it.on_expired(at(1e9)) == ()

        it.on_pin("alpha", at(1e9), pinned=True)
        assert refused(it.on_request(waiter(2, plan("beta")), at(1e9))) == {
            2: Reason.NO_EVICTABLE_MODEL
        }
        it.on_pin("alpha", at(1e9), pinned=False)
        assert essentials(it.on_request(waiter(3, plan("beta")), at(1e9))) == [Stop(alpha, "alpha")]

    def test_events_told_twice_change_nothing(self) -> None:
        """Premature and repeated events of a worker are ignored."""
        it = scheduler()
        alpha = ready(it, 1, plan())
        assert it.on_loaded(alpha, loaded(), 0, at(1)) == ()
        assert it.on_load_failed(alpha, REFUSED, LoadFault.REFUSED, at(1)) == ()
        assert it.on_finished(99, at(1)) == ()
        it.on_worker_died(alpha, DIED, at(2))
        assert it.on_worker_died(alpha, DIED, at(2)) == ()


class TestKeepAlive:
    """When an idle model leaves."""

    def test_it_counts_from_the_last_finish(self) -> None:
        """Neither the load nor the grant starts it."""
        it = scheduler(keep_alive_s=10)
        alpha = ready(it, 1, plan())
        assert essentials(it.on_expired(at(50))) == []
        it.on_finished(1, at(100))
        assert it.wake_at() == 110
        assert essentials(it.on_expired(at(109))) == []
        assert essentials(it.on_expired(at(110))) == [Stop(alpha, "alpha")]

    def test_a_requests_value_lasts_until_the_next_that_says_one(self) -> None:
        """Saying nothing leaves it alone."""
        it = scheduler(keep_alive_s=10)
        generation_of(it.on_request(waiter(1, plan(), keep_alive_s=60.0), at(0)))
        it.on_loaded(1, loaded(), 0, at(0))
        it.on_finished(1, at(0))
        it.on_request(waiter(2, plan()), at(1))
        it.on_finished(2, at(2))
        assert it.wake_at() == 62
        it.on_request(waiter(3, plan(), keep_alive_s=5.0), at(3))
        it.on_finished(3, at(4))
        assert it.wake_at() == 9

    def test_zero_unloads_at_the_finish_but_not_before_who_waits(self) -> None:
        """Somebody waiting is served first."""
        it = scheduler()
        alpha = generation_of(it.on_request(waiter(1, plan(), keep_alive_s=0.0), at(0)))
        it.on_request(waiter(2, plan()), at(0))
        it.on_loaded(alpha, loaded(), 0, at(1))
        assert essentials(it.on_finished(1, at(2))) == [Grant(2, alpha)]
        assert essentials(it.on_finished(2, at(3))) == [Stop(alpha, "alpha")]

    def test_the_models_own_value_goes_before_the_daemons(self) -> None:
        """`PARAMETER keep_alive`."""
        it = scheduler(keep_alive_s=10)
        idle(it, 1, plan(keep_alive_s=77.0))
        assert it.wake_at() == 77

    def test_an_unused_load_expires(self) -> None:
        """Everyone who waited for it has gone: it does not stay for ever."""
        it = scheduler(keep_alive_s=10)
        alpha = generation_of(it.on_request(waiter(1, plan()), at(0)))
        it.on_cancel(1, at(1))
        it.on_loaded(alpha, loaded(), 0, at(5))
        assert it.wake_at() == 15

    def test_a_pin_survives_everything_but_unload(self) -> None:
        """Neither time nor keep_alive 0 ends it; unload does, and clears the pin."""
        it = scheduler(keep_alive_s=10)
        alpha = idle(it, 1, plan())
        it.on_pin("alpha", at(1), pinned=True)
        assert essentials(it.on_expired(at(1.5e9))) == []
        it.on_request(waiter(2, plan(), keep_alive_s=0.0), at(2))
        it.on_finished(2, at(3))
        assert essentials(it.on_expired(at(1000))) == []
        assert essentials(it.on_unload("alpha", at(1001))) == [Stop(alpha, "alpha")]
        assert it.table.pins == set()


class TestQueue:
    """Who is next."""

    def test_first_come_first_served(self) -> None:
        """Sixteen clients on one slot get their turns in the order they came."""
        it = scheduler()
        ready(it, 1, plan())
        for ticket in range(2, 17):
            it.on_request(waiter(ticket, plan(), client=f"c{ticket}"), at(ticket))
        order = []
        current = 1
        for now_s in range(20, 35):
            (current,) = granted(it.on_finished(current, at(now_s)))
            order.append(current)
        assert order == list(range(2, 17))

    def test_a_greedy_client_takes_turns(self) -> None:
        """Forty requests of one client do not push back the one of another."""
        it = scheduler()
        ready(it, 1, plan())
        for ticket in range(2, 42):
            it.on_request(waiter(ticket, plan(), client="greedy"), at(1))
        it.on_request(waiter(50, plan(), client="modest"), at(2))
        assert granted(it.on_finished(1, at(3))) == [2]
        assert granted(it.on_finished(2, at(4))) == [50]

    def test_classes_and_ageing(self) -> None:
        """Interactive goes first, and waiting long makes a background request interactive."""
        it = scheduler(ageing_s=30)
        ready(it, 1, plan())
        it.on_request(waiter(2, plan(), priority=Priority.BACKGROUND), at(0))
        it.on_request(waiter(3, plan(), priority=Priority.INTERACTIVE), at(1))
        assert granted(it.on_finished(1, at(2))) == [3]
        it.on_request(waiter(4, plan(), priority=Priority.INTERACTIVE), at(61))
        assert granted(it.on_finished(3, at(62))) == [2]

    def test_a_deadline_is_kept_while_waiting(self) -> None:
        """An expired waiter is told, wakes nobody up and starts nothing."""
        it = scheduler(places=1)
        alpha = ready(it, 1, plan("alpha"))
        it.on_request(waiter(2, plan("beta"), deadline_s=5.0), at(1))
        assert it.wake_at() == 5
        assert refused(it.on_expired(at(5))) == {2: Reason.LOAD_TIMEOUT}
        it.on_finished(1, at(6))
        assert essentials(it.on_unloaded(alpha, at(7))) == []

    def test_slots_are_given_together(self) -> None:
        """A model with two slots runs two at once and no third."""
        it = scheduler()
        alpha = generation_of(it.on_request(waiter(1, plan(slots=2)), at(0)))
        it.on_request(waiter(2, plan(slots=2)), at(0))
        it.on_request(waiter(3, plan(slots=2)), at(0))
        assert granted(it.on_loaded(alpha, loaded(slots=2), 0, at(1))) == [1, 2]

    def test_tokenizing_needs_no_slot(self) -> None:
        """It is served while the only slot is busy and others wait for it."""
        it = scheduler()
        ready(it, 1, plan())
        it.on_request(waiter(2, plan()), at(1))
        assert granted(it.on_request(waiter(3, plan(), takes_slot=False), at(2))) == [3]


class TestNpu:
    """One run at a time, a domain each."""

    def test_one_run_at_a_time_over_all_npu_models(self) -> None:
        """A second NPU model loads meanwhile, but runs after; the CPU is not held up."""
        it = scheduler(ram=8 * GIB)
        ready(it, 1, plan("alpha", npu=GIB))
        beta = generation_of(it.on_request(waiter(2, plan("beta", npu=GIB)), at(1)))
        assert granted(it.on_loaded(beta, loaded(), 0, at(2))) == []
        ready(it, 3, plan("gamma"), 3)
        assert granted(it.on_finished(1, at(4))) == [2]

    def test_every_resident_has_its_own_domain(self) -> None:
        """A model over 4 GiB takes two; the next one starts behind them."""
        it = scheduler(ram=32 * GIB)
        first = it.on_request(waiter(1, plan("alpha", npu=5 * GIB)), at(0))
        second = it.on_request(waiter(2, plan("beta", npu=GIB)), at(0))
        domains = [one.plan.spec.npu_domain for one in (*first, *second) if isinstance(one, Launch)]
        assert domains == [0, 2]

    def test_more_runs_where_configured(self) -> None:
        """`npu_parallel` two lets two models run."""
        it = scheduler(ram=8 * GIB, npu_runs=2)
        ready(it, 1, plan("alpha", npu=GIB))
        ready(it, 2, plan("beta", npu=GIB))


class TestRoom:
    """Making room, and saying that there is none."""

    def test_too_large_for_ever(self) -> None:
        """MODEL_TOO_LARGE carries the sum."""
        it = scheduler()
        (refusal,) = it.on_request(waiter(1, plan(ram=3 * GIB)), at(0))
        assert isinstance(refusal, Refuse)
        assert refusal.error.reason is Reason.MODEL_TOO_LARGE
        assert refusal.error.metadata["needed"] == str(3 * GIB)
        assert refusal.error.metadata["available"] == str(2 * GIB)

    def test_what_does_not_fit_the_npu_goes_to_the_cpu(self) -> None:
        """With the reason, when the request accepts it."""
        it = scheduler()
        both = (plan(ram=3 * GIB, npu=3 * GIB), plan(ram=GIB))
        it.on_request(waiter(1, *both), at(0))
        resident = it.table.residents["alpha"]
        assert resident.plan.backend is BackendKind.CPU
        assert "3.2 GB" in resident.plan.reason

    def test_other_programs_take_the_memory(self) -> None:
        """Nothing of ours could leave: refused at once with numbers, to be tried again."""
        it = scheduler()
        moment = Moment(0.0, GIB // 2)
        assert refused(it.on_request(waiter(1, plan()), moment)) == {1: Reason.NO_EVICTABLE_MODEL}

    def test_memory_is_promised_again_only_when_it_is_back(self) -> None:
        """An ended worker counts until `on_unloaded`."""
        it = scheduler()
        alpha = idle(it, 1, plan("alpha", ram=2 * GIB))
        assert essentials(it.on_request(waiter(2, plan("beta", ram=2 * GIB)), at(1))) == [
            Stop(alpha, "alpha")
        ]
        assert essentials(it.on_expired(at(2))) == []
        generation_of(it.on_unloaded(alpha, at(3)))

    def test_room_made_for_one_is_not_taken_by_a_later_one(self) -> None:
        """A small model behind a large one in the queue does not steal its room for ever."""
        it = scheduler(ram=3 * GIB)
        alpha = ready(it, 1, plan("alpha", ram=2 * GIB))
        it.on_request(waiter(2, plan("large", ram=3 * GIB)), at(1))
        assert essentials(it.on_request(waiter(3, plan("small", ram=GIB)), at(2))) == []
        it.on_finished(1, at(3))
        it.on_unloaded(alpha, at(4))
        assert it.table.residents["large"].phase is Phase.LOADING

    def test_room_being_made_is_not_taken_in_the_same_moment(self) -> None:
        """When the turn ends that a large model waits for, a small one behind it still waits."""
        it = scheduler(ram=3 * GIB, turn_s=3)
        ready(it, 1, plan("alpha", ram=2 * GIB))
        it.on_request(waiter(2, plan("large", ram=3 * GIB)), at(1))
        it.on_request(waiter(3, plan("small", ram=GIB)), at(2))
        assert essentials(it.on_expired(at(3))) == []
        assert it.table.residents["alpha"].phase is Phase.DRAINING

    def test_an_idle_model_somebody_earlier_waits_for_stays(self) -> None:
        """It is idle only because the NPU is busy: neither room nor time takes it away."""
        it = scheduler(ram=8 * GIB, places=2, keep_alive_s=10)
        idle(it, 1, plan("alpha", npu=GIB))
        ready(it, 2, plan("beta", npu=GIB))
        it.on_request(waiter(3, plan("alpha", npu=GIB)), at(1))
        it.on_request(waiter(4, plan("gamma")), at(2))
        it.on_expired(at(100))
        assert it.table.residents["alpha"].phase is Phase.READY

    def test_a_model_in_demand_has_its_turn(self) -> None:
        """Others wait until it has served for a while, then it drains although in demand."""
        it = scheduler(places=1, turn_s=3)
        ready(it, 1, plan("alpha"))
        it.on_request(waiter(2, plan("beta")), at(1))
        assert it.table.residents["alpha"].phase is Phase.READY
        it.on_request(waiter(3, plan("alpha")), at(1.5))
        assert granted(it.on_finished(1, at(2))) == [3]
        assert it.wake_at() == 3
        it.on_expired(at(3))
        assert it.table.residents["alpha"].phase is Phase.DRAINING

    def test_an_idle_model_goes_before_a_busy_one(self) -> None:
        """Nothing is drained while something idle is enough."""
        it = scheduler(places=2)
        ready(it, 1, plan("alpha"))
        idle(it, 2, plan("beta"), 1)
        it.on_request(waiter(3, plan("gamma")), at(2))
        assert it.table.residents["alpha"].phase is Phase.READY
        assert it.table.residents["beta"].phase is Phase.UNLOADING

    def test_measured_larger_than_thought_lets_the_idle_go(self) -> None:
        """The budget is kept with what is true, not with what was guessed."""
        it = scheduler()
        alpha = idle(it, 1, plan("alpha"))
        beta = generation_of(it.on_request(waiter(2, plan("beta")), at(1)))
        actions = it.on_loaded(beta, loaded(), GIB + 1, at(2))
        assert Stop(alpha, "alpha") in actions
        assert it.table.residents["beta"].measured

    def test_jobs_count(self) -> None:
        """A conversion's memory is not given to a model until it has ended."""
        it = scheduler()
        it.on_job(1, Need(2 * GIB), at(0))
        assert essentials(it.on_request(waiter(1, plan()), at(1))) == []
        generation_of(it.on_job(1, None, at(2)))


class TestFailures:
    """Loads that fail and workers that die."""

    def test_for_memory_it_evicts_the_idle_and_tries_once_more(self) -> None:
        """Then it fails with the engine's words."""
        it = scheduler()
        alpha = idle(it, 1, plan("alpha"))
        beta = generation_of(it.on_request(waiter(2, plan("beta")), at(1)))
        actions = it.on_load_failed(beta, SHORT, LoadFault.MEMORY, at(2))
        assert essentials(actions) == [Stop(beta, "beta", kill=True), Stop(alpha, "alpha")]
        assert essentials(it.on_unloaded(beta, at(3))) == []
        again = generation_of(it.on_unloaded(alpha, at(4)))
        actions = it.on_load_failed(again, SHORT, LoadFault.MEMORY, at(5))
        assert refused(actions) == {2: Reason.LOAD_FAILED}

    def test_for_memory_it_tries_no_third_time(self) -> None:
        """Even if somebody else has fallen idle meanwhile."""
        it = scheduler(ram=4 * GIB)
        alpha = idle(it, 1, plan("alpha"))
        ready(it, 2, plan("gamma"))
        beta = generation_of(it.on_request(waiter(3, plan("beta")), at(1)))
        it.on_load_failed(beta, SHORT, LoadFault.MEMORY, at(2))
        it.on_unloaded(alpha, at(3))
        again = generation_of(it.on_unloaded(beta, at(3)))
        it.on_finished(2, at(4))
        actions = it.on_load_failed(again, SHORT, LoadFault.MEMORY, at(5))
        assert refused(actions) == {3: Reason.LOAD_FAILED}

    def test_for_memory_alone_it_fails_at_once(self) -> None:
        """Nobody could leave: trying the same again is no use."""
        it = scheduler()
        alpha = generation_of(it.on_request(waiter(1, plan()), at(0)))
        actions = it.on_load_failed(alpha, SHORT, LoadFault.MEMORY, Moment(1, GIB // 4))
        (refusal,) = [one for one in actions if isinstance(one, Refuse)]
        assert refusal.error.reason is Reason.LOAD_FAILED
        assert refusal.error.metadata["needed"] == str(GIB)
        assert "268 MB were available" in refusal.error.message

    def test_a_crash_while_loading_is_forgiven_once(self) -> None:
        """The second one is told."""
        it = scheduler()
        first = generation_of(it.on_request(waiter(1, plan()), at(0)))
        it.on_load_failed(first, DIED, LoadFault.CRASHED, at(1))
        second = generation_of(it.on_unloaded(first, at(2)))
        actions = it.on_load_failed(second, DIED, LoadFault.CRASHED, at(3))
        assert refused(actions) == {1: Reason.WORKER_CRASHED}

    def test_killed_while_loading_is_tried_once_more(self) -> None:
        """It may have been for memory; what has killed two workers gets no third by itself."""
        it = scheduler()
        it.on_request(waiter(1, plan()), at(0))
        it.on_load_failed(1, DIED, LoadFault.MEMORY, at(1))
        assert generation_of(it.on_unloaded(1, at(1))) == 2
        actions = it.on_load_failed(2, DIED, LoadFault.MEMORY, at(2))
        assert refused(actions) == {1: Reason.WORKER_CRASHED}

    def test_a_load_that_has_killed_is_tried_once_a_request(self) -> None:
        """The next request costs one worker, not two, and then the model rests."""
        it = scheduler()
        it.on_request(waiter(1, plan()), at(0))
        it.on_load_failed(1, DIED, LoadFault.CRASHED, at(1))
        it.on_unloaded(1, at(1))
        it.on_load_failed(2, DIED, LoadFault.CRASHED, at(2))
        it.on_unloaded(2, at(2))
        third = generation_of(it.on_request(waiter(2, plan()), at(3)))
        actions = it.on_load_failed(third, DIED, LoadFault.CRASHED, at(4))
        assert refused(actions) == {2: Reason.WORKER_CRASHED}
        it.on_unloaded(third, at(4))
        assert refused(it.on_request(waiter(3, plan()), at(5))) == {3: Reason.MODEL_FAILED}

    @pytest.mark.parametrize("kill", [True, False])
    def test_a_request_does_not_bring_back_what_was_unloaded(self, kill: bool) -> None:  # noqa: FBT001 - a parameter
        """Its worker died after somebody had told the model to leave: it is told, not loaded."""
        it = scheduler()
        alpha = ready(it, 1, plan())
        it.on_unload("alpha", at(1), kill=kill)
        if not kill:
            it.on_worker_died(alpha, DIED, at(2))
        it.on_unloaded(alpha, at(2))
        actions = it.on_retry(1, at(3))
        assert refused(actions) == {1: Reason.WORKER_CRASHED}
        assert not [one for one in actions if isinstance(one, Launch)]

    def test_a_load_that_succeeds_forgives_who_still_waits(self) -> None:
        """Only deaths in a row end a request that has not begun."""
        it = scheduler()
        it.on_request(waiter(1, plan()), at(0))
        it.on_request(waiter(2, plan()), at(0))
        it.on_load_failed(1, DIED, LoadFault.CRASHED, at(1))
        it.on_unloaded(1, at(1))
        it.on_loaded(2, loaded(), 0, at(2))
        it.on_worker_died(2, DIED, at(3))
        it.on_finished(1, at(3), served=False)
        it.on_unloaded(2, at(3))
        actions = it.on_load_failed(3, DIED, LoadFault.CRASHED, at(4))
        assert refused(actions) == {}

    def test_new_numbers_count_from_now_on(self) -> None:
        """A reload of the settings moves limits without sending anybody away."""
        it = scheduler(places=1, queue=1)
        ready(it, 1, plan("alpha"))
        it.on_request(waiter(2, plan("beta")), at(1))
        rules = Rules(max_queue=3, turn_s=0.0)
        actions = it.on_settings(Capacity(4 * GIB), rules, at(2))
        assert [type(one) for one in essentials(actions)] == [Launch]
        assert refused(it.on_request(waiter(3, plan("beta")), at(2))) == {}

    def test_a_failing_model_rests_longer_each_time(self) -> None:
        """MODEL_FAILED while it rests; a deliberate load, an unload or a change clears it."""
        it = scheduler()
        for now_s in (0, 1):
            generation = generation_of(it.on_request(waiter(now_s + 1, plan()), at(now_s)))
            it.on_load_failed(generation, REFUSED, LoadFault.REFUSED, at(now_s))
            it.on_unloaded(generation, at(now_s))
        assert refused(it.on_request(waiter(3, plan()), at(2))) == {3: Reason.MODEL_FAILED}
        deliberate = it.on_request(waiter(4, plan(), deliberate=True), at(3))
        generation = generation_of(deliberate)
        it.on_load_failed(generation, REFUSED, LoadFault.REFUSED, at(3))
        it.on_unloaded(generation, at(3))
        it.on_forget("alpha", at(4))
        generation_of(it.on_request(waiter(5, plan()), at(5)))

    @pytest.mark.parametrize(("failures", "rest"), [(1, 0), (2, 5), (3, 10), (7, 160), (9, 300)])
    def test_rests(self, failures: int, rest: float) -> None:
        """None after the first, then doubling, to five minutes at most."""
        assert rest_s(failures) == rest

    def test_a_crash_loop_ends_in_failed(self) -> None:
        """Deaths in a row make the model rest; an answer between them does not."""
        it = scheduler()
        for crash in range(CRASH_LIMIT):
            generation = ready(it, crash + 1, plan(), crash)
            it.on_worker_died(generation, DIED, at(crash))
            it.on_finished(crash + 1, at(crash), served=False)
            it.on_unloaded(generation, at(crash))
        late = CRASH_LIMIT + 1
        assert refused(it.on_request(waiter(99, plan()), at(late))) == {99: Reason.MODEL_FAILED}
        generation = ready(it, 100, plan(), late + 10)
        it.on_finished(100, at(late + 11))
        assert it.table.failures == {}

    def test_the_npu_rests_alone(self) -> None:
        """While the NPU rests, the same model goes on on the CPU, with the reason."""
        it = scheduler(ram=8 * GIB)
        npu = plan(npu=GIB)
        for now_s in (0, 1):
            generation = generation_of(it.on_request(waiter(now_s + 1, npu), at(now_s)))
            it.on_load_failed(generation, REFUSED, LoadFault.REFUSED, at(now_s))
            it.on_unloaded(generation, at(now_s))
        it.on_request(waiter(3, npu, plan()), at(2))
        resident = it.table.residents["alpha"]
        assert resident.plan.backend is BackendKind.CPU
        assert "refused the file" in resident.plan.reason

    def test_a_dead_workers_requests_keep_their_place(self) -> None:
        """Put back, they go before whoever came later."""
        it = scheduler()
        alpha = ready(it, 1, plan())
        it.on_request(waiter(2, plan()), at(1))
        it.on_worker_died(alpha, DIED, at(2))
        it.on_retry(1, at(2))
        again = generation_of(it.on_unloaded(alpha, at(3)))
        assert granted(it.on_loaded(again, loaded(), 0, at(4))) == [1]


class TestReloads:
    """What a resident serves, and what needs another load."""

    def test_a_default_context_takes_a_larger_resident(self) -> None:
        """Only an explicit context is met exactly."""
        it = scheduler()
        idle(it, 1, plan(context=8192))
        assert granted(it.on_request(waiter(2, plan(context=4096)), at(1))) == [2]
        it.on_finished(2, at(2))
        actions = it.on_request(waiter(3, plan(context=4096, exact=True)), at(3))
        assert [type(one) for one in essentials(actions)] == [Stop]

    def test_who_accepts_the_npu_gets_it_though_the_cpu_was_asked_for_before(self) -> None:
        """An explicit CPU resident does not keep others from the NPU; a fallback does serve."""
        it = scheduler(ram=8 * GIB)
        idle(it, 1, plan(choice=BackendChoice.CPU))
        both = (plan(npu=GIB), plan())
        actions = it.on_request(waiter(2, *both), at(1))
        assert [type(one) for one in essentials(actions)] == [Stop]

        other = scheduler(ram=8 * GIB)
        idle(other, 1, plan())
        assert granted(other.on_request(waiter(2, *both), at(1))) == [2]

    def test_a_changed_model_drains_and_loads_anew(self) -> None:
        """What runs may end; the next one gets the new version."""
        it = scheduler()
        alpha = ready(it, 1, plan())
        it.on_forget("alpha", at(1))
        it.on_request(waiter(2, plan(version="2")), at(2))
        assert essentials(it.on_finished(1, at(3))) == [Stop(alpha, "alpha")]
        generation_of(it.on_unloaded(alpha, at(4)))
        assert it.table.residents["alpha"].plan.version == "2"

    def test_a_model_changed_while_loading_goes_unused(self) -> None:
        """Who waited gets the new one."""
        it = scheduler()
        alpha = generation_of(it.on_request(waiter(1, plan()), at(0)))
        it.on_forget("alpha", at(1))
        actions = it.on_loaded(alpha, loaded(), 0, at(2))
        assert essentials(actions) == [Stop(alpha, "alpha")]
        generation_of(it.on_unloaded(alpha, at(3)))


class TestShutdown:
    """The end."""

    def test_waiters_are_told_loads_end_and_runs_run_out(self) -> None:
        """Nothing new begins."""
        it = scheduler(ram=4 * GIB)
        alpha = ready(it, 1, plan("alpha"))
        it.on_request(waiter(2, plan("alpha")), at(1))
        beta = generation_of(it.on_request(waiter(3, plan("beta")), at(1)))
        actions = it.on_shutdown(at(2))
        assert refused(actions) == {2: Reason.SHUTTING_DOWN, 3: Reason.SHUTTING_DOWN}
        assert Stop(beta, "beta", kill=True) in actions
        assert refused(it.on_request(waiter(4, plan()), at(3))) == {4: Reason.SHUTTING_DOWN}
        assert essentials(it.on_finished(1, at(4))) == [Stop(alpha, "alpha")]

    def test_a_retry_is_refused(self) -> None:
        """A worker that dies while stopping is not replaced."""
        it = scheduler()
        alpha = ready(it, 1, plan())
        it.on_shutdown(at(1))
        it.on_worker_died(alpha, DIED, at(2))
        assert refused(it.on_retry(1, at(2))) == {1: Reason.SHUTTING_DOWN}
