"""Bytes and names that survive a power cut: fsync of files and folders, and whole-file writes."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

Step = Callable[[str], None]
"""Called before every change on disk with its name; the tests kill the process in there."""

_CANNOT_SYNC = frozenset({errno.EINVAL, errno.ENOTSUP, errno.EROFS})
"""What file systems answer that know no fsync of a folder (some FUSE and network ones)."""


_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


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
    """Make every file and folder below *folder* durable; only regular files are opened."""
    for parent, _, files in os.walk(folder):
        for name in files:
            path = os.path.join(parent, name)  # noqa: PTH118 - os.walk speaks strings
            if not stat.S_ISREG(os.lstat(path).st_mode):
                continue
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        sync_folder(Path(parent))


def write_file(path: Path, content: bytes, *, mode: int = 0o666) -> None:
    """
    Write *path* whole or not at all, durably; its folder must exist.

    The draft lies hidden beside it under a name of its own, so two writers never share one; a
    power cut may leave it there. A file that exists keeps its mode, owner and group; *mode* (less
    the umask) is for a new one. Blocks: call it off the event loop.

    Raises:
        OSError: nothing was changed; `disk_is_full` tells that case.
    """
    before = path.stat() if path.exists() else None
    draft = path.with_name(f".{path.name.lstrip('.')}.{secrets.token_hex(4)}.new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            if before is not None:
                _keep_access(descriptor, before)
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def free_bytes(folder: Path) -> int:
    """Bytes free where *folder* is; 0 when it is gone."""
    try:
        found = os.statvfs(folder)
    except OSError:
        return 0
    return found.f_bavail * found.f_frsize


def disk_is_full(error: OSError) -> bool:
    """Whether *error* says that no room is left, on the disk or in a quota."""
    return error.errno in _FULL


def _keep_access(descriptor: int, before: os.stat_result) -> None:
    # Some file systems (exFAT, CIFS) refuse both; the content matters more.
    with suppress(OSError):
        os.fchmod(descriptor, before.st_mode & 0o777)
        if (before.st_uid, before.st_gid) != (os.geteuid(), os.getegid()):
            os.fchown(descriptor, before.st_uid, before.st_gid)
