"""What lies in the models folder itself, by name and kind, and no further. Blocking."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from rkd.library.layout import EntryKind

_NOTHING: Mapping[str, EntryKind] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class RootListing:
    """
    The entries of the models folder.

    Args:
        folders: folders and links to folders; hidden ones are staging, and left out.
        others: what is no folder, hidden files as well; links to folders once more.
        changed_ns: time of change of the models folder, taken before it was listed.
    """

    folders: frozenset[str] = frozenset()
    others: Mapping[str, EntryKind] = field(default_factory=lambda: _NOTHING)
    changed_ns: int = -1


def list_root(
    root: Path,
    previous: RootListing | None = None,
    touched: frozenset[str] | None = None,
    *,
    told: bool = False,
) -> RootListing:
    """
    List *root*.

    Args:
        root: the models folder.
        previous: the last listing; names it has are taken to be what they were, but for links:
            of what these lead to nobody may be told.
        touched: entries that may have become others; None when any may. While the folder's time
            of change stays, no name is looked for but these.
        told: whoever names the *touched* names every entry sooner or later. Then, too, no other
            is looked for, as long as one of them came or went, which is why the time is another.

    Raises:
        OSError: *root* cannot be read.
    """
    changed_ns = root.stat().st_mtime_ns
    if previous is not None and touched is not None:
        return _asked_again(root, previous, touched, changed_ns, told=told)
    folders: set[str] = set()
    others: dict[str, EntryKind] = {}
    with os.scandir(root) as found:
        for entry in found:
            if entry.is_dir(follow_symlinks=False):
                folders.add(entry.name)
                continue
            others[entry.name], is_folder = _kind_of(entry)
            if is_folder:
                folders.add(entry.name)
    visible = frozenset(name for name in folders if not name.startswith("."))
    return RootListing(visible, _in_order(others), changed_ns)


def _asked_again(
    root: Path, listing: RootListing, touched: frozenset[str], changed_ns: int, *, told: bool
) -> RootListing:
    """List by names alone, and ask what they are of *touched*, of new ones and of links."""
    links = (name for name, kind in listing.others.items() if kind is EntryKind.LINK)
    asked = {name: _kind_at(root / name) for name in {*touched, *links}}
    explained = changed_ns == listing.changed_ns or (
        told and any((asked[name][0] is None) == _is_listed(listing, name) for name in touched)
    )
    if not explained:
        names = frozenset(os.listdir(root))  # noqa: PTH208 - names, and no path for each
        changed = names ^ (listing.folders | listing.others.keys())
        asked |= {name: _kind_at(root / name) for name in changed - asked.keys()}
    folders, others = set(listing.folders & asked.keys()), dict(listing.others)
    was = frozenset(folders)
    for name, (kind, is_folder) in asked.items():
        (folders.add if is_folder and not name.startswith(".") else folders.discard)(name)
        others.pop(name, None)
        if kind is not None and kind is not EntryKind.FOLDER:
            others[name] = kind
    return RootListing(
        listing.folders if folders == was else (listing.folders - was) | folders,
        listing.others if others == listing.others else _in_order(others),
        changed_ns,
    )


def _is_listed(listing: RootListing, name: str) -> bool:
    return name in listing.folders or name in listing.others


def _in_order(others: dict[str, EntryKind]) -> Mapping[str, EntryKind]:
    return MappingProxyType(dict(sorted(others.items())))


def _kind_of(entry: os.DirEntry[str]) -> tuple[EntryKind, bool]:
    """Return what *entry*, no folder, is, and whether it leads to one."""
    if entry.is_symlink():
        try:
            return EntryKind.LINK, entry.is_dir()
        except OSError:  # a link to itself
            return EntryKind.LINK, False
    return (EntryKind.FILE if entry.is_file(follow_symlinks=False) else EntryKind.OTHER), False


def _kind_at(path: Path) -> tuple[EntryKind | None, bool]:
    """Return what is at *path* now, and whether that is or leads to a folder; None for nothing."""
    try:
        mode = path.lstat().st_mode
    except OSError:
        return None, False
    if stat.S_ISLNK(mode):
        return EntryKind.LINK, os.path.isdir(path)  # noqa: PTH112 - Path.is_dir raises on EACCES
    if stat.S_ISDIR(mode):
        return EntryKind.FOLDER, True
    return (EntryKind.FILE if stat.S_ISREG(mode) else EntryKind.OTHER), False
