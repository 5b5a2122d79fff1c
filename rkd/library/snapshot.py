"""All models at one moment, put together from what was found of each folder: pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from rkd.library.belonging import trouble_with
from rkd.library.describe import Described
from rkd.library.layout import Cause, Left
from rkd.library.provenance import is_current
from rkd.library.root import RootListing
from rkd.model import Model, ModelState
from rkd.outside import shown

_EMPTY: Mapping[str, Described] = MappingProxyType({})
_NONE_LEFT: Mapping[str, Left] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Snapshot:
    """
    All models at one moment; immutable, shared freely.

    Args:
        by_key: by `ModelName.key`, in the order of names.
        left: what is no model, and why.
        recheck_s: when the first incoming file may be whole; None when only an event can tell.
        folders: what each folder was found to be, for the next scan.
        foreign: folders that are no model's.
        arriving: files in the models folder itself that are still coming.
        stayed: what a migration left, part of `left`.
        listing: what the models folder itself was seen to hold.
        due: folders that have to be looked at, most urgent first; some may be known from before.
        whole: False while headers are left to be read.
        incoming: some model is still arriving.
    """

    by_key: Mapping[str, Described] = field(default_factory=lambda: _EMPTY)
    left: tuple[Left, ...] = ()
    recheck_s: float | None = None
    folders: Mapping[str, Described] = field(default_factory=lambda: _EMPTY)
    foreign: Mapping[str, Left] = field(default_factory=lambda: _NONE_LEFT)
    arriving: tuple[Described, ...] = ()
    stayed: tuple[Left, ...] = ()
    listing: RootListing = field(default_factory=RootListing)
    due: tuple[str, ...] = ()
    whole: bool = True
    incoming: bool = False

    def models(self) -> tuple[Model, ...]:
        """Every model, sorted by name."""
        return tuple(described.model for described in self.by_key.values())

    def file_of(self, digest: str) -> Path | None:
        """
        Find a file by the digest recorded for it, unless it changed since. Touches the disk.

        The record is what the folder says, and no proof.
        """
        for model in self.models():
            for name, recorded in model.provenance.digests:
                path = model.folder / name
                current = recorded == digest and is_current(model.folder, name)
                if current and not trouble_with(path, model.folder):
                    return path
        return None


def put_together(
    folders: dict[str, Described],
    foreign: dict[str, Left],
    arriving: tuple[Described, ...],
    left: tuple[Left, ...],
    *,
    listing: RootListing,
    due: tuple[str, ...],
) -> Snapshot:
    """
    Make one snapshot of what was found.

    Args:
        folders: of models, in the order of their names; not changed any more.
        foreign: folders that are none.
        arriving: files in the models folder itself that are still coming.
        left: what a migration left.
        listing: what the models folder itself holds.
        due: folders that have to be looked at.
    """
    leftovers = {one.name: one for one in left}
    for other in foreign.values():
        leftovers.setdefault(other.name, other)
    for one in arriving:  # listed as incoming models
        for file in one.files:
            leftovers.pop(shown(file.path.name), None)
    by_key, clashes = _unique(folders, arriving)
    waits = [one.recheck_s for one in by_key.values() if one.recheck_s]
    return Snapshot(
        by_key=MappingProxyType(by_key),
        left=tuple(sorted((*leftovers.values(), *clashes), key=lambda entry: entry.name)),
        recheck_s=min(waits, default=None),
        folders=MappingProxyType(folders),
        foreign=MappingProxyType(foreign),
        arriving=arriving,
        stayed=left,
        listing=listing,
        due=due,
        whole=not any(one.sketched for one in folders.values()),
        incoming=any(one.model.state is ModelState.INCOMING for one in by_key.values()),
    )


def _unique(
    folders: Mapping[str, Described], arriving: Iterable[Described]
) -> tuple[dict[str, Described], list[Left]]:
    """One model a name, ignoring case; a folder written exactly as its model comes first."""
    by_key: dict[str, Described] = {}
    clashes = []
    exact = [one for folder, one in folders.items() if one.model.name.text == folder]
    others = [one for folder, one in folders.items() if one.model.name.text != folder]
    for one in (*exact, *others):
        winner = by_key.setdefault(one.model.name.key, one)
        if winner is not one:
            text = f"{shown(winner.model.folder.name)} has that name already: rename one of them"
            clashes.append(Left(shown(one.model.folder.name), Cause.NAME_TAKEN, text))
    for one in arriving:
        by_key.setdefault(one.model.name.key, one)
    return dict(sorted(by_key.items())), clashes
