"""
Which inferences are under way, to cancel them by id; `meters.py` counts them.

Knows nothing of gRPC or of engines; lives on the event loop's thread.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from structlog.contextvars import bind_contextvars

from rkd import log
from rkd.errors import bad_field


@dataclass(slots=True)
class Running:
    """
    One inference under way.

    Args:
        task: the call's own task; cancelling it is how every end comes about.
        cancelled: another client asked for the end.
    """

    request_id: str
    model: str
    task: asyncio.Task[object]
    cancelled: bool = False

    def takes_back(self, error: BaseException) -> bool:
        """
        Say whether *error* is the end another client asked for by id, and take it back if so.

        Everything else that cancels a task - the client gone, its deadline, shutdown - stays.
        """
        if not isinstance(error, asyncio.CancelledError) or not self.cancelled:
            return False
        return self.task.uncancel() == 0


class RunningRequests:
    """Inferences under way by their ids."""

    def __init__(self) -> None:
        self._running: dict[str, Running] = {}

    @contextmanager
    def entered(self, request_id: str, model: str) -> Iterator[Running]:
        """
        Register the calling task as one inference until the block is left.

        Raises:
            InvalidInputError: INVALID_FIELD, when *request_id* is running already.
        """
        name = request_id or self._of_the_call()
        if name in self._running:
            raise bad_field("options.request_id", f"{name} is running already")
        task = asyncio.current_task()
        if task is None:
            raise AssertionError("an inference runs inside a task")
        entry = Running(name, model, task)
        self._running[name] = entry
        bind_contextvars(request_id=name)
        try:
            yield entry
        finally:
            del self._running[name]

    def _of_the_call(self) -> str:
        """Take the call's own id (x-request-id), unless a proxy sends one for several calls."""
        bound = log.request_id()
        return bound if bound and bound not in self._running else uuid.uuid4().hex

    def cancel(self, request_id: str) -> bool:
        """Stop *request_id*; False when it is not running."""
        entry = self._running.get(request_id)
        if entry is None or entry.cancelled:
            return entry is not None
        entry.cancelled = True
        entry.task.cancel()
        return True
