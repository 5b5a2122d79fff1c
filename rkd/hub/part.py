"""
A file on its way: the bytes that arrived, hashed as they were written.

Belongs to one thread. A process killed at any instant leaves a part that a later one goes on with.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Self

from rkd.hub.digest import Digest


class Part:
    """
    The `<target>.part` of a file; use as a context manager.

    Entering hashes what an earlier call left, so that the digest covers every byte.

    Args:
        target: where the file appears in the end.
        size_bytes: of the whole file.
        algorithm: see `Digest`.
    """

    def __init__(self, target: Path, *, size_bytes: int, algorithm: str) -> None:
        self._target = target
        self._path = target.with_name(f"{target.name}.part")
        self._size_bytes = size_bytes
        self._algorithm = algorithm
        self._digest = Digest(algorithm, size_bytes)
        self._open = contextlib.ExitStack()
        self.offset_bytes = 0

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as opening:
            self._file = opening.enter_context(self._path.open("ab", buffering=0))
            opening.callback(self._end_digest)
            self._digest.__enter__()
            self.offset_bytes = os.fstat(self._file.fileno()).st_size
            if self.offset_bytes > self._size_bytes:
                self.restart()
            self._digest.update_from(self._path, self.offset_bytes)
            self._open = opening.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def _end_digest(self) -> None:
        # The digest of now: a restart may have begun another one since the part was opened.
        self._digest.__exit__()

    def append(self, chunk: bytes) -> None:
        """Write and hash the next bytes; raises what the file system raises."""
        self._digest.update(chunk)
        view = memoryview(chunk)
        while view:
            view = view[self._file.write(view) :]
        self.offset_bytes += len(chunk)

    def restart(self) -> None:
        """Throw every byte away and begin at the first."""
        self._digest.__exit__()
        self._digest = Digest(self._algorithm, self._size_bytes).__enter__()
        self._file.truncate(0)
        self.offset_bytes = 0

    def hexdigest(self) -> str:
        """Return the digest of what is there; nothing can be appended after it but a restart."""
        return self._digest.hexdigest()

    def settle(self) -> None:
        """Make the bytes durable and let them appear under the target's name."""
        os.fsync(self._file.fileno())
        self._path.replace(self._target)
        folder = os.open(self._target.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def bytes_in_part(target: Path) -> int:
    """How much of *target* an earlier call left, finished or not."""
    for path in (target, target.with_name(f"{target.name}.part")):
        if path.exists():
            return path.stat().st_size
    return 0
