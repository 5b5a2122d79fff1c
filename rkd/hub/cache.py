"""
What the hub answered, kept on disk: fresh answers save a request, old ones serve offline.

Answers are JSON and small; models are never here. A help and nothing more: what cannot be kept or
read again costs a question, never an answer. Blocking; any number of threads.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Generic, TypeVar

import structlog

from rkd import shape
from rkd.errors import UnavailableError
from rkd.hub.connection import Connection
from rkd.outside import read_regular

_log = structlog.get_logger(__name__)

FRESH = timedelta(minutes=10)
"""For how long an answer is given again without asking."""

KEPT_ANSWERS = 300
"""Bound of the cache; the oldest go first. An answer is 1 to 100 KB."""

KEPT_BYTES = 32 << 20
"""Bound of all answers together."""

LARGEST_ANSWER_BYTES = 4 << 20
"""A larger answer is given and not kept."""

_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class Form(Generic[_Value]):
    """
    How an answer is kept.

    Args:
        write: makes JSON values of it.
        read: makes the answer again; raises UnlikeError for what `write` did not make.
    """

    write: Callable[[_Value], object]
    read: Callable[[object], _Value]


AS_IT_IS: Form[Any] = Form(lambda value: value, lambda value: value)
"""For answers that are JSON values themselves."""


@dataclass(frozen=True, slots=True)
class Answered(Generic[_Value]):
    """An answer, and when it was cached if the hub was not asked or did not answer."""

    value: _Value
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
        self._sweeping = threading.Lock()

    def answer(
        self,
        question: str,
        ask: Callable[[], _Value],
        form: Form[_Value] = AS_IT_IS,
        *,
        fresh: timedelta = FRESH,
    ) -> Answered[_Value]:
        """
        Answer *question* from the cache while it is fresh, from the hub, or as it once was.

        Args:
            question: everything the answer depends on.
            ask: asks the hub.
            form: how its answer is kept.
            fresh: how old an answer may be while the hub can be asked.

        Raises:
            RkdError: what *ask* raises, or OFFLINE, when no old answer is there either.
        """
        name = hashlib.sha256(self._key(question).encode()).hexdigest()[:32]
        path = self._folder / f"{name}.json"
        known = self._recall(path, form)
        if known is not None and known.cached and self._is_fresh(known.cached, fresh):
            return known
        if self._connection.offline and known is not None:
            return known
        try:
            value = ask()
        except UnavailableError:
            if known is None:
                raise
            return known
        self._remember(path, form.write(value))
        return Answered(value)

    def _is_fresh(self, cached: datetime, fresh: timedelta) -> bool:
        # A clock that was wrong once must not make an answer fresh for ever.
        return timedelta() <= self._now() - cached < fresh

    def _key(self, question: str) -> str:
        # A token sees more than nobody does: answers are kept apart, the token itself is not kept.
        seen_by = hashlib.sha256((self._connection.token or "").encode()).hexdigest()
        return f"{self._connection.endpoint}\n{seen_by}\n{question}"

    def _recall(self, path: Path, form: Form[_Value]) -> Answered[_Value] | None:
        """Read what was kept; whatever else lies there counts as nothing."""
        try:
            content = read_regular(path, most_bytes=LARGEST_ANSWER_BYTES, within=self._folder)
            record = shape.record(shape.parse(content, most_bytes=LARGEST_ANSWER_BYTES))
            return Answered(form.read(record.get("value")), shape.moment(record.get("at")))
        except (OSError, shape.UnlikeError):
            return None

    def _remember(self, path: Path, value: object) -> None:
        """Keep an answer, if that can be done."""
        content = json.dumps({"at": self._now().isoformat(), "value": value}).encode()
        if len(content) > LARGEST_ANSWER_BYTES:
            return
        # A name of its own: two threads may have asked the same at once.
        draft = path.with_name(f"{path.stem}.{secrets.token_hex(8)}.new")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            try:
                draft.write_bytes(content)
                draft.replace(path)
            finally:
                draft.unlink(missing_ok=True)
            self._sweep()
        except OSError as error:
            _log.debug("hub.not_kept", folder=str(self._folder), error=error.strerror)

    def _sweep(self) -> None:
        """Let the oldest go until the rest is within both bounds, and old drafts."""
        with self._sweeping:
            known = []
            for path in self._folder.iterdir():
                try:
                    known.append((path.stat(follow_symlinks=False), path))
                except FileNotFoundError:
                    continue  # a draft of another thread, renamed meanwhile
            known.sort(key=lambda one: -one[0].st_mtime_ns)
            old_ns = (self._now() - timedelta(hours=1)).timestamp() * 1e9
            kept = total_bytes = 0
            for status, path in known:
                if path.suffix == ".new":
                    if status.st_mtime_ns < old_ns:
                        path.unlink(missing_ok=True)
                    continue
                kept += 1
                total_bytes += status.st_size
                if kept > KEPT_ANSWERS or total_bytes > KEPT_BYTES:
                    path.unlink(missing_ok=True)
