"""
Under which conditions a published rate was measured, and whether they held here. Pure.

The order is that of what they cost on boards: the memory's clock first, since weights are read from
memory for every token.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from rkctl.measure.looking import Seen
from rkctl.measure.published import NEW_TOKENS, PROMPT_TOKENS, Published
from rkctl.screen.clocks import mhz
from rkd.v1 import pool_pb2
from rkd.v1 import system_pb2 as pb
from rkd.v1 import types_pb2 as types

UP: Final = 0.95
"""Of its end a clock that has gone up is seen at."""

FAST: Final = 0.8
"""Of the fastest cluster's end another counts as fast too."""

HOT_C: Final = 80.0
LONG_CONTEXT_TOKENS: Final = 4 * (PROMPT_TOKENS + NEW_TOKENS)
"""So much has to be read for a token before it shows beside the weights."""

BUSY: Final = 0.25
"""Of its cores that others use before anything is measured."""


class Held(enum.Enum):
    """Whether a condition held."""

    HOLDS = "holds"
    DIFFERS = "differs"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition: what it is, whether it held, what was seen, what to do if it did not."""

    what: str
    state: Held
    seen: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Run:
    """
    What was measured, and what is known of it.

    Args:
        model: its name.
        names: of the model, its NPU files and its repository.
        residents: models in memory; None where that may not be asked.
        parallel: answers asked for at once.
        tokens: most tokens of prompt and answer together.
    """

    model: str
    names: tuple[str, ...]
    residents: tuple[pool_pb2.Resident, ...] | None
    seen: Seen
    parallel: int
    tokens: int


def examine(run: Run, row: Published) -> tuple[Condition, ...]:
    """Judge every condition of *row*."""
    return tuple(judge(run, row) for judge in _JUDGES)


def _clock(what: str, kind: int, run: Run) -> Condition:
    """Every clock of the kind that matters was up at some look."""
    clocks = _clocks(run, kind)
    if not clocks or not run.seen.looks:
        return Condition(what, Held.UNKNOWN, "the board does not tell it")
    low = [one for one in clocks if run.seen.highest_hz.get(one.name, 0) < one.highest_hz * UP]
    told = ", ".join(
        f"{one.name} {mhz(run.seen.highest_hz.get(one.name, 0))} of {mhz(one.highest_hz)} MHz"
        f"{f', {one.governor}' if one.governor else ''}"
        for one in low or clocks
    )
    if not low:
        return Condition(what, Held.HOLDS, told)
    return Condition(what, Held.DIFFERS, told, "on the board: sudo ./install.sh --clocks")


def _clocks(run: Run, kind: int) -> list[pb.Clock]:
    """The clocks of *kind* whose range is known; of the CPU's the fast ones."""
    before = run.seen.before
    known = [one for one in before.clocks if one.kind == kind and one.highest_hz] if before else []
    top = max((one.highest_hz for one in known), default=0)
    return [one for one in known if one.highest_hz >= top * FAST]


def _ddr(run: Run, _row: Published) -> Condition:
    return _clock("memory at its full clock (DDR)", pb.CLOCK_KIND_DDR, run)


def _npu(run: Run, _row: Published) -> Condition:
    return _clock("NPU at its full clock", pb.CLOCK_KIND_NPU, run)


def _cpu(run: Run, _row: Published) -> Condition:
    return _clock("fast cores at their full clock", pb.CLOCK_KIND_CPU, run)


def _heat(run: Run, _row: Published) -> Condition:
    what, seen = "not held back by heat", run.seen
    if not seen.looks or not (seen.warmest_c or seen.highest_hz):
        return Condition(what, Held.UNKNOWN, "the board tells no temperature")
    told = f"at most {seen.warmest_c:.0f} °C" if seen.warmest_c else "no clock was"
    if not seen.cooled and seen.warmest_c < HOT_C:
        return Condition(what, Held.HOLDS, told)
    held = f"{', '.join(sorted(seen.cooled))} held back; " if seen.cooled else ""
    return Condition(what, Held.DIFFERS, held + told, "add a heat sink or a fan")


