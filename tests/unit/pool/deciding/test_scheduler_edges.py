"""The scheduler's books, field by field: what the rules of test_scheduler.py do not show."""

from __future__ import annotations

import math
from dataclasses import replace

from rkd.pool.deciding.budget import GIB, Capacity, Held, Need
from rkd.pool.deciding.state import (
    Announce,
    FailedWay,
    Launch,
    LoadFault,
    Moment,
    Phase,
    Priority,
    Stop,
)
from rkd.pool.deciding.table import SETTLED, Rules
from tests.unit.pool.deciding.test_scheduler import (
    DIED,
    REFUSED,
    essentials,
    generation_of,
    granted,
    idle,
    ready,
    refused,
    scheduler,
)
from tests.unit.pool.fakes import at, loaded, plan, waiter


class TestRequests:
    """Arrival, cancelling, finishing, trying again."""

    def test_arrival_is_noted(self) -> None:
        """A deadline that passes is told with how long the request waited."""
        it = scheduler()
        ready(it, 1, plan())
        late = waiter(2, plan(), deadline_s=9.0)
        it.on_request(late, at(5.5))
        assert late.arrived_s == 5.5
        (refusal,) = it.on_expired(at(9))
        assert "waited 3.5 s" in str(refusal)

    def test_nothing_wakes_a_scheduler_that_has_seen_nothing(self) -> None:
        """No timer is set before the first event."""
        assert scheduler().wake_at() == math.inf

    def test_who_cancels_gives_its_claim_back(self) -> None:
        """What it kept room from begins at once; an unknown ticket changes nothing."""
        it = scheduler(ram=3 * GIB)
        ready(it, 1, plan("alpha", ram=2 * GIB))
        it.on_request(waiter(2, plan("large", ram=3 * GIB)), at(1))
        it.on_request(waiter(3, plan("small", ram=GIB)), at(2))
        assert it.on_cancel(99, at(3)) == ()
        assert [type(one) for one in essentials(it.on_cancel(2, at(3)))] == [Launch]
        assert it.table.evicting == {}

    def test_who_had_to_leave_is_told_until_the_load_begins(self) -> None:
        """Not while it goes on: they are gone."""
        it = scheduler(places=1)
        alpha = ready(it, 1, plan("alpha"))
        it.on_request(waiter(2, plan("beta")), at(1))
        before = dict(it.table.evicting)
        it.on_finished(1, at(2))
        generation_of(it.on_unloaded(alpha, at(3)))

        assert before == {"beta": ("alpha",)}
        assert it.table.evicting == {}

    def test_the_keep_alive_waits_for_the_last_holder(self) -> None:
        """One of two leases that ends starts nothing."""
        it = scheduler()
        ready(it, 1, plan(slots=2), slots=2)
        it.on_request(waiter(2, plan(slots=2)), at(1))
        it.on_finished(1, at(5))
        assert it.table.residents["alpha"].expires_s is None
        it.on_finished(2, at(6))
        assert it.table.residents["alpha"].expires_s == 306
        assert it.table.residents["alpha"].idle_since_s == 6

    def test_only_runs_that_were_served_tell_how_long_runs_take(self) -> None:
        """Neither tokenizing nor a run that failed counts."""
        it = scheduler()
        ready(it, 1, plan())
        it.on_finished(1, at(50), served=False)
        it.on_request(waiter(2, plan(), takes_slot=False), at(50))
        it.on_finished(2, at(51))
        assert it.table.pace.run_s("alpha") is None
        it.on_request(waiter(3, plan()), at(60))
        it.on_finished(3, at(63))
        assert it.table.pace.run_s("alpha") == 3

    def test_a_retry_gives_its_slot_back_and_is_counted(self) -> None:
        """Also when it comes before anybody has told of the death."""
        it = scheduler()
        asked = waiter(1, plan())
        alpha = generation_of(it.on_request(asked, at(0)))
        it.on_loaded(alpha, loaded(), 0, at(1))
        assert it.on_retry(99, at(2)) == ()
        assert granted(it.on_retry(1, at(2))) == [1]
        assert asked.retries == 1
        assert it.table.residents["alpha"].holders == {1: True}

    def test_a_full_queue_is_no_matter_to_who_needs_no_slot(self) -> None:
        """Tokenizing passes although slot and queue are full."""
        it = scheduler(places=1, queue=1, turn_s=3)
        ready(it, 1, plan("alpha"))
        it.on_request(waiter(2, plan("beta")), at(1))
        assert granted(it.on_request(waiter(3, plan(), takes_slot=False), at(1))) == [3]

    def test_who_gave_up_keeps_a_model_for_nobody(self) -> None:
        """A request refused earlier in the same walk is none that comes later."""
        it = scheduler(places=1, turn_s=30)
        alpha = generation_of(it.on_request(waiter(1, plan(), deadline_s=5), at(0)))
        it.on_request(waiter(2, plan("beta")), at(1))
        actions = it.on_loaded(alpha, loaded(), 0, at(6))
        assert list(refused(actions)) == [1]
        assert Stop(alpha, "alpha") in actions

    def test_two_who_wait_for_one_model_make_room_for_it_once(self) -> None:
        """The second waits for the load of the first; nobody else leaves for it."""
        it = scheduler(ram=10 * GIB, turn_s=3)
        ready(it, 1, plan("alpha", ram=6 * GIB))
        ready(it, 2, plan("delta", ram=3 * GIB))
        it.on_finished(2, at(1))
        it.on_request(waiter(3, plan("beta", ram=5 * GIB)), at(20))
        assert it.table.residents["alpha"].phase is Phase.DRAINING
        assert essentials(it.on_request(waiter(4, plan("beta", ram=5 * GIB)), at(20))) == []
        assert it.table.residents["delta"].phase is Phase.READY


