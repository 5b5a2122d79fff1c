"""How an operation is told: its bar, its words, what can be done with it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from rkd_client.v1.types import Operation

from rkd_console.pages.stock import figures

Doing: TypeAlias = Literal["pause", "resume", "cancel", "dismiss"]

ACTIVE: Final = frozenset({"pending", "running"})
OPEN: Final = ACTIVE | {"paused"}
MOST: Final = 20
"""Operations shown at once: those that go on first, then the newest."""

_STAGES: Final = {
    "planning": "planning",
    "downloading": "downloading",
    "uploading": "uploading",
    "verifying": "verifying",
    "hashing": "verifying",
    "checking": "verifying",
    "finishing": "finishing",
    "up to date": "current",
    "deriving": "deriving",
    "converting": "converting",
    "quantizing": "quantizing",
    "fetching the tokenizer": "tokenizer",
}


@dataclass(frozen=True, slots=True)
class OperationShown:
    """
    An operation as it is shown.

    Args:
        fraction: of the bar, 0 to 1; None while nobody can tell, as when files are verified: a bar
            never stands at its end while work goes on.
        stage: key of what is being done, or "" where `words` says it.
        words: what the daemon says it does, for stages that have no key.
        figures: done, total, speed and time left, each as text, those that are known.
        left: the time left, "" while unknown.
    """

    id: str
    title: str
    state: str
    fraction: float | None
    stage: str
    words: str
    done: str
    total: str
    rate: str
    left: str
    doings: tuple[Doing, ...]
    trouble: str = ""
    remedy: str = ""


def told(operation: Operation) -> OperationShown:
    """Say how *operation* is shown."""
    progress, state = operation.progress, operation.state
    stage = _STAGES.get(progress.stage, "")
    whole = progress.total_bytes > 0 and progress.done_bytes >= progress.total_bytes
    if state == "running" and whole and progress.stage in {"downloading", ""}:
        stage = "verifying"
    moving = state == "running" and stage not in {"verifying", "finishing"}
    fraction = _fraction(operation, is_checked=stage in {"verifying", "finishing", "planning"})
    left_s = progress.remaining_s
    return OperationShown(
        id=operation.id,
        title=operation.source or operation.model,
        state=state,
        fraction=fraction,
        stage=stage,
        words="" if stage else progress.stage,
        done=figures.size(progress.done_bytes),
        total=figures.size(progress.total_bytes),
        rate=f"{figures.size(progress.rate_bytes_per_s)}/s"
        if moving and progress.rate_bytes_per_s > 0
        else "",
        left=figures.clock(left_s) if moving and left_s is not None else "",
        doings=_doings(operation),
        trouble=operation.error_message,
        remedy=operation.error_remedy,
    )


def chosen(
    operations: Iterable[Operation], kinds: frozenset[str], seen: Iterable[str]
) -> tuple[Operation, ...]:
    """Return what is shown of *operations*: those that go on, and those *seen* going on."""
    known = frozenset(seen)
    wanted = [
        one for one in operations if one.kind in kinds and (one.state in OPEN or one.id in known)
    ]
    wanted.sort(key=lambda one: one.state not in OPEN)  # stable: newest first in each half
    return tuple(wanted[:MOST])


def ended(before: Iterable[Operation], now: Iterable[Operation]) -> tuple[Operation, ...]:
    """Return what went on in *before* and has ended in *now*, by success or failure."""
    was = {one.id for one in before if one.state in OPEN}
    return tuple(one for one in now if one.id in was and one.state in {"succeeded", "failed"})


def _fraction(operation: Operation, *, is_checked: bool) -> float | None:
    progress = operation.progress
    if operation.state == "succeeded":
        return 1.0
    if progress.total_bytes <= 0:
        return None if operation.state in ACTIVE else 0.0
    if is_checked and operation.state == "running":
        return None
    return min(1.0, max(0.0, progress.done_bytes / progress.total_bytes))


def _doings(operation: Operation) -> tuple[Doing, ...]:
    match operation.state:
        case "pending" | "running":
            return ("cancel",) if operation.kind == "create" else ("pause", "cancel")
        case "paused":
            return ("resume", "cancel")
        case "failed":
            return ("resume", "dismiss")
        case _:
            return ("dismiss",)
