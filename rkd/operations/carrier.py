"""
Brings an operation from its start to its end, whatever happens on the way.

Every path ends: a runner that fails, that does not stop, that cannot clean up; a disk on which
nothing can be written. Lives on the event loop's thread only.
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial

import structlog

from rkd.errors import Reason, RkdError
from rkd.events import Publish
from rkd.operations.journal import Journal
from rkd.operations.live import Live
from rkd.operations.operation import Operation, OperationKind, OperationState, StoredFailure
from rkd.operations.report import Report
from rkd.operations.runner import Runner
from rkd.outside import escaped

_log = structlog.get_logger(__name__)

STOP_WAIT_S = 20.0
"""How long work is waited for that was asked to stop, and then its cleaning up."""

CLOSE_WAIT_S = 6.0
"""How long all of them together are waited for when rkd stops; what is on disk goes on later."""

_EVENT_INTERVAL_S = 1.0
"""Progress enters the event log once a second, so that it does not push other history out."""


class Carrier:
    """
    Runs operations and writes down how they end.

    Args:
        journal: where they survive a restart.
        runners: who does what.
        publish: where changes are announced.
        now: the wall clock.
        at_once: operations at work at once; further ones wait as PENDING.
        stop_wait_s: see `STOP_WAIT_S`.
    """

    def __init__(
        self,
        *,
        journal: Journal,
        runners: Mapping[OperationKind, Runner],
        publish: Publish,
        now: Callable[[], datetime],
        at_once: int,
        stop_wait_s: float = STOP_WAIT_S,
    ) -> None:
        self._journal = journal
        self._runners = runners
        self._publish = publish
        self._now = now
        self._stop_wait_s = stop_wait_s
        self._slots = asyncio.Semaphore(at_once)
        self._tasks: set[asyncio.Task[None]] = set()

    def launch(self, live: Live) -> None:
        """Begin, or go on with, the work of *live*."""
        live.stop_as, live.work = None, None
        live.over.clear()
        self._own(live, self._carry_out(live))

    def stop(self, live: Live, state: OperationState) -> None:
        """Let *live* come to *state*; watchers are woken when it has, or has ended otherwise."""
        if live.at_rest:
            live.stop_as = state
            self._own(live, self._on_stopped(live))
        else:
            live.stop(state, within_s=self._stop_wait_s)

    async def finish(
        self,
        live: Live,
        state: OperationState,
        *,
        detail: Mapping[str, str] | None = None,
        failure: StoredFailure | None = None,
    ) -> None:
        """Write down how *live* ended, then tell."""
        ended = replace(
            live.operation,
            state=state,
            finished=self._now(),
            detail=live.operation.detail if detail is None else detail,
            failure=failure,
        )
        _log.info(
            "operation.finished",
            id=ended.id,
            subject=ended.subject,
            state=str(state),
            reason=str(failure.reason) if failure else "",
        )
        # On disk before anybody hears of it: a client told "done" finds it done after a crash.
        await self._journal.settle(ended)
        live.operation = ended
        self.announce(live, "cancelled" if state is OperationState.CANCELLED else "finished")

    def announce(self, live: Live, action: str) -> None:
        """Tell the event log and every watcher."""
        live.wake()  # first: who watches hears of it even if the log cannot take it
        self._publish(live.event(action))

    async def close(self) -> None:
        """Stop everything, keeping it resumable: what ran is still RUNNING in the journal."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=CLOSE_WAIT_S)

    def _own(self, live: Live, coroutine: Coroutine[None, None, None]) -> None:
        task = live.task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(partial(self._on_carried, live))

    def _on_carried(self, live: Live, task: asyncio.Task[None]) -> None:
        """See to it that a defect here strands nobody who waits for the end."""
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is None:
            return
        failure = _defect(live.operation, error)
        if not live.operation.state.final:
            live.operation = replace(
                live.operation, state=OperationState.FAILED, finished=self._now(), failure=failure
            )
            self.announce(live, "finished")

    async def _carry_out(self, live: Live) -> None:
        """Run the work in a task of its own and write down how it ended, whatever it was."""
        loop = asyncio.get_running_loop()
        live.report = Report(loop, lambda: self._on_progress(live), known=live.operation.progress)
        if live.stop_as is not None:  # before it began
            await self._on_stopped(live)
            return
        live.work = asyncio.create_task(self._work(live, live.report))
        live.work.add_done_callback(lambda _: live.over.set())
        try:
            await live.over.wait()
        except asyncio.CancelledError:
            live.work.cancel()
            live.work.add_done_callback(_heard)
            await asyncio.wait({live.work}, timeout=CLOSE_WAIT_S)
            raise
        finally:
            live.take_progress()
        await self._on_ended(live, live.work)

    async def _on_ended(self, live: Live, work: asyncio.Task[Mapping[str, str]]) -> None:
        if not work.done():
            _log.warning("operation.stuck", id=live.operation.id, subject=live.operation.subject)
            work.add_done_callback(_heard)
            await self._on_stopped(live, clean=False)
            return
        error = None if work.cancelled() else work.exception()
        if work.cancelled() or (error and live.stop_as is OperationState.CANCELLED):
            await self._on_stopped(live)
        elif error is None:
            detail = {**live.operation.detail, **work.result()}
            await self.finish(live, OperationState.SUCCEEDED, detail=detail)
        else:
            failure = _failure(live.operation, error)
            await self.finish(live, OperationState.FAILED, failure=failure)

    async def _work(self, live: Live, report: Report) -> Mapping[str, str]:
        async with self._slots:
            started = live.operation.started or self._now()
            running = replace(live.operation, state=OperationState.RUNNING, started=started)
            await self._journal.save(running)
            live.operation = running
            self.announce(live, "changed")
            return await self._runners[running.kind].run(running, report)

    async def _on_stopped(self, live: Live, *, clean: bool = True) -> None:
        if live.stop_as is OperationState.PAUSED:
            paused = replace(live.operation, state=OperationState.PAUSED)
            try:
                await self._journal.save(paused)
            except RkdError as error:
                # It stands still all the same; only a restart would go on with it.
                _log.warning("operations.unsaved", id=paused.id, error=error.message)
            # Unless a cancel was asked for meanwhile.
            if live.stop_as is OperationState.PAUSED:
                live.operation = paused
                self.announce(live, "changed")
                return
        left = await self._left_behind(live) if clean else "its work did not stop in time"
        detail = {**live.operation.detail, **({"warning": left} if left else {})}
        await self.finish(live, OperationState.CANCELLED, detail=detail)

    async def _left_behind(self, live: Live) -> str:
        """Clean up after a cancelled operation; says what stood against it, "" if nothing did."""
        runner = self._runners.get(live.operation.kind)
        if runner is None:
            return ""
        cleaning = asyncio.create_task(runner.discard(live.operation))
        await asyncio.wait({cleaning}, timeout=self._stop_wait_s)
        if not cleaning.done():
            cleaning.add_done_callback(_heard)
            return "it could not be cleaned up in time"
        error = None if cleaning.cancelled() else cleaning.exception()
        if error is None:
            return ""
        failure = _failure(live.operation, error)
        _log.warning("operation.uncleaned", id=live.operation.id, error=failure.message)
        return f"it could not be cleaned up: {failure.message}"

    def _on_progress(self, live: Live) -> None:
        if live.operation.state is not OperationState.RUNNING:
            return
        live.take_progress()
        now_s = asyncio.get_running_loop().time()
        if now_s - live.published_s >= _EVENT_INTERVAL_S:
            live.published_s = now_s
            self.announce(live, "progress")
        else:
            live.wake()


def _failure(operation: Operation, error: BaseException) -> StoredFailure:
    if isinstance(error, RkdError):
        return StoredFailure.of(error)
    if isinstance(error, OSError):
        return StoredFailure.of_the_system(error, f"the {operation.kind} of {operation.subject}")
    return _defect(operation, error)


def _defect(operation: Operation, error: BaseException) -> StoredFailure:
    # As text: a renderer that shows local variables would show the hub's token.
    trace = "".join(traceback.format_exception(error))
    _log.error("operation.defect", id=operation.id, trace=trace)
    return StoredFailure(Reason.INTERNAL, escaped(f"{operation.id} met a defect: {error!r}"[:300]))


def _heard(task: asyncio.Task[Mapping[str, str]] | asyncio.Task[None]) -> None:
    """Take the end of a task nobody waits for any more, so that it is not reported as unheard."""
    if not task.cancelled():
        task.exception()
