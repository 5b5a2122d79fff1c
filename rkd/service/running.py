"""
Which inferences are under way: to cancel them by id, and to show them.

Knows nothing of gRPC or of engines; lives on the event loop's thread.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rkd.errors import InvalidInputError, Reason, Violation


@dataclass(slots=True)
class Running:
    """
    One inference under way.

    Args:
        task: the call's own task; cancelling it is how every end comes about.
        cancelled: another client asked for the end.
        started_s: monotonic.
        first_token_s: monotonic; 0 before the first piece.
    """

    request_id: str
    model: str
    task: asyncio.Task[object]
    started_s: float
    cancelled: bool = False
    tokens: int = 0
    first_token_s: float = 0.0

    @property
    def tokens_per_s(self) -> float:
        """Speed since the first piece."""
        passed_s = time.monotonic() - self.first_token_s
        return self.tokens / passed_s if self.first_token_s and passed_s > 0 else 0.0


@dataclass(slots=True)
class RunningRequests:
    """Inferences by their id, and what was served since the start."""

    clock: Callable[[], float] = time.monotonic
    requests_total: int = 0
    tokens_total: int = 0
    _running: dict[str, Running] = field(default_factory=dict)

    @contextmanager
    def entered(self, request_id: str, model: str) -> Iterator[Running]:
        """
        Register the calling task as one inference until the block is left.

        Raises:
            InvalidInputError: INVALID_FIELD, when *request_id* is running already.
        """
        name = request_id or uuid.uuid4().hex
        if name in self._running:
            what = f"options.request_id {name} is running already"
            raise InvalidInputError(
                Reason.INVALID_FIELD,
                f"{what}.",
                violations=(Violation("options.request_id", "is running already"),),
            )
        task = asyncio.current_task()
        if task is None:
            raise AssertionError("an inference runs inside a task")
        entry = Running(name, model, task, self.clock())
        self._running[name] = entry
        try:
            yield entry
        finally:
            del self._running[name]
            self.requests_total += 1
            self.tokens_total += entry.tokens

    def cancel(self, request_id: str) -> bool:
        """Stop *request_id*; False when it is not running."""
        entry = self._running.get(request_id)
        if entry is None or entry.cancelled:
            return entry is not None
        entry.cancelled = True
        entry.task.cancel()
        return True

    def list(self) -> tuple[Running, ...]:
        """Those under way, oldest first."""
        return tuple(self._running.values())
