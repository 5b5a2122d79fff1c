"""
One folder of the models folder: what files it holds, and which model they make, if any.

Tolerant: nothing a folder holds makes a look fail; what cannot be used is an INVALID model with
its reason. Blocking; a folder whose files have kept time, size and inode is not opened again.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import structlog

from rkd.library import verdict
from rkd.library.belonging import trouble_with
from rkd.library.besides import flat
from rkd.library.describe import Described, FoundFile, Judge, broken, describe, refused
from rkd.library.layout import (
    MODELFILE,
    Cause,
    Left,
    format_of,
    is_partial,
    is_projector,
    name_for,
)
from rkd.library.snapshot import waits
from rkd.model import ModelName
from rkd.outside import irregular, shown

_log = structlog.get_logger(__name__)

Cover = Callable[[str], None]
"""Called with every folder before it is listed, so that whatever comes later is told."""

_DEPTH = 3
"""How far below a model's folder its files are counted: repositories have folders of their own."""

MAX_FILES = 10_000
"""A model's folder with more files is not looked at further; checkpoints have some hundreds."""


def no_cover(_folder: str) -> None:
    """Let nobody watch."""


def look(
    folder: Path,
    judge: Judge,
    known: Described | None,
    *,
    in_haste: Callable[[], bool],
    cover: Cover = no_cover,
) -> Described | Left | None:
    """
    Describe *folder*; say why it is left when it is no model's, None when it is gone.

    Whatever that fails at costs this folder alone.

    Args:
        folder: the folder, or a link to it.
        judge: whether a weights file is whole.
        known: what it was found to be last.
        in_haste: asked before headers are read; when it holds, they are left for later.
        cover: see `Cover`.
    """
    try:
        return _seen(folder, judge, known, in_haste, cover)
    except Exception as error:  # noqa: BLE001 - one bad folder never hides the others
        # A defect in one of the readers costs this model, and says so; the daemon starts.
        _log.exception("library.defect", folder=shown(folder.name))
        why = f"rkd failed to read it ({type(error).__name__})"
        if name := name_for(folder.name):
            return broken(ModelName(name), folder, why)
        return Left(shown(folder.name), Cause.UNREADABLE, why)


def _seen(
    folder: Path,
    judge: Judge,
    known: Described | None,
    in_haste: Callable[[], bool],
    cover: Cover,
) -> Described | Left | None:
    try:
        files = tuple(_files(folder, cover))
    except FileNotFoundError:
        return None
    except OSError as error:
        text = f"this process may not look into it: {error.strerror}"
        return Left(shown(folder.name), Cause.UNREADABLE, text)
    left = _no_model(folder, files)
    if left is not None:
        return left
    same = known if known is not None and known.files == files else None
    if same is not None and not waits(same):
        return same
    sketch = in_haste()
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
) -> Described | Left:
    name = ModelName(name_for(folder.name))
    if len(files) > MAX_FILES:
        return broken(name, folder, f"it holds more than {MAX_FILES} files")
    found = describe(name, folder, files, judge, sketch=sketch)
    if thing := found.model.details.companion:
        file = found.model.weights[0].path.name
        if not found.model.modelfile_text or found.derived:
            return Left(shown(folder.name), Cause.FOREIGN, f"no model: {shown(file)} is {thing}")
        return refused(found, verdict.no_model(name, file, thing))
    return found


def _is_models(folder: Path, files: tuple[FoundFile, ...]) -> bool:
    """Whether *folder* holds a Modelfile, weights, or what will be weights."""
    top = [file.path for file in files if file.path.parent == folder]
    return any(
        path.name == MODELFILE
        or (format_of(path.name) and not (is_projector(path.name) and flat(path)))
        or _weights_to_be(path.name)
        for path in top
    )


def _weights_to_be(name: str) -> bool:
    """Whether *name* is that of a half-copied weights file."""
    return is_partial(name) and format_of(name[: name.rfind(".")]) is not None


def _files(folder: Path, cover: Cover) -> Iterator[FoundFile]:
    """
    Every file of *folder* as it is now, one more than `MAX_FILES` at most.

    Links to files are followed, links to folders not. What is no file of the model is left out,
    unless its name makes it a Modelfile or weights: then it comes with its trouble.

    Raises:
        OSError: *folder* itself cannot be read.
    """
    waiting = [(folder, 1)]
    count = 0
    while waiting:
        parent, depth = waiting.pop()
        cover(str(parent))
        for item in _items(parent, must=parent == folder):
            if item.is_dir(follow_symlinks=False):
                if depth < _DEPTH and not item.name.startswith("."):
                    waiting.append((parent / item.name, depth + 1))
                if item.name != MODELFILE or parent != folder:
                    continue
            found = _file(item, parent / item.name, folder)
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


def _file(item: os.DirEntry[str], path: Path, folder: Path) -> FoundFile | None:
    """Take down one entry of the model in *folder*; None for no file."""
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
