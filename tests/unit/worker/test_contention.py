"""Whether others are in the way, and where the threads go, by tables of readings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

import pytest

from rkd.worker.contention import (
    CALM_S,
    MOST_CALM_S,
    NS,
    Glance,
    Stand,
    Times,
    judged,
    rested,
)

STEP_S = 0.2
TWO, FOUR = (0, 1), (4, 5, 6, 7)


@dataclass(frozen=True)
class Step:
    """What happened in one: of each thread its shares of the step, of each core others' share."""

    threads: tuple[tuple[float, float], ...] = ()
    others: Mapping[int, float] | None = None
    seconds: float = STEP_S


class Board:
    """A team that computes on *cores*, step by step."""

    def __init__(self, cores: tuple[int, ...] = TWO, *, told: bool = True, lot: int = 0) -> None:
        self.stand = Stand(cores if told else (), len(cores), lot=lot)
        self._cores = cores if told else ()
        self._now = Glance(NS, {}, dict.fromkeys(self._cores, 0))

    def _after(self, step: Step) -> Glance:
        step_ns = round(step.seconds * NS)
        threads = dict(self._now.threads)
        for thread, (ran, waited) in enumerate(step.threads, 1):
            was = threads.get(thread, Times())
            threads[thread] = Times(
                was.ran_ns + round(ran * step_ns), was.waited_ns + round(waited * step_ns)
            )
        ours = sum(ran for ran, _waited in step.threads)
        places = self.stand.home or self._cores
        busy = {}
        for core, was_ns in self._now.busy_ns.items():
            share = (step.others or {}).get(core, 0.0)
            share += ours / len(places) if core in places else 0.0
            busy[core] = was_ns + round(min(share, 1.0) * step_ns)
        return Glance(self._now.at_ns + step_ns, threads, busy)

    def step(self, step: Step) -> Stand:
        """Judge one more."""
        before, self._now = self._now, self._after(step)
        self.stand = judged(self.stand, before, self._now)
        return self.stand

    def rest(self, seconds: float, others: Mapping[int, float] | None = None) -> Stand:
        """No answer for a while."""
        before, self._now = self._now, self._after(Step((), others, seconds))
        self.stand = rested(self.stand, before, self._now)
        return self.stand


FREE = Step(((0.9, 0.02), (0.9, 0.1)))
PRESSED = Step(((0.9, 0.0), (0.5, 0.5)))
HOME_ALONE = Step(((0.5, 0.4), (0.5, 0.4)))
"""Two that sleep and share one core, which nobody else is on."""


@pytest.mark.parametrize(
    ("what", "step", "contended"),
    [
        ("cores of one's own", FREE, False),
        ("one thread that waits is enough: all others wait for it", PRESSED, True),
        ("all wait", Step(((0.5, 0.5), (0.5, 0.5))), True),
        ("the daemon's work for each token", Step(((0.9, 0.1), (0.9, 0.1))), False),
        ("new threads on one core still", Step(((0.4, 0.6), (0.4, 0.6)), None, 0.05), False),
        ("a loop in a short step", Step(((0.5, 0.5), (1.0, 0.0)), None, 0.1), True),
        ("who hardly ran says nothing", Step(((0.9, 0.0), (0.01, 0.5))), False),
        ("nobody computes", Step(((0.0, 0.0),)), False),
        ("no time has passed", replace(PRESSED, seconds=0.0), False),
    ],
)
def test_spinning_threads_are_contended_when_one_waits(
    what: str, step: Step, *, contended: bool
) -> None:
    """By the kernel's count of how long each waited for a core."""
    assert Board().step(step).contended is contended, what


@pytest.mark.parametrize(
    ("what", "cores", "step", "home"),
    [
        ("two of two: one core", TWO, PRESSED, (0,)),
        ("four of four: the first two", FOUR, Step(((0.5, 0.5),) * 4), (4, 5)),
        ("two of four: one", FOUR, PRESSED, (4,)),
        ("one thread waits for nobody of its own", TWO, Step(((0.5, 0.5),)), ()),
        ("threads that want less than a core have room", TWO, Step(((0.1, 0.3), (0.1, 0.0))), ()),
        ("one core is home already", (3,), PRESSED, ()),
    ],
)
def test_a_contended_team_gets_half_of_its_cores(
    what: str, cores: tuple[int, ...], step: Step, home: tuple[int, ...]
) -> None:
    """The fastest; the scheduler moves to the others whoever can be moved."""
    stand = Board(cores).step(step)

    assert (stand.contended, stand.home) == (True, home), what