class TestLoads:
    """What a load that ended leaves behind."""

    def test_a_load_is_timed_and_announced(self) -> None:
        """When it became ready, how long it took; the pace knows, and who watches."""
        it = scheduler()
        alpha = generation_of(it.on_request(waiter(1, plan()), at(2)))
        actions = it.on_loaded(alpha, loaded(), GIB, at(5.5))
        resident = it.table.residents["alpha"]
        assert (resident.ready_s, resident.load_s, resident.measured) == (5.5, 3.5, False)
        assert it.table.pace.load_s("alpha") == 3.5
        detail = {"backend": "cpu", "runtime": "fake 1.0", "load_ms": "3500", "reason": ""}
        assert actions[0] == Announce("ready", "alpha", tuple(detail.items()))

    def test_a_load_clears_what_loads_did_and_keeps_the_deaths_of_workers(self) -> None:
        """Only an answer clears those."""
        it = scheduler()
        place = ("alpha", plan().backend)
        it.table.failures[place] = FailedWay(DIED, loads=2, crashes=1, retry_s=0.0, deadly=True)
        alpha = generation_of(it.on_request(waiter(1, plan()), at(0)))
        it.on_loaded(alpha, loaded(), 0, at(1))
        assert it.table.failures == {place: FailedWay(DIED, loads=0, crashes=1)}

    def test_a_load_forgives_who_waits_for_this_model_alone(self) -> None:
        """What another model did stays with who waits for that."""
        it = scheduler(places=1, turn_s=30)
        alpha = generation_of(it.on_request(waiter(1, plan()), at(0)))
        same, other = (waiter(2, plan()), waiter(3, plan("beta")))
        for one in (same, other):
            it.on_request(one, at(0))
            one.pressed, one.crashes = True, 1
        it.on_loaded(alpha, loaded(), 0, at(1))
        assert (same.pressed, same.crashes) == (False, 0)
        assert (other.pressed, other.crashes) == (True, 1)

    def test_a_load_that_failed_is_told_and_leaves(self) -> None:
        """Its worker ends, whoever waited is told, and so is who watches."""
        it = scheduler()
        alpha = generation_of(it.on_request(waiter(1, plan()), at(0)))
        actions = it.on_load_failed(alpha, REFUSED, LoadFault.REFUSED, at(1))
        assert it.table.residents["alpha"].phase is Phase.UNLOADING
        detail = (("reason", "LOAD_FAILED"), ("message", "the engine refused the file"))
        assert Announce("failed", "alpha", detail) in actions

    def test_a_crash_while_loading_is_counted(self) -> None:
        """Once, with the request."""
        it = scheduler()
        asked = waiter(1, plan())
        alpha = generation_of(it.on_request(asked, at(0)))
        it.on_load_failed(alpha, DIED, LoadFault.CRASHED, at(1))
        assert asked.crashes == 1

    def test_a_dead_worker_holds_nobody(self) -> None:
        """It is killed for good, and its tickets are their own again."""
        it = scheduler()
        alpha = ready(it, 1, plan())
        actions = it.on_worker_died(alpha, DIED, at(1))
        assert essentials(actions) == [Stop(alpha, "alpha", kill=True)]
        assert it.table.residents["alpha"].holders == {}

    def test_measurements(self) -> None:
        """Of nobody: nothing; as thought: nothing; more: the idle go, but never the only one."""
        it = scheduler()
        alpha = idle(it, 1, plan("alpha"))
        assert it.on_measured(99, GIB, at(1)) == ()
        assert it.on_measured(alpha, GIB, at(1)) == ()
        assert it.on_measured(alpha, 3 * GIB, at(1)) == ()
        assert it.table.residents["alpha"].need.ram_bytes == 3 * GIB

    def test_what_a_worker_grows_by_is_its_prompt_cache(self) -> None:
        """Since its first answer, within what it may keep; the rest is its own."""
        it = scheduler()
        what = plan()
        kept = replace(what, spec=replace(what.spec, prompt_cache_bytes=100))
        alpha = idle(it, 1, kept)
        resident = it.table.residents["alpha"]
        used = []
        for taken in (1000, 1060, 1400, 990):
            it.on_measured(alpha, taken, at(1))
            used.append((resident.prompt_cache_used_bytes, resident.bare_bytes))

        assert used == [(0, 1000), (60, 1000), (100, 1300), (0, 1300)]

    def test_no_more_leave_than_it_takes(self) -> None:
        """The longest idle alone, when that is enough."""
        it = scheduler(ram=3 * GIB)
        first = idle(it, 1, plan("alpha"), 0)
        idle(it, 2, plan("beta"), 1)
        last = idle(it, 3, plan("gamma"), 2)
        assert it.on_measured(last, GIB + 1, at(3)) == (Stop(first, "alpha"),)


