"""What happened in the models folder and has not been looked at yet; on the event loop."""

from __future__ import annotations

import asyncio
from pathlib import Path


class News:
    """Collects what is told until somebody takes it."""

    def __init__(self) -> None:
        self.woken = asyncio.Event()
        """Set when there is something to look at."""
        self.doubt = False
        """Anything may have changed."""
        self._names: set[str] = set()
        self._closed: set[Path] = set()

    def __bool__(self) -> bool:
        """Whether entries were named."""
        return bool(self._names)

    def add(self, names: frozenset[str] | None, closed: frozenset[Path] = frozenset()) -> None:
        """
        Take note.

        Args:
            names: entries of the models folder; None when it may be any.
            closed: files whose writer closed them or renamed them into place.
        """
        if names is None:
            self.doubt = True
        else:
            self._names |= names
        self._closed |= closed
        self.woken.set()

    def take_names(self) -> frozenset[str]:
        """Hand out the entries that were touched."""
        names, self._names = frozenset(self._names), set()
        return names

    def take_closed(self) -> frozenset[Path]:
        """Hand out the files that were closed."""
        closed, self._closed = frozenset(self._closed), set()
        return closed
