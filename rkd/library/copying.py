"""The same bytes under a second name: hard links, reflinks, and copies as the last resort."""

from __future__ import annotations

import fcntl
import os
import shutil
from pathlib import Path

from rkd.library.layout import format_of

_FICLONE = 0x40049409
"""Share all blocks of a file, copy on write. Source: linux/fs.h, _IOW(0x94, 9, int)."""


def link_or_copy(source: Path, target: Path) -> None:
    """
    Make *target* have the bytes of *source*: a hard link, else shared blocks, else a copy.

    Raises:
        FileExistsError: *target* is there.
    """
    try:
        os.link(source.resolve(), target)
    except FileExistsError:
        raise
    except OSError:  # no hard links here, or not to other people's files, or another device
        clone_or_copy(source, target)


def clone_or_copy(source: Path, target: Path) -> None:
    """Make *target* a file of its own with the bytes of *source*, sharing blocks if possible."""
    with source.open("rb") as whole, target.open("xb") as fresh:
        try:
            fcntl.ioctl(fresh.fileno(), _FICLONE, whole.fileno())
        except OSError:
            shutil.copyfileobj(whole, fresh, 4 << 20)
    shutil.copystat(source, target)


def copy_folder(source: Path, target: Path) -> None:
    """
    Fill the folder *target* with what the model in *source* consists of.

    Weights are linked; small files, which people edit in place, become files of their own. Hidden
    files other than the provenance stay behind, and so do links to nowhere.
    """
    for parent, folders, files in os.walk(source.resolve()):
        inside = target / Path(parent).relative_to(source.resolve())
        inside.mkdir(exist_ok=True)
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            path = Path(parent) / name
            if not path.is_file() or (name.startswith(".") and name != ".rkd.json"):
                continue
            if format_of(name):
                link_or_copy(path, inside / name)
            else:
                clone_or_copy(path, inside / name)


def own_bytes(folder: Path) -> int:
    """Count the bytes that go when *folder* goes: what other folders share stays."""
    if folder.is_symlink():
        return 0
    total = 0
    for parent, _, files in os.walk(folder):
        for name in files:
            status = os.lstat(os.path.join(parent, name))  # noqa: PTH118 - os.walk speaks strings
            total += status.st_size if status.st_nlink == 1 else 0
    return total
