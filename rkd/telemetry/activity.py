"""What goes on in the other rooms at one moment, as the status and the metrics show it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Activity:
    """
    Numbers of library, pool and operations; `daemon/rooms.py` collects them.

    Args:
        models: on disk.
        residents: in memory.
        queued: requests waiting.
        operations: not ended.
        budget_bytes: what the pool may use now.
        resident_bytes: what resident models use.
    """

    models: int = 0
    residents: int = 0
    queued: int = 0
    operations: int = 0
    budget_bytes: int = 0
    resident_bytes: int = 0


Collect = Callable[[], Activity]
"""Called on the event loop's thread; must not wait."""
