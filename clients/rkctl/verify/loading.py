"""Rows about loading: contexts, domains, two models, another chip."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

from rkctl.verify.heard import reason_of
from rkctl.verify.probe import NotApplicableError, Probe
from rkctl.verify.row import Found, differs, holds, not_applicable

HUGE_CONTEXT = 65_536
"""Longer than any .rkllm allows. **Source:** the converter's limit is 16384."""
ODD_CONTEXT = 4000
STEP = 32
_LIMIT = re.compile(r"max_context_limit\[(\d+)\]")
_NOT_OF_THE_ROW = frozenset({"MODEL_TOO_LARGE", "NO_EVICTABLE_MODEL", "QUEUE_FULL", "LOAD_TIMEOUT"})
"""Reasons a busy or a slow board has for a load that fails."""

_RELOADS = (0.1, 0.2, 0.3, 0.4)
_GROWTH_BYTES = 48 << 20


def longest_context(board: Probe) -> Found:
    """Row 8: a context longer than the model's becomes the model's."""
    board.need()
    board.unload(board.main)
    load = board.load(board.main, HUGE_CONTEXT)
    if load.error is not None:
        board.notes["again"] = load.error.reason
        if load.error.reason in _NOT_OF_THE_ROW or load.error.reason == "WORKER_CRASHED":
            return not_applicable(reason_of(load.error))
        return differs(reason_of(load.error))
    context = load.resident.context_tokens
    limits = [int(found.group(1)) for line in load.lines if (found := _LIMIT.search(line))]
    board.notes["again"] = "refused" if limits else "taken"
    if not limits:
        return holds(f"a context of {context} tokens was taken without a refusal")
    fits = context in {limits[-1], limits[-1] - STEP}
    seen = f"{context} tokens, the limit is {limits[-1]}"
    return holds(seen) if fits else differs(seen)


def refused_again(board: Probe) -> Found:
    """Row 9: a refused `rkllm_init` may be repeated."""
    board.need()
    if "again" not in board.notes:
        longest_context(board)
    match board.notes["again"]:
        case "WORKER_CRASHED":
            return differs("the worker died of a second rkllm_init")
        case "refused":
            return holds("a second rkllm_init in the same process worked")
        case _:
            return not_applicable("rkllm_init was not refused")


def odd_context(board: Probe) -> Found:
    """Row 10: contexts are multiples of 32."""
    board.need()
    board.unload(board.main)
    load = board.load(board.main, ODD_CONTEXT)
    if load.error is not None:
        if load.error.reason in _NOT_OF_THE_ROW:
            return not_applicable(reason_of(load.error))
        return differs(reason_of(load.error))
    trouble = board.ask(board.main, "Say hi in a short context.").trouble
    board.unload(board.main)
    seen = f"{load.resident.context_tokens} tokens"
    return differs(trouble) if trouble else holds(seen)


def handles_come_back(board: Probe) -> Found:
    """Row 11: a new handle in the same process costs nothing that stays."""
    version = board.need().version
    if not re.match(r"1\.[12]\.", version):
        return not_applicable("from 1.3.0 on sampling needs no new handle")
    taken = []
    for temperature in _RELOADS:
        heard = board.ask(board.main, "Say hi once more.", temperature=temperature)
        resident = board.resident(board.main)
        if heard.error is not None or resident is None:
            return differs(reason_of(heard.error) if heard.error else "its worker is gone")
        taken.append(board.memory_bytes(resident.pid))
    if not all(taken):
        raise NotApplicableError("the memory of its worker cannot be seen from here")
    grown = taken[-1] - taken[0]
    seen = f"{max(grown, 0) / 1e6:.0f} MB more after {len(taken) - 1} new handles"
    return differs(seen) if grown > _GROWTH_BYTES else holds(seen)


def domains(board: Probe) -> Found:
    """Row 12: a model in a domain of its own."""
    board.need()
    board.load(board.main)
    plan = board.plan(board.second)
    if not plan.fits or plan.evicting:
        return not_applicable("there is no room for two models")
    load = board.load(board.second)
    if load.error is not None:
        if load.error.reason in _NOT_OF_THE_ROW:
            return not_applicable(reason_of(load.error))
        return differs(reason_of(load.error))
    first = board.resident(board.main)
    if first is None:
        return differs("the first had to leave, although there was room for both")
    used = (first.npu_domain, load.resident.npu_domain)
    seen = f"domains {used[0]} and {used[1]}"
    return holds(seen) if used[0] != used[1] else differs(seen)


def two_processes(board: Probe) -> Found:
    """Row 13: two processes answer, one after the other."""
    board.need()
    both = (board.main, board.second)
    if any(board.resident(one) is None and board.load(one).error for one in both):
        return not_applicable("two models cannot be loaded together")
    with ThreadPoolExecutor(2) as at_once:
        heard = list(at_once.map(lambda one: board.ask(one, "Two at once: say a word."), both))
    failed = [reason_of(one.error) for one in heard if one.error is not None]
    empty = sum(not one.text.strip() for one in heard)
    board.unload(board.second)
    if failed or empty:
        return differs("; ".join(failed) or f"{empty} of two answers are empty")
    return holds("two answers")


def other_chip(board: Probe) -> Found:
    """Row 15: a file of another chip says so."""
    board.need()
    load = board.load(board.foreign)
    if load.error is None:
        board.unload(board.foreign)
        return differs("it was loaded")
    named = load.error.reason == "PLATFORM_MISMATCH"
    return holds("PLATFORM_MISMATCH") if named else differs(reason_of(load.error))
