"""
Which inferences are under way, to cancel them by id; `telemetry/meters.py` counts them.

Knows nothing of gRPC or of engines; lives on the event loop's thread.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Iterator
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
        let_go: stops the run at once, while the call is busy with its client.
        cancelled: another client asked for the end.
    """

    request_id: str
    model: str
    task: asyncio.Task[object]
    let_go: Callable[[], None] = lambda: None
    cancelled: bool = False
    _with_client: bool = False
    _by_task: bool = False

    def hand_over(self) -> None:
        """
        Say that an event goes to the client now: the task runs in gRPC, not in code of ours.

        Cancelled there, gRPC would end the call without a status, and the client would wait for
        one until its deadline (seen in one run of three on a busy machine).
        """
        self._with_client = True

    def take_over(self) -> None:
        """
        Say that the event is with the client.

        Raises:
            asyncio.CancelledError: another client asked for the end in the meantime.
        """
        self._with_client = False
        if self.cancelled:
            raise asyncio.CancelledError

    def cancel(self) -> None:
        """End it for another client; the run stops at once, however slow its own client is."""
        if self.cancelled:
            return
        self.cancelled = True
        if self._with_client:
            self.let_go()
        else:
            self._by_task = self.task.cancel()

    def takes_back(self, error: BaseException) -> bool:
        """
        Say whether *error* is the end another client asked for by id, and take it back if so.

        Everything else that cancels a task - the client gone, its deadline, shutdown - stays.
        """
        if not isinstance(error, asyncio.CancelledError) or not self.cancelled:
            return False
        return (self.task.uncancel() if self._by_task else self.task.cancelling()) == 0


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
        if entry is not None:
            entry.cancel()
        return entry is not None
