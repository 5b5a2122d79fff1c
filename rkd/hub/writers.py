"""One writer a file within this process, also where the file system knows no locks."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

from rkd.errors import PreconditionError, Reason
from rkd.hub.stop import StopSign

WAIT_S = 60.0
"""How long a file is waited for whose writer was told to stop, but waits for the hub itself."""

_LOOK_AGAIN_S = 0.1


class Writers:
    """Knows what is being written; any number of threads."""

    def __init__(self, *, wait_s: float = WAIT_S) -> None:
        self._wait_s = wait_s
        self._lock = threading.Lock()
        self._busy: set[Path] = set()

    @contextlib.contextmanager
    def alone(self, target: Path, stop: StopSign) -> Iterator[None]:
        """
        Be the only one to write *target* inside the block.

        Raises:
            PreconditionError: MODEL_BUSY: another has it and does not let go.
            StoppedError: *stop* was set.
        """
        waited_s = 0.0
        while not self._taken(target):
            if waited_s >= self._wait_s:
                raise being_written(target)
            stop.wait(_LOOK_AGAIN_S)
            waited_s += _LOOK_AGAIN_S
        try:
            yield
        finally:
            with self._lock:
                self._busy.discard(target)

    def _taken(self, target: Path) -> bool:
        with self._lock:
            free = target not in self._busy
            self._busy.add(target)
            return free


def being_written(target: Path) -> PreconditionError:
    """Say that another writer has *target*."""
    return PreconditionError(
        Reason.MODEL_BUSY,
        f"{target.name} is still being written by another pull",
        remedy="Try again when that one has ended: rkctl ops list",
        metadata={"file": target.name},
    )
