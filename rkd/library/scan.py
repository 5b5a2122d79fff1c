"""
From the models folder to models: what lies there, described, as a snapshot.

Tolerant: nothing a folder holds makes a scan fail; what cannot be used is one INVALID model with
its reason. Blocking; runs in the library's own thread. A folder whose files have kept time, size
and inode is not opened again.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import structlog

from rkd.library.belonging import trouble_with
from rkd.library.describe import Described, FoundFile, Judge, broken, describe
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
from rkd.library.provenance import is_current
from rkd.model import Model, ModelName, ModelState, WeightsFile, is_name
from rkd.outside import irregular, shown

_log = structlog.get_logger(__name__)

_DEPTH = 3
"""How far below a model's folder its files are counted: repositories have folders of their own."""

LOOK_S = 5.0
"""So long one look reads the headers of weights: some thousand good ones, and a few made to take
long. What is left is asked in the next looks, which follow at once; until then it is listed with
what needs no header. So a start is never held up by what somebody put into the folder."""

MAX_FILES = 10_000
"""A model's folder with more files is not looked at further; checkpoints have some hundreds."""

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
        whole: False while headers are left to be read.
    """

    by_key: Mapping[str, Described] = field(default_factory=lambda: _EMPTY)
    left: tuple[Left, ...] = ()
    recheck_s: float | None = None
    root_ns: int = 0
    folders: Mapping[str, Described] = field(default_factory=lambda: _EMPTY)
    whole: bool = True

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


def scan(
    root: Path,
    judge: Judge,
    *,
    previous: Snapshot | None = None,
    touched: frozenset[str] | None = None,
    left: tuple[Left, ...] = (),
    clock: Callable[[], float] = time.monotonic,
) -> Snapshot:
    """
    Look at *root* and return what it holds.

    Args:
        root: the models folder.
        judge: whether a weights file is whole.
        previous: the last snapshot; unchanged folders are taken from it.
        touched: names of folders that may have changed; None when any may have.
        left: what a migration left, added to what the scan leaves.
        clock: monotonic seconds.

    Raises:
        OSError: *root* itself cannot be read.
    """
    previous = previous or Snapshot()
    patience = _LookTime(clock)
    root_ns = root.stat().st_mtime_ns
    folders: dict[str, Described] = {}
    arriving: list[Described] = []
    leftovers = {one.name: one for one in left}
    with os.scandir(root) as listed:
        items = sorted(listed, key=lambda entry: entry.name)
    for item in items:
        if item.name.startswith("."):
            continue
        known = previous.folders.get(item.name)
        path = Path(item.path)
        if _is_folder(item):
            fresh = touched is None or item.name in touched or known is None or _waits(known)
            named = touched is not None and item.name in touched
            outcome: Described | Left | None = known
            if fresh:
                outcome = _look(path, judge, known, None if named else patience)
            if isinstance(outcome, Described):
                folders[item.name] = outcome
            elif outcome is not None:
                leftovers.setdefault(outcome.name, outcome)
        elif format_of(item.name) and not item.is_symlink():
            arriving += _arriving(path, judge)
    found = _together(folders, arriving, leftovers, root_ns)
    return previous if not arriving and _is_same(previous, found) else found


def _together(
    folders: dict[str, Described],
    arriving: list[Described],
    leftovers: dict[str, Left],
    root_ns: int,
) -> Snapshot:
    """Make one snapshot of what was found."""
    for one in arriving:  # listed as incoming models
        for file in one.files:
            leftovers.pop(shown(file.path.name), None)
    by_key, clashes = _unique(folders, arriving)
    waits = [one.recheck_s for one in by_key.values() if one.recheck_s]
    return Snapshot(
        by_key=MappingProxyType(by_key),
        left=tuple(sorted((*leftovers.values(), *clashes), key=lambda entry: entry.name)),
        recheck_s=min(waits, default=None),
        root_ns=root_ns,
        folders=MappingProxyType(folders),
        whole=not any(one.sketched for one in folders.values()),
    )


def _is_same(one: Snapshot, other: Snapshot) -> bool:
    """Whether nothing was seen to change: the very same models, and the same left."""
    return (
        one.root_ns == other.root_ns
        and one.left == other.left
        and (len(one.by_key), len(one.folders)) == (len(other.by_key), len(other.folders))
        and all(one.folders.get(name) is known for name, known in other.folders.items())
    )


def _is_folder(item: os.DirEntry[str]) -> bool:
    try:
        return item.is_dir()
    except OSError:
        return False


def _waits(described: Described) -> bool:
    return described.model.state is ModelState.INCOMING or described.sketched


class _LookTime:
    """For how long one look reads headers; at least one, so that every look gets on."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._until_s: float | None = None

    def is_over(self) -> bool:
        """Whether the next header has to wait for the next look."""
        if self._until_s is None:
            self._until_s = self._clock() + LOOK_S
            return False
        return self._clock() > self._until_s