class TestWishes:
    """Unload, pin, forget, clear, settings, shutdown."""

    @staticmethod
    def resting(key: str = "alpha") -> dict[tuple[str, object], FailedWay]:
        """A model that rests for long."""
        return {(key, plan().backend): FailedWay(REFUSED, loads=9, retry_s=1000.0)}

    def test_what_rests_may_be_tried_after_an_unload_or_a_clear(self) -> None:
        """Whoever asks for it clears the rest, of that model alone."""
        for clear in ("on_unload", "on_clear"):
            it = scheduler()
            it.table.failures.update(self.resting())  # type: ignore[arg-type]
            it.table.failures.update(self.resting("beta"))  # type: ignore[arg-type]
            assert getattr(it, clear)("alpha", at(0)) == ()
            assert [key for key, _ in it.table.failures] == ["beta"]

    def test_an_unload_twice_stops_once(self) -> None:
        """What leaves already is not stopped again."""
        it = scheduler()
        alpha = idle(it, 1, plan())
        assert it.on_unload("alpha", at(1)) == (Stop(alpha, "alpha"),)
        assert it.on_unload("alpha", at(2), kill=True) == ()

    def test_a_claim_that_was_taken_away_is_not_brought_back(self) -> None:
        """One that stands becomes the settled one."""
        it = scheduler()
        it.on_pinned("alpha", 7)
        assert it.table.claims == {}
        it.on_pin("alpha", at(0), pinned=True, claim=7)
        it.on_pinned("alpha", 7)
        assert it.table.claims == {"alpha": {SETTLED}}

    def test_forgetting(self) -> None:
        """Its times are unknown again; a busy one drains, one on its way in is marked."""
        it = scheduler()
        assert it.on_forget("alpha", at(0)) == ()
        alpha = generation_of(it.on_request(waiter(1, plan()), at(0)))
        assert it.on_forget("alpha", at(1)) == ()
        assert it.table.residents["alpha"].outdated
        it.on_loaded(alpha, loaded(), 0, at(5))
        again = generation_of(it.on_unloaded(alpha, at(6)))
        it.on_loaded(again, loaded(), 0, at(9))
        it.on_forget("alpha", at(10))
        assert it.table.residents["alpha"].phase is Phase.DRAINING
        it.table.pace.loaded("beta", 100.0)
        assert it.table.pace.load_s("alpha") == it.table.pace.load_s("unseen")

    def test_settings_hold_from_now_on(self) -> None:
        """The keep-alive of the next load is the new one."""
        it = scheduler(keep_alive_s=10)
        it.on_settings(Capacity(4 * GIB), Rules(keep_alive_s=7.0), at(0))
        idle(it, 1, plan())
        assert it.wake_at() == 7

    def test_what_is_in_memory_and_would_do(self) -> None:
        """The plan of a resident that serves; none of one that leaves, is old or does not fit."""
        it = scheduler()
        assert it.would_serve(waiter(2, plan())) is None
        idle(it, 1, plan())
        resident = it.table.residents["alpha"]
        assert it.would_serve(waiter(2, plan())) is resident.plan
        assert it.would_serve(waiter(2, plan(context=8192))) is None
        resident.outdated = True
        assert it.would_serve(waiter(2, plan())) is None
        resident.outdated = False
        it.on_unload("alpha", at(1))
        assert it.would_serve(waiter(2, plan())) is None

    def test_a_job_takes_memory_that_is_still_to_come_and_no_place(self) -> None:
        """Until it has ended."""
        it = scheduler(places=1)
        it.on_job(4, Need(GIB), at(0))
        assert it.table.jobs == {4: Held(Need(GIB), arriving=True, place=False)}
        it.on_job(4, None, at(1))
        assert it.table.jobs == {}

    def test_shutting_down_ends_pins(self) -> None:
        """Nothing is kept for anybody."""
        it = scheduler()
        it.on_pin("alpha", at(0), pinned=True)
        it.on_shutdown(at(1))
        assert it.table.claims == {}


