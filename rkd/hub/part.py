"""
A file on its way: the bytes that arrived, hashed as they were written.

Belongs to one thread and has one writer: a lock is held on it, so that no second process adds to
it; within this one `Writers` sees to that. A process killed at any instant leaves a part that a
later one goes on with.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import stat
from pathlib import Path
from typing import Self

from rkd.durable import sync_folder
from rkd.hub.digest import Digest
from rkd.hub.stop import StopSign
from rkd.hub.writers import being_written

_TRIES = 3
"""A part may be finished, and so renamed, between opening and locking it."""

_HELD = frozenset({errno.EWOULDBLOCK, errno.EACCES})
_NO_FILE = frozenset({errno.ELOOP, errno.EISDIR, errno.ENXIO})
_MODE = 0o666


class Part:
    """
    The `<target>.part` of a file; use as a context manager.

    Entering takes the part's lock and hashes what an earlier call left, so that the digest
    covers every byte.

    Args:
        target: where the file appears in the end.
        size_bytes: of the whole file.
        algorithm: see `Digest`.
        stop: ends the hashing.
    """

    def __init__(
        self,
        target: Path,
        *,
        size_bytes: int,
        algorithm: str,
        stop: StopSign,
    ) -> None:
        self._target = target
        self._path = target.with_name(f"{target.name}.part")
        self._size_bytes = size_bytes
        self._algorithm = algorithm
        self._stop = stop
        self._digest = Digest(algorithm, size_bytes)
        self._descriptor = -1
        self._open = contextlib.ExitStack()
        self.offset_bytes = 0

    def __enter__(self) -> Self:
        """
        Take the part.

        Raises:
            PreconditionError: MODEL_BUSY: another process writes it.
            StoppedError: a stop was asked for.
        """
        with contextlib.ExitStack() as opening:
            self._descriptor = self._locked()
            opening.callback(os.close, self._descriptor)
            opening.callback(self._end_digest)
            self._digest.__enter__()
            self.offset_bytes = os.fstat(self._descriptor).st_size
            if self.offset_bytes > self._size_bytes:
                self.restart()
            self._digest.update_from(self._descriptor, self.offset_bytes, self._stop.check)
            self._open = opening.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def _locked(self) -> int:
        """Open the part and lock it."""
        for _ in range(_TRIES):
            descriptor = _opened(self._path)
            if _is_ours(descriptor, self._path):
                return descriptor
            os.close(descriptor)
        raise being_written(self._target)

    def _end_digest(self) -> None:
        # The digest of now: a restart may have begun another one since the part was opened.
        self._digest.__exit__()

    def append(self, chunk: bytes) -> None:
        """Write and hash the next bytes; raises what the file system raises."""
        self._digest.update(chunk)
        view = memoryview(chunk)
        while view:
            view = view[os.write(self._descriptor, view) :]
        self.offset_bytes += len(chunk)

    def restart(self) -> None:
        """Throw every byte away and begin at the first."""
        self._digest.__exit__()
        self._digest = Digest(self._algorithm, self._size_bytes).__enter__()
        os.ftruncate(self._descriptor, 0)
        self.offset_bytes = 0

    def is_good(self, digest: str) -> bool:
        """
        Whether what is there has *digest*, and not a byte more than was hashed.

        Nothing can be appended after it but a restart.
        """
        whole = os.fstat(self._descriptor).st_size == self.offset_bytes == self._size_bytes
        return self._digest.hexdigest() == digest and whole

    def settle(self) -> None:
        """Make the bytes durable and let them appear under the target's name."""
        os.fsync(self._descriptor)
        self._path.replace(self._target)
        sync_folder(self._target.parent)


def bytes_in_part(target: Path) -> int:
    """How much of *target* an earlier call left, finished or not."""
    for path in (target, target.with_name(f"{target.name}.part")):
        with contextlib.suppress(OSError):
            status = path.lstat()
            if stat.S_ISREG(status.st_mode):
                return status.st_size
    return 0


def _opened(path: Path) -> int:
    """Open the part to append to; a link or anything else in its place goes first."""
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK
    for _ in range(_TRIES):
        kind = _kind(path)
        # A device takes no bytes from anybody's file; /dev/full shows what a full disk does.
        if kind is None or stat.S_ISREG(kind) or stat.S_ISCHR(kind):
            follow = 0 if kind and stat.S_ISCHR(kind) else os.O_NOFOLLOW
            try:
                return os.open(path, flags | follow, _MODE)
            except OSError as error:
                if error.errno not in _NO_FILE:
                    raise
        shutil.rmtree(path) if kind and stat.S_ISDIR(kind) else path.unlink(missing_ok=True)
    raise being_written(path)


def _kind(path: Path) -> int | None:
    """Say what lies at *path*: of a link to a device the device, else of the link itself."""
    try:
        own = path.lstat().st_mode
        if stat.S_ISLNK(own) and path.is_char_device():
            return stat.S_IFCHR
    except FileNotFoundError:
        return None
    return own


def _is_ours(descriptor: int, path: Path) -> bool:
    """Lock what was opened; false when another has it, or finished it meanwhile."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _HELD:
            return False
        # Else it is a file system without locks.
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
