"""
From the models folder to models: what lies there, described, as a snapshot.

Tolerant: nothing a folder holds makes a scan fail. Blocking; runs in the library's own thread.
A folder whose files have kept time, size and inode is not opened again.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from rkd.errors import InvalidInputError
from rkd.library.describe import Described, FoundFile, Judge, describe
from rkd.library.layout import (
    MODELFILE,
    Cause,
    Left,
    format_of,
    is_partial,
    is_projector,
    model_name,
    name_for,
)
from rkd.model import Model, ModelName, ModelState, WeightsFile

_DEPTH = 3
"""How far below a model's folder its files are counted: repositories have folders of their own."""

_EMPTY: Mapping[str, Described] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Snapshot:
    """
    All models at one moment; immutable, shared freely.

    Args:
        by_key: by `ModelName.key`, in the order of names.
        left: what is no model, and why.
        recheck_s: when the first incoming file may be whole; None when only an event can tell.
        root_ns: time of change of the models folder, taken before it was listed.
        folders: what each folder was found to be, for the next scan.
    """

    by_key: Mapping[str, Described] = field(default_factory=lambda: _EMPTY)
    left: tuple[Left, ...] = ()
    recheck_s: float | None = None
    root_ns: int = 0
    folders: Mapping[str, Described] = field(default_factory=lambda: _EMPTY)

    def models(self) -> tuple[Model, ...]:
        """Every model, sorted by name."""
        return tuple(described.model for described in self.by_key.values())


def scan(
    root: Path,
    judge: Judge,
    *,
    previous: Snapshot | None = None,
    touched: frozenset[str] | None = None,
    left: tuple[Left, ...] = (),
) -> Snapshot:
    """
    Look at *root* and return what it holds.

    Args:
        root: the models folder.
        judge: whether a weights file is whole.
        previous: the last snapshot; unchanged folders are taken from it.
        touched: names of folders that may have changed; None when any may have.
        left: what a migration left, added to what the scan leaves.

    Raises:
        OSError: *root* itself cannot be read.
    """
    previous = previous or Snapshot()
    root_ns = root.stat().st_mtime_ns
    folders: dict[str, Described] = {}
    arriving: list[Described] = []
    leftovers = list(left)
    for item in sorted(os.scandir(root), key=lambda entry: entry.name):
        if item.name.startswith("."):
            continue
        known = previous.folders.get(item.name)
        path = Path(item.path)
        if _is_folder(item):
            fresh = touched is None or item.name in touched or known is None or _waits(known)
            described = _look(path, judge, known) if fresh else known
            if described is not None:
                folders[item.name] = described
            elif not any(entry.name == item.name for entry in leftovers):
                leftovers.append(Left(item.name, Cause.FOREIGN, "a folder without weights"))
        elif format_of(item.name) and not item.is_symlink():
            arriving += _arriving(path, judge)
    shown = {file.path.name for one in arriving for file in one.files}
    leftovers = [one for one in leftovers if one.name not in shown]  # listed as incoming models
    by_key, clashes = _unique(folders, arriving)
    waits = [one.recheck_s for one in by_key.values() if one.recheck_s]
    return Snapshot(
        by_key=MappingProxyType(by_key),
        left=tuple(sorted((*leftovers, *clashes), key=lambda entry: entry.name)),
        recheck_s=min(waits, default=None),
        root_ns=root_ns,
        folders=MappingProxyType(folders),
    )


def _is_folder(item: os.DirEntry[str]) -> bool:
    try:
        return item.is_dir()
    except OSError:
        return False


def _waits(described: Described) -> bool:
    return described.model.state is ModelState.INCOMING


def _look(folder: Path, judge: Judge, known: Described | None) -> Described | None:
    """Describe *folder*; None when it is no model's."""
    files = tuple(_files(folder, folder, _DEPTH))
    top = {file.path.name for file in files if file.path.parent == folder}
    if MODELFILE not in top and not any(
        (format_of(name) and not is_projector(name)) or _weights_to_be(name) for name in top
    ):
        return None
    if known is not None and known.files == files and not _waits(known):
        return known
    name = ModelName(name_for(folder.name)) if name_for(folder.name) else None
    return describe(name, folder, files, judge) if name else None


def _weights_to_be(name: str) -> bool:
    """Whether *name* is that of a half-copied weights file."""
    return is_partial(name) and format_of(name[: name.rfind(".")]) is not None


def _files(folder: Path, top: Path, depth: int) -> Iterator[FoundFile]:
    """Every file of *folder* as it is now; links to files are followed, links to folders not."""
    try:
        items = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return
    for item in items:
        try:
            if item.is_dir(follow_symlinks=False):
                if depth > 1 and not item.name.startswith("."):
                    yield from _files(Path(item.path), top, depth - 1)
            elif item.is_file():
                yield FoundFile.of(Path(item.path), item.stat())
        except OSError:  # gone, or a link to nowhere
            continue


def _arriving(path: Path, judge: Judge) -> Iterator[Described]:
    """A weights file in the models folder itself that is not whole yet is a model to come."""
    try:
        status = path.stat()
        wait_s = judge(path, status)
    except OSError:
        return
    text = model_name(path.name)
    kind = format_of(path.name)
    if wait_s == 0.0 or not text or kind is None or is_projector(path.name):
        return
    found = FoundFile.of(path, status)
    weights = WeightsFile(path, kind, found.size_bytes, found.modified_ns)
    yield Described(
        Model(
            name=ModelName(text),
            folder=path.parent / text,
            state=ModelState.INCOMING,
            weights=(weights,),
            size_bytes=found.size_bytes,
            modified=found.modified,
            reason=f"{path.name} is still being written",
            version=f"incoming-{found.size_bytes}-{found.modified_ns}",
        ),
        files=(found,),
        recheck_s=wait_s,
    )


def _unique(
    folders: Mapping[str, Described], arriving: list[Described]
) -> tuple[dict[str, Described], list[Left]]:
    """One model a name, ignoring case; a folder written exactly as its model comes first."""
    by_key: dict[str, Described] = {}
    clashes = []
    exact = [one for folder, one in folders.items() if _is_exact(folder)]
    others = [one for folder, one in folders.items() if not _is_exact(folder)]
    for one in (*exact, *others, *arriving):
        key = one.model.name.key
        if key not in by_key:
            by_key[key] = one
        elif one not in arriving:
            winner = by_key[key].model.folder.name
            text = f"{winner} has that name already: rename one of them"
            clashes.append(Left(one.model.folder.name, Cause.NAME_TAKEN, text))
    return dict(sorted(by_key.items())), clashes


def _is_exact(folder: str) -> bool:
    try:
        return ModelName.parse(folder).text == folder
    except InvalidInputError:
        return False