def _look(
    folder: Path, judge: Judge, known: Described | None, patience: _LookTime | None
) -> Described | Left | None:
    """Describe *folder* as `_seen`; whatever that fails at costs this folder alone."""
    try:
        return _seen(folder, judge, known, patience)
    except Exception as error:  # noqa: BLE001 - one bad folder never hides the others
        # A defect in one of the readers costs this model, and says so; the daemon starts.
        _log.exception("library.defect", folder=shown(folder.name))
        why = f"rkd failed to read it ({type(error).__name__})"
        if name := name_for(folder.name):
            return broken(ModelName(name), folder, why)
        return Left(shown(folder.name), Cause.UNREADABLE, why)


def _seen(
    folder: Path, judge: Judge, known: Described | None, patience: _LookTime | None
) -> Described | Left | None:
    """Describe *folder*; say why it is left when it is no model's, None when it is gone."""
    try:
        files = tuple(_files(folder))
    except FileNotFoundError:
        return None
    except OSError as error:
        text = f"this process may not look into it: {error.strerror}"
        return Left(shown(folder.name), Cause.UNREADABLE, text)
    left = _no_model(folder, files)
    if left is not None:
        return left
    same = known if known is not None and known.files == files else None
    if same is not None and not _waits(same):
        return same
    sketch = patience is not None and patience.is_over()
    if same is not None and same.sketched and sketch:
        return same
    return _described(folder, files, judge, sketch=sketch)


def _no_model(folder: Path, files: tuple[FoundFile, ...]) -> Left | None:
    """Say why the folder of *files* is no model's, or None."""
    if not _is_models(folder, files):
        return Left(shown(folder.name), Cause.FOREIGN, "a folder without weights")
    if not name_for(folder.name):
        text = "no model name can be made of it: rename the folder"
        return Left(shown(folder.name), Cause.NO_NAME, text)
    return None


def _described(
    folder: Path, files: tuple[FoundFile, ...], judge: Judge, *, sketch: bool
) -> Described:
    name = ModelName(name_for(folder.name))
    if len(files) > MAX_FILES:
        return broken(name, folder, f"it holds more than {MAX_FILES} files")
    return describe(name, folder, files, judge, sketch=sketch)


def _is_models(folder: Path, files: tuple[FoundFile, ...]) -> bool:
    """Whether *folder* holds a Modelfile, weights, or what will be weights."""
    top = {file.path.name for file in files if file.path.parent == folder}
    return MODELFILE in top or any(
        (format_of(name) and not is_projector(name)) or _weights_to_be(name) for name in top
    )


def _weights_to_be(name: str) -> bool:
    """Whether *name* is that of a half-copied weights file."""
    return is_partial(name) and format_of(name[: name.rfind(".")]) is not None


def _files(folder: Path) -> Iterator[FoundFile]:
    """
    Every file of *folder* as it is now, one more than `MAX_FILES` at most.

    Links to files are followed, links to folders not. What is no file of the model is left out,
    unless its name makes it a Modelfile or weights: then it comes with its trouble.

    Raises:
        OSError: *folder* itself cannot be read.
    """
    real = folder.resolve()
    waiting = [(folder, 1)]
    count = 0
    while waiting:
        parent, depth = waiting.pop()
        for item in _items(parent, must=parent == folder):
            if item.is_dir(follow_symlinks=False):
                if depth < _DEPTH and not item.name.startswith("."):
                    waiting.append((Path(item.path), depth + 1))
                if item.name != MODELFILE or parent != folder:
                    continue
            found = _file(item, real)
            if found is not None:
                count += 1
                yield found
            if count > MAX_FILES:
                return


def _items(folder: Path, *, must: bool) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return sorted(found, key=lambda entry: entry.name)
    except OSError:
        if must:
            raise
        return []


def _file(item: os.DirEntry[str], folder: Path) -> FoundFile | None:
    """Take down one entry of the folder whose real place is *folder*; None for no file."""
    path = Path(item.path)
    trouble = ""
    try:
        status = item.stat()
        if item.is_symlink():
            trouble = trouble_with(path, folder)
        elif kind := irregular(status.st_mode):
            trouble = f"it is {kind}, not a regular file"
    except OSError as error:  # gone, or a link to nowhere or to itself
        if not item.is_symlink():
            return None
        status, trouble = item.stat(follow_symlinks=False), error.strerror or "a link to nowhere"
    matters = item.name == MODELFILE or format_of(item.name) is not None
    return FoundFile.of(path, status, trouble) if matters or not trouble else None


def _arriving(path: Path, judge: Judge) -> Iterator[Described]:
    """A weights file in the models folder itself that is not whole yet is a model to come."""
    try:
        status = path.stat()
        wait_s = judge(path, status)
    except OSError:
        return
    except Exception:  # noqa: BLE001 - one bad file never hides the others
        _log.exception("library.defect", file=shown(path.name))
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
            reason=f"{shown(path.name)} is still being written",
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
    to_come = {id(one) for one in arriving}
    exact = [one for folder, one in folders.items() if is_name(folder)]
    others = [one for folder, one in folders.items() if not is_name(folder)]
    for one in (*exact, *others, *arriving):
        key = one.model.name.key
        if key not in by_key:
            by_key[key] = one
        elif id(one) not in to_come:
            winner = shown(by_key[key].model.folder.name)
            text = f"{winner} has that name already: rename one of them"
            clashes.append(Left(shown(one.model.folder.name), Cause.NAME_TAKEN, text))
    return dict(sorted(by_key.items())), clashes
