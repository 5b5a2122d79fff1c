"""ModelService's Pull and Push: start or join the operation, and tell of it while one listens."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from rkd.hub.connection import Connection
from rkd.model import ModelName
from rkd.operations.operation import Operation
from rkd.operations.operations import Operations
from rkd.operations.pull import PullOrder, start_pull
from rkd.operations.push import start_push
from rkd.service.operations import encode
from rkd.v1 import models_pb2 as pb


class Transfers:
    """
    The two RPCs between a model here and a repository there.

    Args:
        operations: runs them.
        connection: refuses at once while offline.
    """

    def __init__(self, operations: Operations, connection: Connection) -> None:
        self._operations = operations
        self._connection = connection

    async def pull(self, request: pb.PullRequest, context: Any) -> AsyncIterator[pb.PullResponse]:
        """Download a model; the last response has ended, a failure is the call's own."""
        del context
        order = PullOrder.of(
            request.source,
            name=request.name,
            revision=request.revision,
            replace=request.replace,
            endpoint=self._connection.endpoint,
        )
        self._connection.require_online(f"a pull of {order.source}")
        operation = await start_pull(self._operations, order)
        if request.detach:
            yield pb.PullResponse(operation=encode(operation))
            return
        async with self._operations.attach(
            operation.id, cancel_when_left=request.cancel_on_disconnect
        ) as updates:
            async for update in updates:
                _raise_failure(update)
                yield pb.PullResponse(
                    operation=encode(update), license=update.detail.get("license", "")
                )
                if update.state.final:
                    return
        self._operations.require_running()

    async def push(self, request: pb.PushRequest, context: Any) -> AsyncIterator[pb.PushResponse]:
        """Upload a model; the last response has ended, a failure is the call's own."""
        del context
        self._connection.require_online("an upload")
        operation = await start_push(
            self._operations,
            model=ModelName.parse(request.model),
            repository=request.repository,
            private=request.private,
            message=request.message,
            endpoint=self._connection.endpoint,
        )
        if request.detach:
            yield pb.PushResponse(operation=encode(operation))
            return
        async with self._operations.attach(
            operation.id, cancel_when_left=request.cancel_on_disconnect
        ) as updates:
            async for update in updates:
                _raise_failure(update)
                yield pb.PushResponse(
                    operation=encode(update), commit_url=update.detail.get("commit_url", "")
                )
                if update.state.final:
                    return
        self._operations.require_running()


def _raise_failure(operation: Operation) -> None:
    if operation.failure is not None:
        error = operation.failure.error()
        error.metadata["operation"] = operation.id
        raise error
