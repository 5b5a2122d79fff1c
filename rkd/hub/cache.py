"""
What the hub answered, kept on disk: fresh answers save a request, old ones serve offline.

Answers are JSON and small; models are never here. Blocking.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from rkd.errors import UnavailableError
from rkd.hub.connection import Connection

FRESH = timedelta(minutes=10)
"""For how long an answer is given again without asking."""

KEPT_ANSWERS = 300
"""Bound of the cache; the oldest go first. An answer is 1 to 100 KB."""


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer, and when it was cached if the hub was not asked or did not answer."""

    value: Any
    cached: datetime | None = None


class AnswerCache:
    """
    Asks through a folder of remembered answers.

    Args:
        folder: made when needed; `<state>/hub`.
        connection: knows whether the hub may be asked.
        now: the wall clock.
    """

    def __init__(
        self,
        folder: Path,
        connection: Connection,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._folder = folder
        self._connection = connection
        self._now = now

    def answer(
        self, question: str, ask: Callable[[], Any], *, fresh: timedelta = FRESH
    ) -> Answered:
        """
        Answer *question* from the cache while it is fresh, from the hub, or as it once was.

        Args:
            question: everything the answer depends on.
            ask: asks the hub; returns JSON.
            fresh: how old an answer may be while the hub can be asked.

        Raises:
            RkdError: what *ask* raises, or OFFLINE, when no old answer is there either.
        """
        path = (
            self._folder / f"{hashlib.sha256(self._key(question).encode()).hexdigest()[:32]}.json"
        )
        known = self._recall(path)
        if known is not None and known.cached and self._now() - known.cached < fresh:
            return known
        if self._connection.offline and known is not None:
            return known
        try:
            value = ask()
        except UnavailableError:
            if known is None:
                raise
            return known
        self._remember(path, value)
        return Answered(value)

    def _key(self, question: str) -> str:
        # A token sees more than nobody does: answers are kept apart, the token itself is not kept.
        seen_by = hashlib.sha256((self._connection.token or "").encode()).hexdigest()
        return f"{self._connection.endpoint}\n{seen_by}\n{question}"

    def _recall(self, path: Path) -> Answered | None:
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            return Answered(record["value"], datetime.fromisoformat(record["at"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _remember(self, path: Path, value: object) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(f".{os.getpid()}.new")
        draft.write_text(json.dumps({"at": self._now().isoformat(), "value": value}))
        draft.replace(path)
        kept = sorted(self._folder.glob("*.json"), key=lambda one: one.stat().st_mtime_ns)
        for old in kept[:-KEPT_ANSWERS]:
            old.unlink(missing_ok=True)
