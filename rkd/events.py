"""
The one event log of the daemon: a revision counter, a bounded history, and who listens.

Library, pool and operations publish here by a callback given to them; `service/` turns entries
into Watch streams. Lives in memory and on the event loop's thread only.
"""

from __future__ import annotations

import asyncio
import enum
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from rkd.errors import BeyondRangeError, Reason

HISTORY_ENTRIES = 4096
"""How far back a watcher may resume; at a change a second that is over an hour."""


class Topic(enum.StrEnum):
    """What an event is about."""

    MODEL = "model"
    RESIDENT = "resident"
    OPERATION = "operation"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Event:
    """
    Something changed.

    Args:
        topic: which room it happened in.
        action: one word, past tense: `added`, `removed`, `changed`, `migrated`, `incoming`,
            `loading`, `ready`, `unloaded`, `failed`, `progress`, `finished`,
            `cancelled`, `reloaded`.
        subject: the model's name or the operation's id.
        detail: facts for people and programs, plain strings.
    """

    topic: Topic
    action: str
    subject: str
    detail: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Entry:
    """An event with its place in the log."""

    revision: int
    at: datetime
    event: Event


Publish = Callable[[Event], None]
"""What the rooms get to announce a change; call on the event loop's thread."""


class EventLog:
    """Numbered events, the newest HISTORY_ENTRIES of them kept; one loop, no locks."""

    def __init__(self, *, first_revision: int = 1, capacity: int = HISTORY_ENTRIES) -> None:
        self._next = first_revision
        self._kept: deque[Entry] = deque(maxlen=capacity)
        self._changed = asyncio.Event()
        self._closed = False

    @property
    def revision(self) -> int:
        """The revision of the newest event; one less than the first when there is none yet."""
        return self._next - 1

    def publish(self, event: Event) -> None:
        """Append *event* and wake every watcher."""
        self._kept.append(Entry(self._next, datetime.now(UTC), event))
        self._next += 1
        self._wake()

    def close(self) -> None:
        """End every watch, at shutdown."""
        self._closed = True
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def watch(self, start_revision: int | None = None) -> AsyncIterator[Entry]:
        """
        Yield entries from *start_revision* on (inclusive), or only new ones when None.

        Raises:
            BeyondRangeError: REVISION_COMPACTED, when that history is gone or not yet made, or
                the watcher was so slow that the log overtook it.
        """
        at = self._next if start_revision is None else start_revision
        while True:
            changed = self._changed
            oldest = self._kept[0].revision if self._kept else self._next
            if at < oldest or at > self._next:
                raise BeyondRangeError(
                    Reason.REVISION_COMPACTED,
                    f"revision {at} is not held: the log has {oldest} to {self._next - 1}",
                    remedy="List everything anew, then watch without a start revision.",
                    metadata={"oldest": str(oldest), "newest": str(self._next - 1)},
                )
            for entry in tuple(self._kept)[at - oldest :]:
                at = entry.revision + 1
                yield entry
            if self._closed:
                return
            if at == self._next:
                await changed.wait()
