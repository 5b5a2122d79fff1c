"""How much one look at the disk does before others have their turn."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

START_FOLDERS = 1024
START_S = 10.0
"""A start reads so many folders, as long as that takes no longer; the others are read behind it.
Few boards have more models, and theirs are all there when the daemon says that it is ready."""

STEP_S = 0.1
"""So long folders are looked at that nobody waits for, before those have their turn whom somebody
waits for."""

REST_ROUNDS = 10
"""After a look at every folder that took longer than STEP_S, so many times as long without another
on suspicion alone: a large library that is polled takes a tenth of a core at most."""


@dataclass(slots=True)
class Stint:
    """
    When a look is long enough; at least one folder is looked at.

    Args:
        most: folders.
        bound_s: how long, counted from the first folder.
        clock: monotonic seconds.
    """

    most: float = math.inf
    bound_s: float = math.inf
    clock: Callable[[], float] = time.monotonic
    _until_s: float | None = None

    def __call__(self, folders: int) -> bool:
        """Say whether it is enough after so many *folders*."""
        if self._until_s is None:  # the first one never comes too late: every look gets on
            self._until_s = self.clock() + self.bound_s
            return folders >= self.most
        return folders >= self.most or self.clock() > self._until_s
