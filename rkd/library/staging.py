"""
Atomic appearance, replacement and disappearance of model folders.

A model is put together in a hidden folder of the models folder (same file system) and renamed
under its name when every byte is on disk. Python has no exchanging rename, so a replacement is a
journal and two renames; whatever instant the process is killed at, `recover` finishes it.
Blocking; one thread at a time. Hidden names here:

    .rkd-stage-<id>         being put together
    .rkd-replace-<id>.json  journal of a replacement: the stage is complete and takes over
    .rkd-old-<id>           the model that was replaced, about to go
    .rkd-trash-<id>         deleted, being emptied
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path

from rkd.durable import Step, no_step, sync_folder, sync_tree, write_file
from rkd.model import is_name
from rkd.outside import NotRegularError, escaped, json_object, read_regular

STAGE = ".rkd-stage-"
_JOURNAL = ".rkd-replace-"
_OLD = ".rkd-old-"
_TRASH = ".rkd-trash-"
_TAKEN = frozenset({errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR})
_IDENTITY = re.compile(r"[A-Za-z0-9_-]{1,64}")
MAX_JOURNAL_BYTES = 4096
_NEVER = frozenset("/\0")


@dataclass(frozen=True, slots=True)
class Recovered:
    """What a recovery finished, threw away and could not change, by name, for the log."""

    finished: tuple[str, ...] = ()
    swept: tuple[str, ...] = ()
    stuck: tuple[str, ...] = ()


class Staging:
    """
    The hidden folders of one models folder.

    Args:
        root: the models folder.
        step: called before each change.
    """

    def __init__(self, root: Path, *, step: Step = no_step) -> None:
        self._root = root
        self._step = step

    def open(self, identity: str) -> Path:
        """
        Make the stage *identity*, or find it again after a restart with what it holds.

        Its owner fills it and then commits or discards it.
        """
        stage = self._hidden(STAGE, identity)
        stage.mkdir(exist_ok=True)
        return stage

    def discard(self, stage: Path) -> None:
        """Throw *stage* away; nothing happens when it is gone already."""
        _empty(stage)

    def commit(self, stage: Path, folder: str, *, replaces: str = "") -> Path:
        """
        Let the finished *stage* appear as `<root>/<folder>`; returns that path.

        Args:
            stage: from `open`; every file in it is made durable first.
            folder: the name it appears under.
            replaces: name of the folder that goes when the new one is there, or "".

        Raises:
            FileExistsError: *folder* is taken by something else than *replaces*; nothing changed.
        """
        self._step("sync stage")
        sync_tree(stage)
        target = self._root / folder
        if replaces and os.path.lexists(self._root / replaces):
            self._replace(stage, folder, replaces)
            return target
        self._step("appear")
        _rename_new(stage, target)
        self._step("sync root")
        sync_folder(self._root)
        return target

    def remove(self, folder: str) -> None:
        """Make `<root>/<folder>` disappear at once, then free its space; links are not followed."""
        self._step("rename to trash")
        trash = self._hidden(_TRASH, secrets.token_hex(8))
        (self._root / folder).rename(trash)
        self._step("sync root")
        sync_folder(self._root)
        self._step("empty trash")
        _empty(trash)
        self._step("deleted")

    def recover(self, keep: frozenset[str] = frozenset()) -> Recovered:
        """
        Finish what a killed process began, and sweep what it left.

        Args:
            keep: identities of stages whose owners will go on with them.
        """
        finished: list[str] = []
        stuck: list[str] = []
        kept = set(keep)
        for journal in sorted(self._root.glob(f"{_JOURNAL}*.json")):
            identity = journal.stem.removeprefix(_JOURNAL)
            try:
                if _IDENTITY.fullmatch(identity):
                    finished.append(self._roll_forward(journal))
            except FileExistsError:  # somebody took the name meanwhile: both models stay
                kept.add(identity)
            except OSError:  # a folder of that name, a read-only disk: the next start may do it
                kept.add(identity)
                stuck.append(journal.name)
        swept: list[str] = []
        for path in sorted(self._root.glob(".rkd-*")):
            if _is_stale(path.name, kept):
                self._step(f"sweep {path.name}")
                _empty(path)
                (stuck if os.path.lexists(path) else swept).append(path.name)
        return Recovered(tuple(name for name in finished if name), tuple(swept), tuple(stuck))

    def _replace(self, stage: Path, folder: str, replaces: str) -> None:
        identity = stage.name.removeprefix(STAGE)
        journal = self._hidden(_JOURNAL, identity, ".json")
        record = {"stage": stage.name, "folder": folder, "replaces": replaces}
        if escaped(replaces) != replaces:  # the journal could not tell which folder it is
            raise FileExistsError(folder)
        if folder != replaces and _is_another(self._root / folder, self._root / replaces):
            raise FileExistsError(folder)
        self._step("write journal")
        write_file(journal, json.dumps(record).encode())
        self._roll_forward(journal)

    def _roll_forward(self, journal: Path) -> str:
        """
        Finish the replacement *journal* tells of; returns the folder's name, "" if it is void.

        1. Stage there, nothing set aside: set the old model aside.
        2. Stage there, name free: the stage takes the name.
        3. Stage gone: it took over; only the old model and the journal have to go.
        """
        record = _read_journal(journal)
        if record is None:
            journal.unlink()
            return ""
        stage, folder, replaces = (self._root / name for name in record)
        old = self._hidden(_OLD, journal.stem.removeprefix(_JOURNAL))
        if os.path.lexists(stage):
            if os.path.lexists(replaces) and not os.path.lexists(old):
                self._step("set old aside")
                replaces.rename(old)
            self._step("take over")
            _rename_new(stage, folder)
            self._step("sync root")
            sync_folder(self._root)
        self._step("remove old")
        _empty(old)
        self._step("remove journal")
        journal.unlink()
        sync_folder(self._root)
        return folder.name

    def _hidden(self, prefix: str, identity: str, suffix: str = "") -> Path:
        if not _IDENTITY.fullmatch(identity):
            raise ValueError(f"{identity!r} names no stage")
        return self._root / f"{prefix}{identity}{suffix}"


def _is_stale(name: str, kept: set[str]) -> bool:
    """Whether a hidden entry belongs to nobody: no owner's stage, no open journal's model."""
    if name.startswith(_JOURNAL):
        return name.endswith(".new")
    return any(
        name.startswith(prefix) and name.removeprefix(prefix) not in kept
        for prefix in (STAGE, _OLD, _TRASH)
    )


def _rename_new(source: Path, target: Path) -> None:
    """Rename a folder to a name nobody has: the kernel replaces nothing but an empty folder."""
    try:
        source.rename(target)
    except OSError as error:
        if error.errno in _TAKEN:
            raise FileExistsError(target) from error
        raise


def _is_another(path: Path, known: Path) -> bool:
    """Whether *path* is there and is not *known*, which a file system may find under any case."""
    try:
        return not os.path.samestat(path.lstat(), known.lstat())
    except FileNotFoundError:
        return False


def _read_journal(journal: Path) -> tuple[str, str, str] | None:
    """
    Read a journal; None for one that is not ours.

    A stranger's folder may bring one along: its stage has to be the stage of that very name, and
    what it replaces or becomes an entry of the models folder that is not hidden.
    """
    try:
        content = read_regular(journal, most_bytes=MAX_JOURNAL_BYTES, within=journal.parent)
        record = json_object(content, most_items=MAX_JOURNAL_BYTES)
        stage, folder, replaces = record["stage"], record["folder"], record["replaces"]
    except OSError as error:
        if isinstance(error, NotRegularError) or error.errno == errno.EFBIG:
            return None
        raise
    except (ValueError, KeyError):
        return None
    if not (isinstance(stage, str) and isinstance(folder, str) and isinstance(replaces, str)):
        return None
    own = stage == STAGE + journal.stem.removeprefix(_JOURNAL)
    fits = is_name(folder) and replaces and not replaces.startswith(".")
    return (stage, folder, replaces) if own and fits and not set(replaces) & _NEVER else None


def _empty(path: Path) -> None:
    """Remove *path*, whatever it is; links inside are removed, not followed."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
        return
    with contextlib.suppress(OSError):
        path.unlink()
