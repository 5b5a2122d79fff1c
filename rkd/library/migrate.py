"""
Carries a layout plan out: lists the models folder, makes folders, renames files into them.

Blocking; runs in the library's own thread. Safe to kill at any instant: a folder that was made
and not yet filled is joined by the next run, and a rename happened or did not.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import structlog

from rkd.durable import Step, no_step, sync_folder
from rkd.library import besides, modelfiles
from rkd.library.describe import Described, Judge
from rkd.library.layout import (
    MODELFILE,
    Cause,
    EntryKind,
    FolderEntry,
    Left,
    Move,
    Plan,
    format_of,
    model_name,
    plan,
)
from rkd.library.root import RootListing, list_root
from rkd.outside import shown

_log = structlog.get_logger(__name__)

HEADERS_S = 1.0
"""So long one look asks the headers of flat files whether they are models; then names tell, and
what was moved is asked in its folder."""

_REFUSALS: tuple[tuple[frozenset[int], Cause, str], ...] = (
    (
        frozenset({errno.EXDEV}),
        Cause.OTHER_FILESYSTEM,
        "its folder {folder} is on another file system: move the file by hand",
    ),
    (frozenset({errno.EROFS}), Cause.READ_ONLY, "cannot move: the models folder is read-only"),
    (
        frozenset({errno.EACCES, errno.EPERM}),
        Cause.REFUSED,
        "cannot move: rkd may not write the models folder; give the folder to rkd's user",
    ),
    (frozenset({errno.EEXIST, errno.ENOTDIR}), Cause.NAME_TAKEN, "{folder} is no folder"),
)


@dataclass(frozen=True, slots=True)
class FolderListing:
    """
    What lies in the models folder.

    Args:
        recheck_s: when the first incoming file may be whole; None when only an event can tell.
    """

    entries: tuple[FolderEntry, ...]
    recheck_s: float | None


@dataclass(frozen=True, slots=True)
class MigrationOutcome:
    """What a migration did, and what it left."""

    moved: tuple[Move, ...]
    left: tuple[Left, ...]
    recheck_s: float | None = None


def listing(
    root: Path,
    judge: Judge,
    *,
    held: RootListing | None = None,
    known: Mapping[str, Described] | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> FolderListing:
    """
    List *root* as the plan wants to see it: what lies flat, and the folders that could be joined.

    Args:
        root: the models folder.
        judge: whether a weights file is whole.
        held: what it holds, where that is known.
        known: what lies in its folders; None to look into each when a flat Modelfile wants that.
        clock: monotonic seconds.

    Raises:
        OSError: the folder itself cannot be read.
    """
    held = held or list_root(root)
    waits: list[float] = []
    entries: dict[str, FolderEntry] = {}
    until = clock() + HEADERS_S
    for name, kind in held.others.items():
        try:
            entry, wait_s = _entry(root / name, kind, judge, read=clock() < until)
        except OSError:  # gone or locked away between listing and looking
            continue
        except Exception:  # noqa: BLE001 - one bad file never hides the others
            _log.exception("library.defect", file=shown(name))
            continue
        entries[name] = entry
        if not entry.complete and wait_s is not None:
            waits.append(wait_s)
    modelfile = entries.get(MODELFILE)
    wanted = modelfile.from_file if modelfile else ""
    for name in _joined(held, wanted, known) - entries.keys():
        entries[name] = _folder(root, name)
    return FolderListing(tuple(entries.values()), min(waits, default=None))


def _joined(held: RootListing, wanted: str, known: Mapping[str, Described] | None) -> set[str]:
    """Return the folders that a flat file may join, or a flat Modelfile that wants *wanted*."""
    keys = {model_name(name).casefold() for name in held.others if format_of(name)}
    found = {name for name in held.folders if name.casefold() in keys} if keys else set()
    if not wanted:
        return found
    if known is None:
        return set(held.folders)
    return found | {
        name
        for name, one in known.items()
        if name in held.folders and any(file.path.name == wanted for file in one.files)
    }


def _entry(
    path: Path, kind: EntryKind, judge: Judge, *, read: bool
) -> tuple[FolderEntry, float | None]:
    is_weights, is_modelfile = format_of(path.name) is not None, path.name == MODELFILE
    if kind is not EntryKind.FILE or not (is_weights or is_modelfile):
        return FolderEntry(path.name, kind), 0.0
    wait_s = judge(path, path.stat()) if is_weights else 0.0
    readable = os.access(path, os.R_OK)
    named = modelfiles.from_file(path) if is_modelfile else ""
    whole = wait_s == 0.0
    entry = FolderEntry(
        path.name,
        kind,
        readable=readable,
        complete=whole,
        from_file=named,
        besides=besides.flat(path) if is_weights and whole and readable and read else None,
    )
    return entry, wait_s


def _folder(root: Path, name: str) -> FolderEntry:
    path = root / name
    try:
        elsewhere = path.stat().st_dev != root.stat().st_dev
    except OSError:  # gone: the rename into it will say so
        elsewhere = False
    return FolderEntry(name, EntryKind.FOLDER, _children(path), elsewhere=elsewhere)


def _children(folder: Path) -> tuple[str, ...]:
    try:
        return tuple(sorted(child.name for child in folder.iterdir()))
    except OSError:
        return ()


def migrate(
    root: Path,
    *,
    judge: Judge,
    dry_run: bool = False,
    step: Step = no_step,
    held: RootListing | None = None,
    known: Mapping[str, Described] | None = None,
) -> MigrationOutcome:
    """
    Bring *root* into today's layout, or say what would be done; *held*, *known* as for `listing`.

    Raises:
        OSError: the folder itself cannot be read.
    """
    listed = listing(root, judge, held=held, known=known)
    planned = plan(listed.entries)
    if dry_run:
        return MigrationOutcome(planned.moves, planned.left, listed.recheck_s)
    return _carry_out(root, planned, listed.recheck_s, step)


def kept_still(planned: MigrationOutcome, why: str) -> MigrationOutcome:
    """Turn what would be moved into what is left, since somebody else does the moving."""
    stay = (
        Left(shown(move.name), Cause.READ_ONLY, f"cannot move: {why}") for move in planned.moved
    )
    left = tuple(sorted((*planned.left, *stay), key=lambda one: one.name))
    return MigrationOutcome((), left, planned.recheck_s)


def _carry_out(root: Path, planned: Plan, recheck_s: float | None, step: Step) -> MigrationOutcome:
    moved: list[Move] = []
    left = list(planned.left)
    for move in planned.moves:
        refusal = _carry(root, move, step)
        if refusal is None:
            moved.append(move)
        else:
            left.append(Left(shown(refusal.name), refusal.cause, shown(refusal.text)))
    return MigrationOutcome(tuple(moved), tuple(left), recheck_s)


def _carry(root: Path, move: Move, step: Step) -> Left | None:
    """Make one move; a refusal names the cause, and then nothing changed."""
    folder, source = root / move.folder, root / move.name
    target = folder / move.name
    made = False
    try:
        step(f"mkdir {move.folder}")
        made = _make(folder)
        step(f"rename {move.name}")
        if os.path.lexists(target):
            return Left(move.name, Cause.NAME_TAKEN, f"{move.folder}/{move.name} exists")
        source.rename(target)
        step(f"sync {move.name}")
        sync_folder(folder)
        sync_folder(root)
        step(f"moved {move.name}")
    except OSError as error:
        if made:
            _remove_empty(folder)
        return _refusal(move, error)
    return None


def _make(folder: Path) -> bool:
    try:
        folder.mkdir()
    except FileExistsError:
        if not folder.is_dir():
            raise
        return False
    return True


def _remove_empty(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError:  # no longer empty, or no longer ours: it stays
        return


def _refusal(move: Move, error: OSError) -> Left:
    for numbers, cause, text in _REFUSALS:
        if error.errno in numbers:
            return Left(move.name, cause, text.format(folder=move.folder))
    return Left(move.name, Cause.REFUSED, f"cannot move: {os.strerror(error.errno or errno.EIO)}")
