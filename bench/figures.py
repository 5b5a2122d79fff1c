"""
Figures and their goals: scripts tell what they measured, `bench/run` prints it beside the goal.

To add a figure: a row in GOALS, `tell(key, values)` in the script that measures it, and the script
in the table of `bench/run`.
"""

from __future__ import annotations

import json
import os
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

VARIABLE = "RKD_BENCH_FIGURES"
"""Names the file that `tell` writes to; a script that is run alone just prints."""


@dataclass(frozen=True, slots=True)
class Goal:
    """
    What a figure should be.

    Args:
        key: what scripts call it.
        what: for people.
        unit: of its values.
        at_most: the goal where less is better.
        at_least: the goal where more is better; with neither there is none.
        tried: what was done about one that is missed.
    """

    key: str
    what: str
    unit: str = ""
    at_most: float | None = None
    at_least: float | None = None
    tried: str = ""

    def holds(self, value: float) -> bool | None:
        """Whether *value* keeps it; None when there is no goal."""
        if self.at_most is not None:
            return value <= self.at_most
        return None if self.at_least is None else value >= self.at_least

    @property
    def text(self) -> str:
        """The goal in words."""
        if self.at_most is not None:
            return f"at most {self.at_most:g}"
        return "" if self.at_least is None else f"at least {self.at_least:g}"


_TRIED = {
    "idle without a model, resident": (
        "the hub, the runners of operations and the doctor are imported when they are wanted; "
        "malloc's arenas and trimming change nothing. Python, gRPC, protobuf, structlog and "
        "msgspec take 41 MB before a line of rkd."
    ),
}

LIBRARY = tuple(
    Goal(what, what, unit, at_most=at_most, tried=_TRIED.get(what, ""))
    for what, unit, at_most in (
        ("start to ready, wall clock", "s", 1.0),
        ("start to ready, CPU", "s", None),
        ("start to every model read, CPU", "s", 2.5),
        ("start to every model read, looks at files a model", "calls", 25),
        ("start without a model, CPU", "s", 0.43),
        ("idle without a model, resident", "MB", 50),
        ("one file dropped in, CPU", "ms", 20),
        ("one file dropped in, looks at files", "calls", 300),
        ("one model deleted, CPU", "ms", 20),
        ("one model deleted, looks at files", "calls", 300),
        ("List of all models, CPU", "ms", 100),
        ("List of all models, looks at files", "calls", 20),
        ("nothing happens for 5 s, CPU", "ms", 10),
    )
)
"""Of 5,000 models, as `bench/library_many.py` measures them."""

GOALS = (
    Goal("waiting.idle", "threads waiting as `auto`, idle, of the best policy", at_least=0.95),
    Goal(
        "waiting.contended",
        "threads waiting as `auto`, beside others, of the best (worst)",
        at_least=0.5,
    ),
    Goal("stream.one", "one stream, of the engine waiting as ours", at_least=0.9),
    Goal("stream.one.default", "one stream, of the engine at its own defaults"),
    Goal("stream.eight", "eight streams, of the engine waiting as ours", at_least=0.9),
    Goal("stream.eight.default", "eight streams, of the engine at its own defaults"),
    Goal("npu.rate", "flat out over gRPC", "tokens/s"),
    Goal(
        "npu.cpu",
        "CPU a token at 15 tokens/s, of bare stream + bare library",
        at_most=1.3,
        tried=(
            "looking at threads only while the process computes (0.15 of 0.9 ms); frames not read "
            "back before they leave would take 0.01 ms away; the library's threads stay known to "
            "Python (0.05 ms of the worker's, system calls 2 a token fewer)."
        ),
    ),
    Goal("npu.first", "first token, nothing to read", "ms", at_most=4),
    Goal("npu.first.chat", "first token of a chat, by template and tokenizer", "ms", at_most=4),
    Goal(
        "npu.memory",
        "worker with a vocabulary of 150,000, resident",
        "MB",
        at_most=45,
        tried=(
            "the words packed (rkd/backend/prompt/lean.py), one heap for all threads, garbage "
            "collected and the heap trimmed after the load. Left are 16 MB of Python and modules, "
            "15 MB of shared libraries, 6 MB of words, and holes."
        ),
    ),
    Goal("swap", "a swap beyond the library's load", "s", at_most=0.12),
    Goal("swap.tokenizer", "a swap with a tokenizer of 150,000 words", "s", at_most=0.12),
    Goal("swap.fresh", "a swap with that tokenizer and no spare worker", "s"),
    Goal("queue", "16 clients on one model, of the ideal time", at_most=1.05),
    *LIBRARY,
)
"""In the order they are printed."""


@dataclass(frozen=True, slots=True)
class Figure:
    """Values of one key, and the load average when they were told."""

    key: str
    values: tuple[float, ...]
    load: float


def tell(key: str, values: Sequence[float]) -> None:
    """Tell the *values* of all rounds, for whoever collects them."""
    if key not in {goal.key for goal in GOALS}:
        raise KeyError(key)
    place = os.environ.get(VARIABLE)
    if place:
        with Path(place).open("a", encoding="utf-8") as file:
            told = {"key": key, "values": list(values), "load": os.getloadavg()[0]}
            file.write(json.dumps(told) + "\n")


def collected(place: Path) -> dict[str, Figure]:
    """What was told into *place*; the last word on a key counts."""
    lines = place.read_text(encoding="utf-8").splitlines() if place.exists() else []
    figures = (json.loads(line) for line in lines)
    return {one["key"]: Figure(one["key"], tuple(one["values"]), one["load"]) for one in figures}


def row(goal: Goal, figure: Figure) -> str:
    """One line: the median, the best and the worst, the goal, and whether it holds."""
    middle = statistics.median(figure.values)
    ends = sorted(figure.values, reverse=goal.at_most is None)
    held = {True: "holds", False: "MISSED", None: ""}[goal.holds(middle)]
    value = f"{middle:.4g} {goal.unit}".rstrip()
    spread = f"{ends[0]:.4g} to {ends[-1]:.4g}"
    return (
        f"{goal.what:60} {value:>18}  {spread:>22}  {goal.text:14} {held:6}  {figure.load:.1f}"
    ).rstrip()


def report(figures: dict[str, Figure]) -> str:
    """The table of all figures that were told, what was tried below what is missed."""
    lines = [f"{'what':60} {'median':>18}  {'best to worst':>22}  {'goal':14} {'':6}  load average"]
    for goal in GOALS:
        figure = figures.get(goal.key)
        if figure is None:
            continue
        lines.append(row(goal, figure))
        if goal.tried and goal.holds(statistics.median(figure.values)) is False:
            lines.append(f"    tried: {goal.tried}")
    return "\n".join(lines)
