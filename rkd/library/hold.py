"""
Holds a models folder against a second daemon: one rkd at a time changes it.

An advisory lock on the folder itself, so that nothing is left behind, a read-only folder can be
locked, and the kernel lets go of it whatever ends the process. It holds on one machine: what
another machine does on a share is not seen.
"""

from __future__ import annotations

import fcntl
import os
import threading
from contextlib import suppress
from pathlib import Path

LOCKS = Path("/proc/locks")


class Hold:
    """
    The right to change *root*; may be asked for from several threads.

    Args:
        root: the models folder.
        locks: the kernel's table of locks, to say who has it.
    """

    def __init__(self, root: Path, *, locks: Path = LOCKS) -> None:
        self._root = root
        self._locks = locks
        self._descriptor: int | None = None
        self._asked = threading.Lock()
        self.problem = ""

    def take(self) -> str:
        """
        Take the folder, or keep it; returns who else has it, or "".

        Where the file system knows no locks `problem` says so, and everybody may go on.

        Raises:
            OSError: the folder cannot be opened.
        """
        with self._asked:
            return "" if self._descriptor is not None else self._try()

    def _try(self) -> str:
        descriptor = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = self._holder(os.fstat(descriptor).st_ino)
            os.close(descriptor)
            return holder
        except OSError as error:
            self.problem = error.strerror or "no locks"
        self._descriptor = descriptor
        return ""

    def release(self) -> None:
        """Let go of the folder."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def _holder(self, inode: int) -> str:
        """Find the process in the kernel's table: `1: FLOCK ADVISORY WRITE pid dev:inode …`."""
        with suppress(OSError, ValueError, IndexError):
            for line in self._locks.read_text(encoding="ascii").splitlines():
                fields = line.split()
                if fields[1] == "FLOCK" and fields[5].endswith(f":{inode}") and int(fields[4]) > 0:
                    return f"process {fields[4]}"
        return "another process"
