"""What others may see of the pool: residents, positions, what a load would do; pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from rkd.errors import RkdError
from rkd.model import BackendKind
from rkd.pool.deciding.admission import (
    Admit,
    MakeRoom,
    Never,
    Situation,
    Wait,
    choose_plan,
    decide,
    serves,
)
from rkd.pool.deciding.budget import free_ram
from rkd.pool.deciding.state import LoadPlan, Moment, Phase, Residence, Resident, Waiter
from rkd.pool.deciding.table import CRASH_LIMIT, Table
from rkd.pool.ticket import Loading, Queued, Update
from rkd.words import size


@dataclass(frozen=True, slots=True)
class Preview:
    """
    What loading would do.

    Args:
        fits: now, or after those in `evicting` have left.
        resident: it is there already.
        available_bytes: free for models now.
        explanation: the sum, or why not.
    """

    fits: bool
    resident: bool
    plan: LoadPlan
    available_bytes: int
    evicting: tuple[str, ...]
    explanation: str
    npu_domain: int | None


def residents(table: Table, pids: dict[int, int]) -> tuple[Resident, ...]:
    """Everyone in memory and everyone who failed, by name; *pids* by generation."""
    queued: dict[str, int] = {}
    for waiter in table.queue:
        queued[waiter.key] = queued.get(waiter.key, 0) + 1
    seen = [
        _resident(table, one, queued.get(one.key, 0), pids.get(one.generation, 0))
        for one in table.residents.values()
    ]
    failed: set[tuple[str, BackendKind]] = set()
    for (key, way), failure in table.failures.items():
        backend = BackendKind(way.partition(" ")[0])
        counts = failure.loads or failure.crashes >= CRASH_LIMIT
        if counts and key not in table.residents and (key, backend) not in failed:
            failed.add((key, backend))
            name = failure.error.metadata.get("model", key)
            seen.append(
                Resident(
                    name,
                    key,
                    Phase.FAILED,
                    backend=backend,
                    reason=failure.error.message,
                    queued=queued.get(key, 0),
                    retry_s=failure.retry_s,
                )
            )
    return tuple(sorted(seen, key=lambda one: (one.key, one.backend)))


def _resident(table: Table, one: Residence, queued: int, pid: int) -> Resident:
    # The NPU's buffers are not in the worker's memory: there a measurement only raises.
    seen = bool(one.seen_bytes and one.served and not one.on_npu)
    context = one.loaded.context_tokens if one.loaded else one.plan.spec.context_tokens
    return Resident(
        model=one.plan.model,
        key=one.key,
        phase=one.phase,
        generation=one.generation,
        backend=one.plan.backend,
        reason=one.plan.reason,
        size_bytes=one.seen_bytes if seen else one.need.ram_bytes,
        size_measured=seen or one.measured,
        context_tokens=context,
        slots=one.slots,
        slots_used=one.slots_used,
        queued=queued,
        expires_s=one.expires_s,
        pinned=one.key in table.pins,
        npu_domain=one.domain if one.on_npu else None,
        pid=pid,
        runtime=one.loaded.runtime if one.loaded else "",
        engine_lines=one.loaded.engine_lines if one.loaded else (),
        ready_s=one.ready_s if one.loaded else None,
        served=one.served,
        prompt_cache_bytes=one.plan.spec.prompt_cache_bytes,
        prompt_cache_used_bytes=one.prompt_cache_used_bytes,
    )


def update(
    table: Table,
    waiter: Waiter,
    ahead: int,
    ahead_of_model: int,
    *,
    planned: BackendKind,
    said: dict[int, tuple[str, float]],
) -> Update:
    """
    What *waiter* waits for.

    Args:
        table: what there is.
        waiter: whose update it is.
        ahead: how many come before it in the whole queue.
        ahead_of_model: how many of these wait for its model.
        planned: the backend it was told at first.
        said: stage and fraction of loads under way, by generation.
    """
    one = table.residents.get(waiter.key)
    if one is not None and one.phase is Phase.LOADING and serves(one, waiter):
        stage, fraction = said.get(one.generation, ("starting", -1.0))
        again = waiter.pressed or waiter.crashes or waiter.retries
        if one.plan.backend is not planned:
            stage = "falling-back"
        elif again:
            stage = "retrying"
        return Loading(stage, one.plan.backend, fraction, detail=one.plan.reason)
    leaving = table.evicting.get(waiter.key, ())
    if one is None and leaving and not ahead_of_model:
        return Loading("evicting", waiter.plans[0].backend, evicting=leaving)
    run_s = table.pace.run_s(waiter.key)
    estimate_s: float | None = None
    if run_s is not None:
        slots = one.slots if one is not None else waiter.plans[0].spec.slots
        estimate_s = run_s * (ahead_of_model + 1) / max(1, slots)
        if one is None or one.phase is not Phase.READY:
            estimate_s += table.pace.load_s(waiter.key) or 0.0
    return Queued(ahead if one is None else ahead_of_model, estimate_s)


def free_bytes(table: Table, now: Moment) -> int:
    """Memory a further model may take now."""
    held = tuple(one.held() for one in table.residents.values())
    jobs = tuple(table.jobs.values())
    return max(0, free_ram((*held, *jobs), table.capacity, now.available_bytes))


def preview(table: Table, waiter: Waiter, now: Moment) -> Preview:
    """Say what a request like *waiter* would do, without doing it."""
    jobs = tuple(table.jobs.values())
    free = free_bytes(table, now)
    mine = table.residents.get(waiter.key)
    if mine is not None and not mine.leaving and serves(mine, waiter):
        domain = mine.domain if mine.on_npu else None
        words = f"{mine.plan.model} is {mine.phase} already"
        return Preview(True, True, mine.plan, free, (), words, domain)
    plan = choose_plan(waiter, table.failures, table.capacity, now.at_s)
    if isinstance(plan, RkdError):
        return Preview(False, False, waiter.plans[0], free, (), plan.message, None)
    # One that has to be reloaded makes room itself.
    own_bytes = mine.need.ram_bytes if mine is not None else 0
    others = [one for one in table.residents.values() if one is not mine]
    situation = Situation(
        residents=tuple(others),
        capacity=table.capacity,
        now=replace(now, available_bytes=now.available_bytes + own_bytes),
        pinned=frozenset(table.pins),
        ahead=frozenset(one.key for one in table.queue),
        jobs=jobs,
        turn_s=table.rules.turn_s,
    )
    leaving = (mine.plan.model,) if mine is not None else ()
    return _explain(plan, situation, free, leaving)


def _explain(plan: LoadPlan, situation: Situation, free: int, leaving: tuple[str, ...]) -> Preview:
    needed = f"{plan.model} needs {size(plan.need.ram_bytes)}"
    parts = f" ({plan.total})" if plan.total else ""
    total = f"{needed}{parts}, {size(free)} are free"
    match decide(plan, situation):
        case Admit(_, domain):
            shown = domain if domain >= 0 else None
            return Preview(True, False, plan, free, leaving, total, shown)
        case MakeRoom(_, generations, short):
            names = {one.generation: one.plan.model for one in situation.residents}
            going = (*leaving, *(names[each] for each in generations))
            words = f"{plan.model} {short}; it fits once {', '.join(going)} left"
            return Preview(True, False, plan, free, going, words, None)
        case Wait(_, _, short):
            words = f"{plan.model} {short} now; it fits when what is in use has ended"
            return Preview(True, False, plan, free, leaving, words, None)
        case Never(error):
            return Preview(False, False, plan, free, (), error.message, None)
