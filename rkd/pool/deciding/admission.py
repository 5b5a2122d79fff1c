"""
May this load begin, and if not, who has to leave for it: pure.

The scheduler asks for every waiter whose model is not resident, in order; `Pool.plan` asks the
same without doing it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from rkd.errors import RkdError
from rkd.model import BackendKind
from rkd.pool.deciding import eviction, refusals
from rkd.pool.deciding.budget import Capacity, Held, Shortfall, find_domain, never_fits, shortfall
from rkd.pool.deciding.state import FailedWay, LoadPlan, Moment, Phase, Residence, Waiter

LONGEST_TURN_S = 15.0
"""However long its load took, a model in demand must let others in after this."""


@dataclass(frozen=True, slots=True)
class Situation:
    """
    Everything a decision rests on.

    Args:
        residents: everyone in memory or on the way in or out.
        pinned: keys of models nobody may push out.
        ahead: keys of models that somebody earlier in the queue waits for.
        behind: keys of models that only later ones wait for.
        claims: what earlier waiters were promised and do not hold yet.
        jobs: what conversions and the like hold; they end by themselves.
        turn_s: least time a model in demand serves before it may be asked to leave.
    """

    residents: tuple[Residence, ...]
    capacity: Capacity
    now: Moment
    pinned: frozenset[str] = frozenset()
    ahead: frozenset[str] = frozenset()
    behind: frozenset[str] = frozenset()
    claims: tuple[Held, ...] = ()
    jobs: tuple[Held, ...] = ()
    turn_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Admit:
    """Load it now."""

    plan: LoadPlan
    domain: int


@dataclass(frozen=True, slots=True)
class MakeRoom:
    """These leave, the first one first: the idle at once, the busy when what they do is done."""

    plan: LoadPlan
    generations: tuple[int, ...]
    short: Shortfall


@dataclass(frozen=True, slots=True)
class Wait:
    """Room will come of itself; look again at *until_s* even if nothing happened."""

    plan: LoadPlan
    until_s: float
    short: Shortfall


@dataclass(frozen=True, slots=True)
class Never:
    """Refuse."""

    error: RkdError


Decision = Admit | MakeRoom | Wait | Never


def turn_ends(resident: Residence, turn_s: float) -> float:
    """When *resident* has served long enough for its load to have been worth it."""
    turn = min(max(turn_s, 2 * resident.load_s), max(turn_s, LONGEST_TURN_S))
    return resident.ready_s + turn


def serves(resident: Residence, waiter: Waiter) -> bool:
    """
    Whether *waiter* can be served by what is resident (or loading) without another load.

    A context asked for by the request is met exactly; one from the Modelfile or the defaults also
    by a larger one. A CPU resident that was the fallback serves whoever accepts a fallback; one
    that was asked for on the CPU does not keep others from the NPU.
    """
    have = resident.plan
    loaded = resident.loaded.context_tokens if resident.loaded else have.spec.context_tokens
    for place, want in enumerate(waiter.plans):
        if want.backend is not have.backend:
            continue
        if want.version != have.version:
            return False
        wanted = want.spec.context_tokens
        if want.exact_context:
            enough = wanted in {have.spec.context_tokens, loaded}
        else:
            enough = max(have.spec.context_tokens, loaded) >= wanted
        return enough and (place == 0 or have.choice is want.choice)
    return False


def choose_plan(
    waiter: Waiter,
    failures: Mapping[tuple[str, str], FailedWay],
    capacity: Capacity,
    now_s: float,
) -> LoadPlan | RkdError:
    """The best way *waiter* accepts that is not resting after a failure and could ever fit."""
    refusal: RkdError | None = None
    for plan in waiter.plans:
        failure = failures.get((plan.key, plan.way))
        if failure is not None and failure.retry_s > now_s and not waiter.deliberate:
            refusal = refusal or refusals.failed(plan.model, failure, now_s)
            continue
        short = never_fits(plan.need, capacity)
        if short is not None:
            refusal = refusal or refusals.too_large(plan.model, short, plan.total)
            continue
        if refusal is not None and not plan.reason and plan.backend is BackendKind.CPU:
            return replace(plan, reason=refusal.message)
        return plan
    if refusal is None:
        raise AssertionError("a waiter without plans is refused before it waits")
    return refusal


def decide(plan: LoadPlan, situation: Situation, *, pressed: bool = False) -> Decision:
    """
    Say whether *plan* may be loaded now, and if not what has to happen first.

    Args:
        plan: what is to be loaded.
        situation: what it would be loaded beside.
        pressed: its last load failed for memory: wait for everyone leaving to be gone first.
    """
    leaving = frozenset(one.generation for one in situation.residents if one.leaving)
    short = _short(plan, situation, frozenset())
    if short is None and not (pressed and leaving):
        held = tuple(one.held() for one in situation.residents)
        domain = find_domain(plan.need, held, situation.capacity)
        if domain is None:
            raise AssertionError("no shortfall means there is a domain")
        return Admit(plan, domain)
    if short is None:
        return Wait(plan, math.inf, Shortfall("memory", plan.need.ram_bytes, 0))
    if _short(plan, situation, leaving) is None:
        return Wait(plan, math.inf, short)

    def fits_without(gone: frozenset[int]) -> bool:
        return _short(plan, situation, leaving | gone) is None

    now_s = situation.now.at_s
    may_leave = [one for one in situation.residents if _may_leave(one, situation)]
    idle = [one for one in may_leave if not one.holders and one.key not in situation.behind]
    turned = [one for one in may_leave if turn_ends(one, situation.turn_s) <= now_s]
    for group in (idle, {one.generation: one for one in (*idle, *turned)}.values()):
        chosen = eviction.choose([_candidate(one, now_s) for one in group], fits_without)
        if chosen is not None:
            return MakeRoom(plan, chosen, short)
    return _wait_or_never(plan, situation, short)


def _may_leave(resident: Residence, situation: Situation) -> bool:
    return (
        resident.phase is Phase.READY
        and resident.key not in situation.pinned
        and resident.key not in situation.ahead
    )


def _wait_or_never(plan: LoadPlan, situation: Situation, short: Shortfall) -> Wait | Never:
    everyone = frozenset(
        one.generation
        for one in situation.residents
        if one.leaving or one.key not in situation.pinned
    )
    passing = replace(situation, claims=(), jobs=())
    at_best = _short(plan, passing, everyone)
    if at_best is None:
        turns = [
            turn_ends(one, situation.turn_s)
            for one in situation.residents
            if one.phase is Phase.READY and one.key not in situation.pinned
        ]
        coming = [end for end in turns if end > situation.now.at_s]
        return Wait(plan, min(coming, default=math.inf), short)
    pins = [one.plan.model for one in situation.residents if one.key in situation.pinned]
    why = (
        f"what holds it is pinned ({', '.join(pins)})"
        if pins
        else "the rest of the memory is taken by programs other than rkd"
    )
    return Never(refusals.no_evictable(plan.model, at_best, why, None))


def _short(plan: LoadPlan, situation: Situation, gone: frozenset[int]) -> Shortfall | None:
    held = tuple(one.held() for one in situation.residents if one.generation not in gone)
    # What a worker took comes back with it; one still loading may not have taken it yet.
    back = sum(
        one.need.ram_bytes
        for one in situation.residents
        if one.generation in gone and one.phase is not Phase.LOADING
    )
    return shortfall(
        plan.need,
        (*held, *situation.claims, *situation.jobs),
        situation.capacity,
        situation.now.available_bytes + back,
    )


def _candidate(resident: Residence, now_s: float) -> eviction.Candidate:
    idle_s = 0.0 if resident.holders else now_s - resident.idle_since_s
    return eviction.Candidate(resident.generation, idle_s, resident.need.ram_bytes, resident.load_s)
