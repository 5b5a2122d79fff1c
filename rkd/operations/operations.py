"""
Runs operations: one of a kind at a time, watched by any number of clients, surviving them all.

Lives on the event loop's thread only. What an operation does is its runner's business.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import structlog

from rkd.errors import (
    ExhaustedError,
    NotFoundError,
    PreconditionError,
    Reason,
    UnavailableError,
)
from rkd.events import Publish
from rkd.operations.carrier import CLOSE_WAIT_S, STOP_WAIT_S, Carrier
from rkd.operations.journal import Journal
from rkd.operations.live import Live
from rkd.operations.operation import (
    Operation,
    OperationKind,
    OperationState,
    interrupted,
    succeeded,
    superseded,
)
from rkd.operations.runner import Runner

_log = structlog.get_logger(__name__)

RUNNING_LIMIT = 4
"""Operations at work at once; further ones wait as PENDING. A board has four fast cores."""

UNFINISHED_LIMIT = 200
"""Operations that may run, wait or be paused at a time."""

HISTORY_LIMIT = 200
"""Finished operations remembered, and kept on disk; the oldest go first."""

HISTORY_AGE = timedelta(days=7)
"""For how long they are."""


class Operations:
    """
    Starts, joins, stops and remembers operations.

    Args:
        journal: where they survive a restart; closed by `close`.
        runners: who does what.
        publish: where changes are announced.
        now: the wall clock.
        stop_wait_s: how long work is waited for that was asked to stop.
    """

    def __init__(
        self,
        *,
        journal: Journal,
        runners: Mapping[OperationKind, Runner],
        publish: Publish,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        stop_wait_s: float = STOP_WAIT_S,
    ) -> None:
        self._journal = journal
        self._runners = runners
        self._now = now
        self._stop_wait_s = stop_wait_s
        self._carrier = Carrier(
            journal=journal,
            runners=runners,
            publish=publish,
            now=now,
            at_once=RUNNING_LIMIT,
            stop_wait_s=stop_wait_s,
        )
        self._all: dict[str, Live] = {}
        self._errands: set[asyncio.Task[Operation]] = set()
        # Held while it is decided that an operation begins, goes on or stops.
        self._changing = asyncio.Lock()
        self._closing = False

    async def load(self) -> tuple[Operation, ...]:
        """Read the journal once, before `restore`; nothing runs yet."""
        for operation in await self._journal.load():
            self._all[operation.id] = Live(operation)
        return self.list()

    async def restore(self) -> None:
        """Go on, after `load`, with what can go on by itself, and fail the rest."""
        unfinished = [one for one in self._all.values() if not one.operation.state.final]
        for live in unfinished:
            operation = live.operation
            twin = self._twin(operation.kind, operation.key)
            runner = self._runners.get(operation.kind)
            if twin is not None and twin is not live:
                failure = superseded(operation, twin.operation)
                await self._carrier.finish(live, OperationState.FAILED, failure=failure)
            elif operation.state is OperationState.PAUSED:
                continue
            elif runner is not None and runner.resumable:
                _log.info("operation.resumed", id=operation.id, subject=operation.subject)
                live.operation = replace(operation, state=OperationState.PENDING)
                self._carrier.launch(live)
            else:
                failure = interrupted(operation)
                await self._carrier.finish(live, OperationState.FAILED, failure=failure)
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
            ExhaustedError: QUEUE_FULL; DISK_FULL: it could not be written down, and does not exist.
            PreconditionError: CAPABILITY_UNSUPPORTED: nothing can be written in the state folder.
        """
        operation = Operation(
            id=f"{kind}-{secrets.token_hex(4)}",
            kind=kind,
            key=key,
            subject=subject,
            request=dict(request),
            state=OperationState.PENDING,
            created=self._now(),
        )
        return await self._shielded(self._start(operation))

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
        """
        Go on with a paused or failed operation; others are left as they are.

        Where another one does the same work meanwhile, that one is gone on with and returned.
        """
        return await self._shielded(self._resume(operation_id))

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
                self._carrier.stop(live, OperationState.CANCELLED)

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
        await self._carrier.close()
        if self._errands:
            await asyncio.wait(self._errands, timeout=CLOSE_WAIT_S)
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

    def _twin(self, kind: OperationKind, key: str) -> Live | None:
        """Find the unfinished operation that does this work."""
        for live in self._all.values():
            known = live.operation
            if (known.kind, known.key) == (kind, key) and not known.state.final:
                return live
        return None

    async def _start(self, operation: Operation) -> Operation:
        async with self._changing:
            self.require_running()
            twin = self._twin(operation.kind, operation.key)
            if twin is not None:
                return await self._go_on(twin)
            self._check_room()
            # On disk before anybody can see it: what cannot be written down does not exist.
            await self._journal.save(operation)
            live = self._all[operation.id] = Live(operation)
            self._carrier.launch(live)
            self._carrier.announce(live, "added")
        await self._trim()
        return live.operation

    def _check_room(self) -> None:
        unfinished = sum(not live.operation.state.final for live in self._all.values())
        if unfinished >= UNFINISHED_LIMIT:
            raise ExhaustedError(
                Reason.QUEUE_FULL,
                f"{unfinished} operations are under way or waiting, and that is the most",
                remedy="Wait, or cancel some: rkctl ops list",
                metadata={"limit": str(UNFINISHED_LIMIT)},
            )

    async def _resume(self, operation_id: str) -> Operation:
        async with self._changing:
            live = self._live(operation_id)
            self.require_running()
            known, twin = live.operation, None
            if known.state is OperationState.FAILED:
                twin = self._twin(known.kind, known.key)
            return await self._go_on(twin or live)

    async def _go_on(self, live: Live) -> Operation:
        """Let a paused or failed operation run again; one that runs or ended well is left."""
        resumed = live.operation.state in {OperationState.PAUSED, OperationState.FAILED}
        if resumed and live.at_rest:
            pending = replace(
                live.operation, state=OperationState.PENDING, finished=None, failure=None
            )
            await self._journal.save(pending)
            live.operation = pending
            self._carrier.launch(live)
            self._carrier.announce(live, "changed")
        return live.operation

    async def _stop(self, operation_id: str, state: OperationState) -> Operation:
        live = self._live(operation_id)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(3 * self._stop_wait_s):
                while not live.operation.state.final and live.operation.state is not state:
                    changed = live.changed
                    async with self._changing:
                        if changed is live.changed:
                            self._carrier.stop(live, state)
                    await changed.wait()
        return live.operation

    async def _shielded(self, errand: Coroutine[None, None, Operation]) -> Operation:
        """Do *errand* to its end also when who asked for it leaves in the middle."""
        task = asyncio.create_task(errand)
        self._errands.add(task)
        task.add_done_callback(self._on_errand_done)
        return await asyncio.shield(task)

    def _on_errand_done(self, task: asyncio.Task[Operation]) -> None:
        self._errands.discard(task)
        if not task.cancelled():
            task.exception()  # who asked has it, if they are still there

    async def _trim(self) -> None:
        ended = [
            (operation_id, live.operation.finished or live.operation.created)
            for operation_id, live in self._all.items()
            if live.operation.state.final
        ]
        oldest = self._now() - HISTORY_AGE
        beyond = len(ended) - HISTORY_LIMIT
        gone = [
            operation_id
            for number, (operation_id, at) in enumerate(ended)
            if number < beyond or at < oldest
        ]
        # All at once: while one is forgotten on disk, others start, trim, and may be resumed.
        for operation_id in gone:
            del self._all[operation_id]
        for operation_id in gone:
            await self._journal.forget(operation_id)
