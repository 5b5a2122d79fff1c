"""
The list of models as it is looked at: filtered, sorted, one page of it. Pure.

A page of the browser holds `PAGE` rows, however many models there are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final, Literal, TypeAlias

from rkd_client.v1.pool import Resident
from rkd_client.v1.types import ModelSummary

PAGE: Final = 50
LONGEST_WORDS: Final = 200

Sorting: TypeAlias = Literal["name", "size", "modified", "parameters"]
Kept: TypeAlias = Literal["all", "resident", "mend", "ready"]

SORTINGS: Final[tuple[Sorting, ...]] = ("name", "size", "modified", "parameters")
KEPT: Final[tuple[Kept, ...]] = ("all", "resident", "ready", "mend")

_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class ShelfRow:
    """A model on disk, and in memory where it is there."""

    model: ModelSummary
    resident: Resident | None = None

    @property
    def name(self) -> str:
        """Its name."""
        return self.model.name

    @property
    def state(self) -> str:
        """`memory.<state>` where it is in memory, else `disk.<state>`."""
        if self.resident is not None:
            return f"memory.{self.resident.state or 'ready'}"
        return f"disk.{self.model.state or 'invalid'}"

    @property
    def wants_mending(self) -> bool:
        """Whether it cannot be used as it stands."""
        return self.model.state in {"needs_modelfile", "invalid"}


@dataclass(frozen=True, slots=True)
class Want:
    """What is looked for; `page` counts from 0."""

    words: str = ""
    kept: Kept = "all"
    sorting: Sorting = "name"
    page: int = 0


@dataclass(frozen=True, slots=True)
class ShelfPage:
    """One page of *matching* rows; *total* models are there."""

    rows: tuple[ShelfRow, ...] = ()
    page: int = 0
    pages: int = 1
    matching: int = 0
    total: int = 0


def rows_of(models: Iterable[ModelSummary], residents: Iterable[Resident]) -> tuple[ShelfRow, ...]:
    """Put the two lists of the daemon together."""
    by_name = {one.model: one for one in residents}
    return tuple(ShelfRow(one, by_name.get(one.name)) for one in models)


def with_residents(rows: Iterable[ShelfRow], residents: Iterable[Resident]) -> tuple[ShelfRow, ...]:
    """Say anew which of *rows* are in memory."""
    by_name = {one.model: one for one in residents}
    return tuple(replace(one, resident=by_name.get(one.name)) for one in rows)


def shown(rows: tuple[ShelfRow, ...], want: Want) -> ShelfPage:
    """Return the page that *want* means, the last one where there are fewer."""
    words = want.words[:LONGEST_WORDS].casefold().split()
    matching = [one for one in rows if _passes(one, words, want.kept)]
    matching.sort(key=_KEYS[want.sorting])
    pages = max(1, -(-len(matching) // PAGE))
    page = min(max(0, want.page), pages - 1)
    cut = tuple(matching[page * PAGE : (page + 1) * PAGE])
    return ShelfPage(cut, page, pages, len(matching), len(rows))


def _passes(row: ShelfRow, words: list[str], kept: Kept) -> bool:
    model = row.model
    told = f"{model.name} {model.architecture} {model.quantization} {' '.join(model.formats)}"
    folded = told.casefold()
    if not all(word in folded for word in words):
        return False
    match kept:
        case "resident":
            return row.resident is not None
        case "ready":
            return model.state == "ready"
        case "mend":
            return row.wants_mending
        case "all":
            return True


_KEYS: Final[dict[str, Callable[[ShelfRow], Any]]] = {
    "name": lambda row: row.name.casefold(),
    "size": lambda row: (-row.model.size_bytes, row.name.casefold()),
    "parameters": lambda row: (-row.model.parameters, row.name.casefold()),
    "modified": lambda row: (
        -(row.model.modified or _LONG_AGO).timestamp() if row.model.modified else 0.0,
        row.name.casefold(),
    ),
}
