"""
One operation while the daemon runs: its record, its task, and those who watch it.

`operations.py` decides and `carrier.py` carries out; here is only what belongs to one operation.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace

from rkd.events import Event, Topic
from rkd.operations.operation import Operation, OperationState
from rkd.operations.report import Report


@dataclass(slots=True, eq=False)
class Live:
    """
    An operation with its task and its watchers; on the event loop's thread only.

    Args:
        operation: the record as of now; replaced, never changed.
        changed: set, and replaced by a new one, at every change.
        watchers: how many clients are attached.
        report: what the runner told, once it was started.
        task: what brings the operation to its next rest, while there is such a thing.
        work: the runner's task, while it is at work.
        over: the work ended, or is waited for no longer.
        stop_as: what a stop under way shall end in.
        published_s: loop time of the last progress in the event log.
        left_alone: the daemon is stopping: nothing will change in this process.
    """

    operation: Operation
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    watchers: int = 0
    report: Report | None = None
    task: asyncio.Task[None] | None = None
    work: asyncio.Task[Mapping[str, str]] | None = None
    over: asyncio.Event = field(default_factory=asyncio.Event)
    stop_as: OperationState | None = None
    published_s: float = float("-inf")
    left_alone: bool = False

    @property
    def at_rest(self) -> bool:
        """Whether nothing is under way that will change the record by itself."""
        return self.task is None or self.task.done()

    def wake(self) -> None:
        """Tell every watcher to look again."""
        self.changed.set()
        self.changed = asyncio.Event()

    def take_progress(self) -> None:
        """Bring what the runner told into the record."""
        if self.report is not None:
            self.operation = replace(
                self.operation,
                progress=self.report.progress(),
                detail={**self.operation.detail, **self.report.detail},
            )

    def stop(self, state: OperationState, *, within_s: float) -> None:
        """
        Ask the work to end as *state*; a cancel wins over a pause that is under way.

        Args:
            state: PAUSED or CANCELLED.
            within_s: after which work that does not end is left behind.
        """
        if self.stop_as is not OperationState.CANCELLED:
            self.stop_as = state
        # Once only: a second cancellation would interrupt the runner's own cleaning up.
        if self.work is not None and not self.work.cancelling():
            self.work.cancel()
            asyncio.get_running_loop().call_later(within_s, self.over.set)

    async def updates(self) -> AsyncIterator[Operation]:
        """Yield the record as of now, then at changes, joined; ends when final or left alone."""
        while True:
            changed = self.changed
            operation = self.operation
            yield operation
            if operation.state.final or self.left_alone:
                return
            await changed.wait()

    def event(self, action: str) -> Event:
        """Build the entry of the event log that tells of *action*."""
        progress = self.operation.progress
        detail = (
            ("kind", str(self.operation.kind)),
            ("about", self.operation.subject),
            ("state", str(self.operation.state)),
            ("moved_bytes", str(max(0, progress.completed_bytes - progress.resumed_bytes))),
        )
        return Event(Topic.OPERATION, action, self.operation.id, detail)
