"""
Whether others want the cores an engine computes on, and what its threads should do about it. Pure.

While they spin on all cores it is told by how long threads wait for a core: the load of the
machine would not do, since who works on a little core is in nobody's way. While they sleep at home
(fewer cores, all of them theirs as far as the others can be moved) they wait for each other, and it
is told by what else runs on each of the cores.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

NS = 1_000_000_000
LEAST_SHARE = 0.05
"""Of a step, that a thread must have run to be one that computes: who writes an answer's bytes and
waits for a core of the two that compute says nothing of others."""
CONTENDED = 0.25
"""Of what a thread wanted, that it had to wait for; of a core, that others take: then somebody is
in the way. One other program on the same core makes it a half; the daemon's own work for each token
a tenth."""
LEAST_WAITED_NS = NS // 25
"""Less is nobody: a hiccup, or new threads that the scheduler has not spread yet."""
CALM_S = 0.6
"""Without anybody in the way, after which it is over."""
MOST_CALM_S = 9.6
PATIENCE_S = 0.4
MOST_DOUBLINGS = 5


@dataclass(frozen=True, slots=True)
class Times:
    """
    Of one thread, since it began.

    Args:
        ran_ns: on a core.
        waited_ns: in the queue for one.
    """

    ran_ns: int = 0
    waited_ns: int = 0


@dataclass(frozen=True, slots=True)
class Glance:
    """
    What the kernel told at one moment.

    Args:
        at_ns: when.
        threads: of the process that computes; empty where the kernel does not tell.
        busy_ns: what anybody took of each core the process may use; empty where nobody tells.
    """

    at_ns: int
    threads: Mapping[int, Times] = field(default_factory=dict)
    busy_ns: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stand:
    """
    Where it stands, and what is to be done.

    Args:
        cores: all that may be used, the fastest first; empty where nobody tells what they do.
        fast: how many of them are fast; a team of more uses others too.
        contended: threads sleep when they wait for each other; else they spin.
        home: where the threads that compute are kept; empty: anywhere.
        team: the threads that compute.
        calm_s: for how long nobody was in the way.
        wanted_calm_s: for how long it has to be.
        settled_s: how long they have been at home.
        moves: how often they changed it in a row, and others were there too.
        lot: of this process, drawn anew with each move: two teams that meet are not to go to the
            same home again and again.
    """

    cores: tuple[int, ...] = ()
    fast: int = 0
    contended: bool = False
    home: tuple[int, ...] = ()
    team: frozenset[int] = frozenset()
    calm_s: float = MOST_CALM_S
    wanted_calm_s: float = CALM_S
    settled_s: float = 0.0
    moves: int = 0
    lot: int = 0

    @property
    def ground(self) -> tuple[int, ...]:
        """The cores that matter to the team."""
        return self.cores[: max(self.fast, len(self.team))]

    @property
    def patience_s(self) -> float:
        """How long it stays at home before it moves."""
        return PATIENCE_S * (1 + self.lot % 4) * (1 << min(self.moves, MOST_DOUBLINGS))


def rested(stand: Stand, before: Glance, now: Glance) -> Stand:
    """After a while without an answer: free cores meanwhile are calm, busy ones say nothing."""
    gap_ns = now.at_ns - before.at_ns
    if not stand.contended or gap_ns <= 0 or not now.busy_ns:
        return stand
    return (
        stand
        if max(_taken(stand, before, now).values()) > CONTENDED
        else _calmer(stand, gap_ns / NS)
    )


def judged(stand: Stand, before: Glance, now: Glance) -> Stand:
    """
    Where it stands after a step of an answer.

    One step is enough to be contended, some calm ones in a row end it; twice as many each time that
    was wrong. Who does not compute learns nothing.
    """
    step_ns = now.at_ns - before.at_ns
    spent = {thread: _since(before.threads.get(thread), one) for thread, one in now.threads.items()}
    team = {thread: it for thread, it in spent.items() if it.ran_ns >= step_ns * LEAST_SHARE}
    if step_ns <= 0 or not team:
        return stand
    stand = replace(stand, team=frozenset(team), settled_s=stand.settled_s + step_ns / NS)
    if stand.contended and stand.home and now.busy_ns:
        ours_ns = sum(one.ran_ns for one in team.values())
        others = _others(stand, _taken(stand, before, now), ours_ns / step_ns)
        if max(others.values()) > CONTENDED:
            return _moved(replace(stand, calm_s=0.0), others)
        return _calmer(stand, step_ns / NS)
    if not any(_waits(one) for one in team.values()):
        return _calmer(stand, step_ns / NS)
    wanted_ns = sum(one.ran_ns + one.waited_ns for one in team.values())
    return _crowded(stand, homely=wanted_ns >= step_ns)


def _since(before: Times | None, now: Times) -> Times:
    was = before or Times()
    return Times(now.ran_ns - was.ran_ns, now.waited_ns - was.waited_ns)


def _waits(spent: Times) -> bool:
    wanted_ns = spent.ran_ns + spent.waited_ns
    return spent.waited_ns > max(CONTENDED * wanted_ns, LEAST_WAITED_NS)


def _taken(stand: Stand, before: Glance, now: Glance) -> dict[int, float]:
    """The share of each core of the ground that was not idle."""
    gap_ns = now.at_ns - before.at_ns
    taken = {}
    for core in stand.ground:
        now_ns = now.busy_ns.get(core, 0)
        taken[core] = (now_ns - before.busy_ns.get(core, now_ns)) / gap_ns
    return taken


def _others(stand: Stand, taken: Mapping[int, float], ours: float) -> dict[int, float]:
    """What others take of each core; of those at home each as much as the mean."""
    home = [taken[core] for core in stand.home]
    beside = max(sum(home) - ours, 0.0) / len(home)
    return {core: beside if core in stand.home else share for core, share in taken.items()}


def _calmer(stand: Stand, seconds: float) -> Stand:
    calm_s = stand.calm_s + seconds
    wanted_s = CALM_S if calm_s >= MOST_CALM_S else stand.wanted_calm_s
    if stand.contended and calm_s >= wanted_s:
        return replace(stand, contended=False, home=(), calm_s=calm_s, wanted_calm_s=wanted_s)
    return replace(stand, calm_s=calm_s, wanted_calm_s=wanted_s)


def _crowded(stand: Stand, *, homely: bool) -> Stand:
    wanted_s = stand.wanted_calm_s
    if not stand.contended and stand.calm_s < MOST_CALM_S:
        wanted_s = min(wanted_s * 2, MOST_CALM_S)
    rooms = min(len(stand.team), len(stand.cores)) // 2 if homely else 0
    first = rooms if stand.lot % 2 and 2 * rooms <= stand.fast else 0
    return replace(
        stand,
        contended=True,
        home=stand.home or stand.cores[first : first + rooms],
        calm_s=0.0,
        wanted_calm_s=wanted_s,
        settled_s=0.0,
    )


def _moved(stand: Stand, others: Mapping[int, float]) -> Stand:
    """
    To the freest cores there are, if others were at home for long enough.

    Whoever is there may give way or not: that is known only once we are there. So it is tried, more
    and more seldom.
    """
    if others[stand.home[0]] <= CONTENDED:
        return replace(stand, moves=0)
    if stand.settled_s < stand.patience_s:
        return stand
    elsewhere = sorted((one for one in others if one not in stand.home), key=others.__getitem__)
    home = (*elsewhere, *stand.home)[: len(stand.home)]
    return replace(stand, home=home, settled_s=0.0, moves=stand.moves + 1, lot=_drawn(stand.lot))


def _drawn(lot: int) -> int:
    """The next one. **Source:** the multiplier and modulus of Lehmer's generator of 1988."""
    return (lot + 1) * 48271 % 2_147_483_647