class TestWalk:
    """Who counts as earlier, and when to look again."""

    def test_every_waiters_deadline_sets_the_timer(self) -> None:
        """Also of one that waits for another's load, or for a load under way."""
        it = scheduler(places=1)
        it.on_job(1, Need(2 * GIB), at(0))
        it.on_request(waiter(1, plan()), at(0))
        it.on_request(waiter(2, plan(), deadline_s=9.0), at(0))
        assert it.wake_at() == 9
        it.on_job(1, None, at(1))
        assert it.table.residents["alpha"].phase is Phase.LOADING
        assert it.wake_at() == 9

    def test_one_that_needs_a_reload_keeps_its_deadline(self) -> None:
        """It goes on waiting while the resident drains."""
        it = scheduler()
        ready(it, 1, plan())
        it.on_request(waiter(2, plan(context=8192, exact=True), deadline_s=9.0), at(1))
        assert it.wake_at() == 9

    def test_a_reload_waits_for_who_came_first(self) -> None:
        """While somebody earlier waits for the resident as it is, it does not drain."""
        it = scheduler()
        ready(it, 1, plan())
        it.on_request(waiter(2, plan()), at(1))
        it.on_request(waiter(3, plan(context=8192, exact=True)), at(2))
        assert it.table.residents["alpha"].phase is Phase.READY

    def test_who_was_granted_waits_no_more(self) -> None:
        """Its model may be told to leave for the next one in the same walk."""
        it = scheduler(places=1)
        alpha = generation_of(it.on_request(waiter(1, plan("alpha")), at(0)))
        it.on_request(waiter(2, plan("beta")), at(0))
        assert granted(it.on_loaded(alpha, loaded(), 0, at(0))) == [1]
        assert it.table.residents["alpha"].phase is Phase.DRAINING

    def test_who_was_refused_is_in_nobodys_way(self) -> None:
        """The next request for the same model begins its load in the same walk."""
        it = scheduler(places=1)
        alpha = ready(it, 1, plan("alpha"))
        it.on_request(waiter(2, plan("beta"), deadline_s=5.0), at(1))
        it.on_request(waiter(3, plan("beta")), at(1))
        it.on_finished(1, at(2))
        actions = it.on_unloaded(alpha, at(5))
        assert list(refused(actions)) == [2]
        assert generation_of(actions)

    def test_a_claim_is_memory_still_to_come(self) -> None:
        """What the machine has free is not given away, while room is waited for or being made."""
        it = scheduler(ram=64 * GIB, turn_s=3)
        ready(it, 1, plan("alpha", ram=4 * GIB))
        it.on_request(waiter(2, plan("large", ram=8 * GIB)), Moment(1, 5 * GIB))
        small = waiter(3, plan("small"))
        assert essentials(it.on_request(small, Moment(2, 5 * GIB))) == []
        assert essentials(it.on_expired(Moment(3, 5 * GIB))) == []
        assert it.table.residents["alpha"].phase is Phase.DRAINING

    def test_ageing_sets_the_timer(self) -> None:
        """For who can climb a class, each time it does."""
        it = scheduler(ageing_s=30)
        ready(it, 1, plan())
        it.on_request(waiter(2, plan(), priority=Priority.INTERACTIVE), at(5))
        assert it.wake_at() == math.inf
        it.on_request(waiter(3, plan(), priority=Priority.BACKGROUND), at(10))
        assert it.wake_at() == 40
        it.on_expired(at(45))
        assert it.wake_at() == 70

    def test_without_ageing_nobody_climbs(self) -> None:
        """No timer, and no division by nothing; less than a second is a time too."""
        for ageing_s, wakes in ((0.0, math.inf), (0.5, 10.5)):
            it = scheduler(ageing_s=ageing_s)
            ready(it, 1, plan())
            it.on_request(waiter(3, plan(), priority=Priority.BACKGROUND), at(10))
            assert it.wake_at() == wakes

    def test_what_is_over_sets_no_timer(self) -> None:
        """After the keep-alive has ended nothing is left to look at."""
        it = scheduler(keep_alive_s=10)
        idle(it, 1, plan())
        it.on_expired(at(10))
        assert it.wake_at() == math.inf
