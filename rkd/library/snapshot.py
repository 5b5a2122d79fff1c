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
from rkd.model import Model, ModelState, is_name
from rkd.outside import shown

_EMPTY: Mapping[str, Described] = MappingProxyType({})
_NONE_LEFT: Mapping[str, Left] = MappingProxyType({})
_NO_CLAIMS: Mapping[str, tuple[str, ...]] = MappingProxyType({})


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
        claims: which folders would be the model of a key, the first of them is.
        waiting: folders that become another model without anybody touching them.
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
    claims: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: _NO_CLAIMS)
    waiting: frozenset[str] = frozenset()
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


def waits(described: Described) -> bool:
    """Whether the model becomes another one without anybody touching its folder."""
    return described.model.state is ModelState.INCOMING or described.sketched


def put_together(
    before: Snapshot,
    news: Mapping[str, Described | Left | None],
    arriving: tuple[Described, ...],
    left: tuple[Left, ...],
    *,
    listing: RootListing,
    due: tuple[str, ...],
) -> Snapshot:
    """
    Make the snapshot after *before*; costs what *news* do, and copies of tables.

    Args:
        before: what was known.
        news: what each folder that changed was found to be: a model, none, or gone.
        arriving: files in the models folder itself that are still coming.
        left: what a migration left.
        listing: what the models folder itself holds.
        due: folders that have to be looked at.
    """
    folders, foreign, claims = dict(before.folders), dict(before.foreign), dict(before.claims)
    keys = {one.model.name.key for one in (*before.arriving, *arriving)}
    for name, outcome in news.items():
        foreign.pop(name, None)
        old = folders.pop(name, None)
        if old is not None:
            keys.add(_withdrawn(claims, old, name))
        if isinstance(outcome, Described):
            folders[name] = outcome
            keys.add(_claimed(claims, outcome, name))
        elif outcome is not None:
            foreign[name] = outcome
    waiting = (before.waiting - news.keys()) | {
        name for name, one in news.items() if isinstance(one, Described) and waits(one)
    }
    by_key = _by_key(before.by_key, keys, claims, folders, arriving)
    waiters = [*arriving, *(folders[name] for name in waiting)]
    return Snapshot(
        by_key=MappingProxyType(by_key),
        left=_left(foreign.values(), arriving, left, claims),
        recheck_s=min((one.recheck_s for one in waiters if one.recheck_s), default=None),
        folders=MappingProxyType(folders),
        foreign=MappingProxyType(foreign),
        claims=MappingProxyType(claims),
        waiting=waiting,
        arriving=arriving,
        stayed=left,
        listing=listing,
        due=due,
        whole=not any(one.sketched for one in waiters),
        incoming=any(one.model.state is ModelState.INCOMING for one in waiters),
    )


def _withdrawn(claims: dict[str, tuple[str, ...]], old: Described, name: str) -> str:
    """Take the folder *name* from those that want a name; returns the name's key."""
    key = old.model.name.key
    others = tuple(one for one in claims.get(key, ()) if one != name)
    if others:
        claims[key] = others
    else:
        claims.pop(key, None)
    return key


def _claimed(claims: dict[str, tuple[str, ...]], one: Described, name: str) -> str:
    """Add the folder *name* to those that want a name; returns the name's key."""
    wanted = one.model.name
    claimants = (*claims.get(wanted.key, ()), name)
    if len(claimants) > 1:  # a folder written exactly as a model comes first, then the first
        claimants = tuple(sorted(claimants, key=lambda folder: (not is_name(folder), folder)))
    claims[wanted.key] = claimants
    return wanted.key


def _by_key(
    before: Mapping[str, Described],
    keys: set[str],
    claims: Mapping[str, tuple[str, ...]],
    folders: Mapping[str, Described],
    arriving: Iterable[Described],
) -> dict[str, Described]:
    """One model a name, ignoring case; a folder goes before a file that still arrives."""
    by_key = dict(before)
    for key in keys:
        by_key.pop(key, None)
    by_key |= {key: folders[claims[key][0]] for key in keys if key in claims}
    for one in arriving:
        by_key.setdefault(one.model.name.key, one)
    return {key: by_key[key] for key in sorted(by_key)}


def _left(
    foreign: Iterable[Left],
    arriving: Iterable[Described],
    left: Iterable[Left],
    claims: Mapping[str, tuple[str, ...]],
) -> tuple[Left, ...]:
    leftovers = {one.name: one for one in (*foreign, *left)}
    for one in arriving:  # listed as incoming models
        for file in one.files:
            leftovers.pop(shown(file.path.name), None)
    clashes = (
        Left(
            shown(loser),
            Cause.NAME_TAKEN,
            f"{shown(folders[0])} has that name already: rename one of them",
        )
        for folders in claims.values()
        for loser in folders[1:]
    )
    return tuple(sorted((*leftovers.values(), *clashes), key=lambda entry: entry.name))