def test_where_nobody_tells_of_cores_they_sleep_and_stay_where_they_are() -> None:
    """At home nothing would tell that others have gone."""
    board = Board(told=False)

    assert board.step(PRESSED).home == ()
    assert board.stand.contended
    assert board.step(PRESSED).contended


def steps_until_free(board: Board, step: Step) -> int:
    """How many of these it takes."""
    count = 1
    while board.step(step).contended:
        count += 1
    return count


def test_an_odd_lot_begins_at_the_other_half() -> None:
    """Of two workers that answer at the same time."""
    assert Board(lot=1).step(PRESSED).home == (1,)
    assert Board(FOUR, lot=1).step(Step(((0.5, 0.5),) * 4)).home == (6, 7)


@pytest.mark.parametrize("lot", [0, 1])
@pytest.mark.parametrize(("team", "home"), [(8, (4, 5, 6, 7)), (4, (4, 5)), (6, (4, 5, 6))])
def test_home_is_among_the_fast_cores(team: int, home: tuple[int, ...], lot: int) -> None:
    """Four of eight are; a team of four has another half of them to begin with, one of six none."""
    board = Board((4, 5, 6, 7, 0, 1, 2, 3), lot=lot)
    board.stand = replace(board.stand, fast=4)
    other = {2: (6, 7)}.get(len(home), home) if lot else home

    assert board.step(Step(((0.5, 0.5),) * team)).home == other


def test_who_works_on_a_little_core_is_in_nobodys_way() -> None:
    """A team of no more threads than there are fast cores does not look at the others."""
    board = Board((4, 5, 6, 7, 0, 1, 2, 3))
    board.stand = replace(board.stand, fast=4)
    team = ((0.5, 0.5),) * 4
    board.step(Step(team))

    assert steps_until_free(board, Step(team, {0: 1.0, 3: 1.0})) == round(CALM_S / STEP_S)


@pytest.mark.parametrize("told", [True, False])
def test_it_is_over_after_some_calm(*, told: bool) -> None:
    """One calm step may be chance; threads that share a core of theirs wait for each other."""
    board = Board(told=told)
    board.step(PRESSED)

    assert steps_until_free(board, HOME_ALONE if told else FREE) == round(CALM_S / STEP_S)
    assert board.stand.home == ()


@pytest.mark.parametrize(
    ("what", "others"),
    [
        ("a loop on the other core", {1: 1.0}),
        ("two loops on the other core, a daemon at home", {0: 0.2, 1: 1.0}),
        ("bursts", {1: 0.5}),
    ],
)
def test_it_lasts_while_others_are_on_any_core(what: str, others: dict[int, float]) -> None:
    """Also on those the team has left to them."""
    board = Board()
    board.step(PRESSED)
    ran = (1.0 - others.get(0, 0.0)) / 2

    for _ in range(100):
        assert board.step(Step(((ran, 0.5), (ran, 0.5)), others)).contended, what


def test_little_beside_it_is_nobody() -> None:
    """The daemon's work for its tokens, a console: a tenth of the other core."""
    board = Board()
    board.step(PRESSED)

    assert steps_until_free(board, replace(HOME_ALONE, others={1: 0.1})) < 5


def test_who_was_wrong_waits_longer() -> None:
    """Others that come and go are not believed to be gone again and again."""
    board, needed = Board(), []
    for _ in range(8):
        board.step(PRESSED)
        needed.append(steps_until_free(board, HOME_ALONE))

    first = round(CALM_S / STEP_S)
    assert needed[:3] == [first, 2 * first, 4 * first]
    assert max(needed) <= round(MOST_CALM_S / STEP_S) + 1


