"""OperationService: pulls, creates and pushes, listed, stopped, resumed and watched."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from datetime import UTC, datetime
from typing import Any

from rkd.errors import NotFoundError
from rkd.events import EventLog, Topic
from rkd.operations.operation import Operation, OperationKind, Progress
from rkd.operations.operations import Operations
from rkd.service import onwire
from rkd.service.paging import page
from rkd.v1 import operations_pb2 as pb
from rkd.v1 import types_pb2 as types
from rkd.v1.operations_pb2_grpc import OperationServiceServicer

MAX_FILES = 100
FILE_NAME_BYTES = 512
"""What an operation tells of its files: all of them, where they are as many as any model has."""


class OperationService(OperationServiceServicer):
    """
    The service.

    Args:
        operations: what runs and ran.
        events: the daemon's one event log.
    """

    def __init__(self, operations: Operations, events: EventLog) -> None:
        self._operations = operations
        self._events = events

    async def List(
        self, request: pb.OperationServiceListRequest, context: Any
    ) -> pb.OperationServiceListResponse:
        """List operations, newest first."""
        known = [
            one
            for one in reversed(self._operations.list())
            if not (request.active and one.state.final)
        ]
        shown, following = page(known, _newest_first, request.page_size, request.page_token)
        return pb.OperationServiceListResponse(
            operations=[encode(one) for one in shown], next_page_token=following
        )

    async def Get(
        self, request: pb.OperationServiceGetRequest, context: Any
    ) -> pb.OperationServiceGetResponse:
        """Tell one operation."""
        return pb.OperationServiceGetResponse(operation=encode(self._operations.get(request.id)))

    async def Cancel(
        self, request: pb.OperationServiceCancelRequest, context: Any
    ) -> pb.OperationServiceCancelResponse:
        """Stop an operation and give back what it had."""
        stopped = await self._operations.cancel(request.id)
        return pb.OperationServiceCancelResponse(operation=encode(stopped))

    async def Pause(
        self, request: pb.OperationServicePauseRequest, context: Any
    ) -> pb.OperationServicePauseResponse:
        """Stop an operation and keep what it has."""
        paused = await self._operations.pause(request.id)
        return pb.OperationServicePauseResponse(operation=encode(paused))

    async def Resume(
        self, request: pb.OperationServiceResumeRequest, context: Any
    ) -> pb.OperationServiceResumeResponse:
        """Go on with a paused or failed operation."""
        resumed = await self._operations.resume(request.id)
        return pb.OperationServiceResumeResponse(operation=encode(resumed))

    async def Watch(
        self, request: pb.OperationServiceWatchRequest, context: Any
    ) -> AsyncIterator[pb.OperationServiceWatchResponse]:
        """Stream one operation until it ends, or all of them for ever."""
        if request.id and not request.HasField("start_revision"):
            async with self._operations.attach(request.id) as updates:
                async for operation in updates:
                    yield self._change(operation, self._events.revision, datetime.now(UTC))
            return
        start = request.start_revision if request.HasField("start_revision") else None
        async for entry in self._events.watch(start):
            if entry.event.topic is not Topic.OPERATION:
                continue
            if request.id and entry.event.subject != request.id:
                continue
            try:
                operation = self._operations.get(entry.event.subject)
            except NotFoundError:
                continue  # forgotten since: history is shorter than the log
            yield self._change(operation, entry.revision, entry.at)
            if request.id and operation.state.final:
                return

    def _change(
        self, operation: Operation, revision: int, at: datetime
    ) -> pb.OperationServiceWatchResponse:
        change = pb.OperationServiceWatchResponse(revision=revision, operation=encode(operation))
        onwire.stamp(change.time, at)
        return change


async def follow(
    operations: Operations,
    begun: Operation,
    *,
    detach: bool = False,
    cancel_when_left: bool = False,
) -> AsyncGenerator[Operation, None]:
    """
    Yield *begun* as it goes on, its end last; *detach* yields it once as it is.

    Leaving leaves the work running unless *cancel_when_left*.

    Raises:
        RkdError: what it failed with, the operation's id in the metadata; SHUTTING_DOWN when the
            daemon stops before it ends.
    """
    if detach:
        yield begun
        return
    async with operations.attach(begun.id, cancel_when_left=cancel_when_left) as updates:
        async for update in updates:
            if update.failure is not None:
                error = update.failure.error()
                error.metadata["operation"] = update.id
                raise error
            yield update
            if update.state.final:
                return
    operations.require_running()


def encode(operation: Operation) -> types.Operation:
    """Write *operation* for the wire."""
    request, failure = operation.request, operation.failure
    source = request.get("repository", "")
    if operation.kind is OperationKind.PULL and request.get("selection"):
        source += f":{request['selection']}"
    named = operation.detail.get("model") or request.get("model") or request.get("name")
    message = onwire.message(
        types.Operation,
        id=operation.id,
        kind=operation.kind,
        model=named or operation.subject,
        source=source,
        state=operation.state,
        progress=_progress(operation.progress),
        error_reason=str(failure.reason) if failure else "",
        error_message=failure.message if failure else "",
        error_remedy=failure.remedy if failure else "",
    )
    onwire.stamp(message.created, operation.created)
    onwire.stamp(message.finished, operation.finished)
    return message


def _progress(progress: Progress) -> types.Progress:
    message = onwire.message(
        types.Progress,
        stage=progress.stage,
        done_bytes=progress.completed_bytes,
        total_bytes=progress.total_bytes,
        rate_bytes_per_s=progress.bytes_per_s,
        files=[
            onwire.message(
                types.FileProgress,
                FILE_NAME_BYTES,
                name=file.name,
                done_bytes=file.completed_bytes,
                total_bytes=file.total_bytes,
                resumed_bytes=file.resumed_bytes,
            )
            for file in progress.files[:MAX_FILES]
        ],
    )
    if progress.remaining_s is not None:
        onwire.span(message.remaining, progress.remaining_s)
    return message


def _newest_first(operation: Operation) -> str:
    """Give the place of *operation* in the list, as a text that grows along it."""
    age = 2**63 - int(operation.created.timestamp() * 1_000_000)
    return f"{age:020d} {operation.id}"
