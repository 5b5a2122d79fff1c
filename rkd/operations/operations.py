"""
Runs operations: one of a kind at a time, watched by any number of clients, surviving them all.

Lives on the event loop's thread only. What an operation does is its runner's business.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import traceback
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Protocol

import structlog

from rkd.errors import NotFoundError, PreconditionError, Reason, RkdError, UnavailableError
from rkd.events import Publish
from rkd.operations.journal import Journal
from rkd.operations.live import Live
from rkd.operations.operation import (
    Failure,
    Operation,
    OperationKind,
    OperationState,
    interrupted,
    succeeded,
)
from rkd.operations.report import Report

_log = structlog.get_logger(__name__)

RUNNING_LIMIT = 4
"""Operations at work at once; further ones wait as PENDING. A board has four fast cores."""

HISTORY_LIMIT = 200
"""Finished operations remembered, and kept on disk; the oldest go first."""

HISTORY_AGE = timedelta(days=7)
"""For how long they are."""

_EVENT_INTERVAL_S = 1.0
"""Progress enters the event log once a second, so that it does not push other history out."""


class Runner(Protocol):
    """What carries out one kind of operation."""

    @property
    def resumable(self) -> bool:
        """True when `run` may be called again after a restart and goes on where it was."""

    async def run(self, operation: Operation, report: Report) -> Mapping[str, str]:
        """
        Do it; the result is added to the operation's detail.

        Cancelling the task means stop soon and keep what was done: a pause looks the same.

        Raises:
            RkdError: what the operation then fails with.
        """

    async def discard(self, operation: Operation) -> None:
        """Remove what a cancelled operation left behind; `run` is no longer at work."""


class Operations:
    """
    Starts, joins, stops and remembers operations.

    Args:
        journal: where they survive a restart; closed by `close`.
        runners: who does what.
        publish: where changes are announced.
        now: the wall clock.
    """

    def __init__(
        self,
        *,
        journal: Journal,
        runners: Mapping[OperationKind, Runner],
        publish: Publish,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._journal = journal
        self._runners = runners
        self._publish = publish
        self._now = now
        self._slots = asyncio.Semaphore(RUNNING_LIMIT)
        self._all: dict[str, Live] = {}
        self._tasks: set[asyncio.Task[object]] = set()
        self._closing = False

    async def load(self) -> tuple[Operation, ...]:
        """Read the journal once, before `restore`; nothing runs yet."""
        for operation in await self._journal.load():
            self._all[operation.id] = Live(operation)
        return self.list()

    async def restore(self) -> None:
        """Go on, after `load`, with what can go on by itself, and fail the rest."""
        for live in tuple(self._all.values()):
            operation = live.operation
            if operation.state.final or operation.state is OperationState.PAUSED:
                continue
            runner = self._runners.get(operation.kind)
            if runner is not None and runner.resumable:
                _log.info("operation.resumed", id=operation.id, subject=operation.subject)
                live.operation = replace(operation, state=OperationState.PENDING)
                self._launch(live)
            else:
                await self._finish(live, OperationState.FAILED, failure=interrupted(operation))
        await self._trim()

    async def start(
        self, kind: OperationKind, *, key: str, subject: str, request: Mapping[str, str]
    ) -> Operation:
        """
        Start an operation, or join the one that is doing the same; returns once it is on disk.

        Args:
            kind: which runner does it.
            key: what makes two requests the same work, within *kind*.
            subject: what it is about, for people.
            request: given to the runner, now and after a restart.

        Raises:
            UnavailableError: SHUTTING_DOWN.
        """
        self.require_running()
        for live in self._all.values():
            known = live.operation
            if known.kind is kind and known.key == key and not known.state.final:
                if known.state is OperationState.PAUSED:
                    return await self.resume(known.id)
                return known
        operation = Operation(
            id=f"{kind}-{secrets.token_hex(4)}",
            kind=kind,
            key=key,
            subject=subject,
            request=dict(request),
            state=OperationState.PENDING,
            created=self._now(),
        )
        live = self._all[operation.id] = Live(operation)
        self._launch(live)
        self._announce(live, "added")
        await self._journal.save(operation)
        await self._trim()
        return live.operation

    def list(self) -> tuple[Operation, ...]:
        """Every operation known, oldest first."""
        return tuple(live.operation for live in self._all.values())

    def get(self, operation_id: str) -> Operation:
        """
        Look one up.

        Raises:
            NotFoundError: OPERATION_NOT_FOUND.
        """
        return self._live(operation_id).operation

    async def cancel(self, operation_id: str) -> Operation:
        """Stop it and remove what it left; returns when that is done. Finished ones stay."""
        return await self._stop(operation_id, OperationState.CANCELLED)

    async def pause(self, operation_id: str) -> Operation:
        """
        Stop it and keep what it has; returns when it stands still. Finished ones stay.

        Raises:
            PreconditionError: CAPABILITY_UNSUPPORTED, for a kind that cannot go on later.
        """
        operation = self.get(operation_id)
        if not operation.state.final and not self._runners[operation.kind].resumable:
            raise PreconditionError(
                Reason.CAPABILITY_UNSUPPORTED,
                f"a {operation.kind} cannot be paused",
                remedy=f"Cancel it instead: rkctl ops cancel {operation_id}",
                metadata={"operation": operation_id},
            )
        return await self._stop(operation_id, OperationState.PAUSED)

    async def resume(self, operation_id: str) -> Operation:
        """Go on with a paused or failed operation; others are left as they are."""
        live = self._live(operation_id)
        self.require_running()
        if live.operation.state in {OperationState.PAUSED, OperationState.FAILED}:
            live.operation = replace(
                live.operation, state=OperationState.PENDING, finished=None, failure=None
            )
            self._launch(live)
            self._announce(live, "changed")
            await self._journal.save(live.operation)
        return live.operation

    @contextlib.asynccontextmanager
    async def attach(
        self, operation_id: str, *, cancel_when_left: bool = False
    ) -> AsyncIterator[AsyncIterator[Operation]]:
        """
        Watch an operation: its present state first, then every change, joined when slow.

        The iteration ends after a final state. Leaving detaches; with *cancel_when_left*, the
        last watcher to leave an unfinished operation cancels it.

        Raises:
            NotFoundError: OPERATION_NOT_FOUND.
        """
        live = self._live(operation_id)
        live.watchers += 1
        try:
            yield live.updates()
        finally:
            live.watchers -= 1
            unwanted = cancel_when_left and not live.watchers and not self._closing
            if unwanted and not live.operation.state.final:
                self._own(self.cancel(operation_id))

    async def finished(self, operation_id: str) -> Operation:
        """
        Wait for the end and return the operation as it succeeded.

        Raises:
            RkdError: what it failed with; CANCELLED counts as MODEL_INCOMPLETE.
        """
        async with self.attach(operation_id) as updates:
            async for _ in updates:
                pass
        operation = self.get(operation_id)
        if not operation.state.final:
            self.require_running()
        return succeeded(operation)

    def require_running(self) -> None:
        """
        Go on only while operations can start and be watched.

        Raises:
            UnavailableError: SHUTTING_DOWN.
        """
        if self._closing:
            raise UnavailableError(
                Reason.SHUTTING_DOWN,
                "rkd is stopping",
                remedy="Try again in a moment; operations under way go on by themselves.",
                retry_after_s=5,
            )

    async def close(self) -> None:
        """Stop everything, keeping it resumable: what ran is still RUNNING in the journal."""
        self._closing = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for live in self._all.values():
            live.left_alone = True
            live.wake()
        await asyncio.to_thread(self._journal.close)

    def _live(self, operation_id: str) -> Live:
        live = self._all.get(operation_id)
        if live is None:
            raise NotFoundError(
                Reason.OPERATION_NOT_FOUND,
                f"no operation {operation_id[:80]!r}",
                remedy="List them: rkctl ops list",
                metadata={"operation": operation_id[:80]},
            )
        return live

    def _launch(self, live: Live) -> None:
        live.stop_as = None
        self._own(self._carry_out(live))

    def _own(self, coroutine: Coroutine[None, None, object]) -> None:
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry_out(self, live: Live) -> None:
        """Run the work in a task of its own and write down how it ended, whatever it was."""
        loop = asyncio.get_running_loop()
        live.report = Report(loop, lambda: self._on_progress(live), known=live.operation.progress)
        live.work = asyncio.create_task(self._work(live, live.report))
        try:
            await asyncio.wait({live.work})
        except asyncio.CancelledError:
            live.work.cancel()
            await asyncio.wait({live.work})
            raise
        finally:
            live.take_progress()
        if live.work.cancelled():
            await self._on_stopped(live)
        elif (error := live.work.exception()) is None:
            detail = {**live.operation.detail, **live.work.result()}
            await self._finish(live, OperationState.SUCCEEDED, detail=detail)
        elif isinstance(error, RkdError):
            await self._finish(live, OperationState.FAILED, failure=Failure.of(error))
        else:
            # As text: a renderer that shows local variables would show the hub's token.
            trace = "".join(traceback.format_exception(error))
            _log.error("operation.defect", id=live.operation.id, trace=trace)
            failure = Failure(Reason.INTERNAL, f"{live.operation.id} met a defect: {error!r}")
            await self._finish(live, OperationState.FAILED, failure=failure)

    async def _work(self, live: Live, report: Report) -> Mapping[str, str]:
        async with self._slots:
            started = live.operation.started or self._now()
            running = replace(live.operation, state=OperationState.RUNNING, started=started)
            await self._journal.save(running)
            live.operation = running
            self._announce(live, "changed")
            return await self._runners[live.operation.kind].run(live.operation, report)

    async def _stop(self, operation_id: str, state: OperationState) -> Operation:
        live = self._live(operation_id)
        paused = live.operation.state is OperationState.PAUSED
        if paused and OperationState.CANCELLED is state is not live.stop_as:
            live.stop_as = state
            await self._on_stopped(live)
        while not live.operation.state.final and live.operation.state is not state:
            changed = live.changed
            live.stop(state)
            await changed.wait()
        return live.operation

    async def _on_stopped(self, live: Live) -> None:
        if live.stop_as is OperationState.PAUSED:
            paused = replace(live.operation, state=OperationState.PAUSED)
            await self._journal.save(paused)
            live.operation = paused
            self._announce(live, "changed")
            return
        await self._runners[live.operation.kind].discard(live.operation)
        await self._finish(live, OperationState.CANCELLED)

    async def _finish(
        self,
        live: Live,
        state: OperationState,
        *,
        detail: Mapping[str, str] | None = None,
        failure: Failure | None = None,
    ) -> None:
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
        await self._journal.save(ended)
        live.operation = ended
        self._announce(live, "cancelled" if state is OperationState.CANCELLED else "finished")

    def _on_progress(self, live: Live) -> None:
        if live.operation.state is not OperationState.RUNNING:
            return
        live.take_progress()
        now_s = asyncio.get_running_loop().time()
        if now_s - live.published_s >= _EVENT_INTERVAL_S:
            live.published_s = now_s
            self._announce(live, "progress")
        else:
            live.wake()

    def _announce(self, live: Live, action: str) -> None:
        self._publish(live.event(action))
        live.wake()

    async def _trim(self) -> None:
        ended = [
            (operation_id, live.operation.finished or live.operation.created)
            for operation_id, live in self._all.items()
            if live.operation.state.final
        ]
        oldest = self._now() - HISTORY_AGE
        beyond = len(ended) - HISTORY_LIMIT
        for number, (operation_id, at) in enumerate(ended):
            if number < beyond or at < oldest:
                del self._all[operation_id]
                await self._journal.forget(operation_id)