def test_a_long_calm_is_forgiven() -> None:
    """What was wrong an hour ago says nothing of now."""
    board = Board()
    for _ in range(4):
        board.step(PRESSED)
        steps_until_free(board, HOME_ALONE)
    for _ in range(round(MOST_CALM_S / STEP_S)):
        board.step(FREE)
    board.step(PRESSED)

    assert steps_until_free(board, HOME_ALONE) == round(CALM_S / STEP_S)


@pytest.mark.parametrize("beside", [0.0, 1.0])
def test_a_team_moves_when_others_are_at_its_home(beside: float) -> None:
    """Also to where others are: how nice they are is known only there."""
    board = Board()
    board.step(PRESSED)
    shared = Step(((0.25, 0.5), (0.25, 0.5)), {0: 0.5, 1: beside})
    steps, patience_s = 1, board.stand.patience_s
    while board.step(shared).home == (0,):
        steps += 1

    assert board.stand.home == (1,)
    assert steps == round(patience_s / STEP_S)
    assert board.stand.contended


def test_the_freest_cores_are_tried_first() -> None:
    """Of four, two of which are the team's."""
    board = Board((0, 1, 2, 3, 4))
    team = ((0.5, 0.5),) * 4
    board.step(Step(team))
    others = {0: 0.5, 1: 0.5, 2: 0.9, 3: 0.3, 4: 0.4}
    while board.step(Step(((0.25, 0.5),) * 4, others)).home == (0, 1):
        pass

    assert board.stand.home == (3, 4)


def test_nobody_wanders_for_ever() -> None:
    """Where others are everywhere each move is the last for twice as long."""
    board = Board()
    board.step(PRESSED)
    homes = []
    for _ in range(round(60 / STEP_S)):
        at_home = board.stand.home[0]
        homes.append(at_home)
        board.step(Step(((0.25, 0.5), (0.25, 0.5)), {at_home: 0.5, 1 - at_home: 1.0}))

    moves = sum(one != other for one, other in pairwise(homes))
    assert 2 <= moves <= 8


def test_who_has_its_home_for_itself_stays() -> None:
    """And is as quick to leave the next time as it was the first."""
    board = Board()
    board.step(PRESSED)
    board.stand = replace(board.stand, moves=3)
    for _ in range(100):
        stand = board.step(Step(((0.5, 0.4), (0.5, 0.4)), {1: 1.0}))

    assert (stand.home, stand.moves, stand.contended) == ((0,), 0, True)


@pytest.mark.parametrize("lots", [(0, 1), (0, 2), (1, 3), (0, 0), (4, 8), (7, 7 + 2**20)])
def test_two_teams_end_at_two_homes(lots: tuple[int, int]) -> None:
    """Wherever they begin; the same lot is that of one process, which is one team."""
    boards = [Board(lot=lot) for lot in lots]
    for board in boards:
        board.step(PRESSED)
    for _ in range(300):
        homes = [board.stand.home for board in boards]
        same = homes[0] == homes[1]
        for board, beside in zip(boards, reversed(homes), strict=True):
            ran = 0.25 if same else 0.5
            board.step(Step(((ran, 0.5), (ran, 0.5)), {beside[0]: 0.5 if same else 1.0}))

    assert (boards[0].stand.home == boards[1].stand.home) is (lots[0] == lots[1])
    assert all(board.stand.contended for board in boards)


@pytest.mark.parametrize(
    ("what", "seconds", "others", "contended"),
    [
        ("an hour of free cores", 3600.0, {}, False),
        ("an hour of a loop", 3600.0, {1: 1.0}, True),
        ("a moment of free cores", 0.1, {}, True),
    ],
)
def test_free_cores_between_answers_are_calm(
    what: str, seconds: float, others: dict[int, float], *, contended: bool
) -> None:
    """The first answer after an hour is not computed as the last one before it."""
    board = Board()
    board.step(PRESSED)

    assert board.rest(seconds, others).contended is contended, what


def test_a_rest_makes_nobody_contended() -> None:
    """What others do while nothing is computed is in nobody's way."""
    assert not Board().rest(3600.0, {0: 1.0, 1: 1.0}).contended


def test_without_work_nothing_changes() -> None:
    """The NPU computes, and its threads sleep."""
    board = Board()
    there = board.step(PRESSED)

    for _ in range(100):
        assert board.step(Step(((0.0, 0.0),))) == there