def _runtime(run: Run, row: Published) -> Condition:
    what = f"runtime {row.release} or newer"
    mine = _mine(run)
    found = re.search(r"rkllm (\d+(?:\.\d+)*)", mine.runtime) if mine else None
    if found is None:
        return Condition(what, Held.UNKNOWN, "not told")
    if _numbers(found[1]) >= _numbers(row.release):
        return Condition(what, Held.HOLDS, found[1])
    remedy = "put a newer librkllmrt.so beside it: the newest that fits is taken"
    return Condition(what, Held.DIFFERS, found[1], remedy)


def _conversion(run: Run, _row: Published) -> Condition:
    """`opt-1-hybrid-ratio-0.5` in a file's name is how it was converted."""
    what = "converted at optimization level 0"
    for name in run.names:
        level = re.search(r"(?:opt|level)[-_ ]?([01])(?![0-9])", name, re.IGNORECASE)
        ratio = re.search(r"hybrid[-_ ]?ratio[-_ ]?(\d(?:\.\d+)?)", name, re.IGNORECASE)
        if level or ratio:
            exact = (level is None or level[1] == "0") and (ratio is None or float(ratio[1]) == 0)
            told = " ".join(found[0] for found in (level, ratio) if found)
            if exact:
                return Condition(what, Held.HOLDS, told)
            return Condition(what, Held.DIFFERS, told, "take a file of opt-0, hybrid-ratio 0.0")
    return Condition(what, Held.UNKNOWN, "no name tells it")


def _alone(run: Run, _row: Published) -> Condition:
    what = "one model on the NPU"
    if run.residents is None:
        return Condition(what, Held.UNKNOWN, "not told")
    others = [
        one.model
        for one in run.residents
        if one.backend == types.BACKEND_NPU and one.model.casefold() != run.model.casefold()
    ]
    if not others:
        return Condition(what, Held.HOLDS, "no other")
    told = f"{len(others)} more: {', '.join(others[:3])}"
    return Condition(what, Held.DIFFERS, told, f"rkctl stop {others[0]}")


def _context(run: Run, _row: Published) -> Condition:
    what = f"a context of {PROMPT_TOKENS} and {NEW_TOKENS} tokens"
    told = f"{run.tokens} tokens together"
    if run.tokens <= LONG_CONTEXT_TOKENS:
        return Condition(what, Held.HOLDS, told)
    return Condition(what, Held.DIFFERS, told, f"--max-tokens {NEW_TOKENS}, a shorter --prompt")


def _one_by_one(run: Run, _row: Published) -> Condition:
    what = "one answer at a time"
    if run.parallel > 1:
        return Condition(what, Held.DIFFERS, f"--parallel {run.parallel}", "--parallel 1")
    if not run.seen.looks:
        return Condition(what, Held.UNKNOWN, "not told")
    if run.seen.streams <= 1:
        return Condition(what, Held.HOLDS, "no other")
    return Condition(what, Held.DIFFERS, f"{run.seen.streams} at once", "measure when it is idle")


def _load(run: Run, _row: Published) -> Condition:
    what, before = "no other load", run.seen.before
    if before is None or not before.cores:
        return Condition(what, Held.UNKNOWN, "not told")
    told = f"load {before.load_average:.1f} on {before.cores} cores before"
    if before.load_average <= before.cores * BUSY:
        return Condition(what, Held.HOLDS, told)
    return Condition(what, Held.DIFFERS, told, "see who with top, and measure again")


_JUDGES: Final[tuple[Callable[[Run, Published], Condition], ...]] = (
    _ddr,
    _npu,
    _cpu,
    _heat,
    _runtime,
    _conversion,
    _alone,
    _context,
    _one_by_one,
    _load,
)


def _mine(run: Run) -> pool_pb2.Resident | None:
    for one in run.residents or ():
        if one.model.casefold() == run.model.casefold():
            return one
    return None


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
