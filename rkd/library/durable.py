"""Bytes and names that survive a power cut: fsync of files and folders, and whole-file writes."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

Step = Callable[[str], None]
"""Called before every change on disk with its name; the tests kill the process in there."""

_CANNOT_SYNC = frozenset({errno.EINVAL, errno.ENOTSUP, errno.EROFS})
"""What file systems answer that know no fsync of a folder (some FUSE and network ones)."""


def no_step(name: str) -> None:
    """Do nothing between two steps, as everywhere but in tests."""


def sync_folder(folder: Path) -> None:
    """Make the names inside *folder* durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _CANNOT_SYNC:
            raise
    finally:
        os.close(descriptor)


def sync_tree(folder: Path) -> None:
    """Make every file and folder below *folder* durable; links are not followed."""
    for parent, _, files in os.walk(folder):
        for name in files:
            path = os.path.join(parent, name)  # noqa: PTH118 - os.walk speaks strings
            if os.path.islink(path):  # noqa: PTH114 - the same
                continue
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        sync_folder(Path(parent))


def write_file(path: Path, content: bytes) -> None:
    """Write *path* whole or not at all, durably; a leftover draft is hidden beside it."""
    draft = path.with_name(f".{path.name.lstrip('.')}.new")
    with draft.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    sync_folder(path.parent)
