"""ModelService whole: models pulled, pushed and made as well, as operations that are told of."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from rkd.errors import NotFoundError, bad_field
from rkd.hub.connection import Connection
from rkd.library.library import Library
from rkd.model import ModelName
from rkd.modelfile.commands import ProblemSeverity
from rkd.modelfile.lint import lint
from rkd.operations.create_start import check_create, start_create
from rkd.operations.operation import Operation, OperationState, succeeded
from rkd.operations.operations import Operations
from rkd.operations.order import CreateOrder, Work, file_name
from rkd.operations.pull_order import PullOrder, start_pull
from rkd.operations.push import start_push
from rkd.outside import escaped, quoted
from rkd.service.models import ModelsOnDisk
from rkd.service.operations import encode, follow
from rkd.v1 import models_pb2 as pb
from rkd.v1.models_pb2_grpc import ModelServiceServicer

MAX_FILE_NAME_BYTES = 200
"""File systems take 255; what is put before and behind while a file is written needs some."""

NO_DIGEST = f"sha256:{0:064}"
"""Stands for that of a file which nobody has hashed yet."""


class ModelService(ModelsOnDisk, ModelServiceServicer):
    """
    The service.

    Args:
        library: the models.
        operations: run pulls, creates and pushes.
        connection: the way to the hub; refuses at once while offline.
        in_use: whether the model of a key answers right now.
        others: what `ModelsOnDisk` takes.
    """

    def __init__(
        self,
        library: Library,
        *,
        operations: Operations,
        connection: Connection,
        in_use: Callable[[str], bool],
        **others: Any,
    ) -> None:
        super().__init__(library, **others)
        self._operations = operations
        self._connection = connection
        self._in_use = in_use

    async def Pull(self, request: pb.PullRequest, context: Any) -> AsyncIterator[pb.PullResponse]:
        """Download a model; the last response has ended, a failure is the call's own."""
        order = PullOrder.of(
            request.source,
            name=request.name,
            revision=request.revision,
            replace=request.replace,
            endpoint=self._connection.endpoint,
        )
        self._connection.require_online(f"a pull of {order.source}")
        begun = await start_pull(self._operations, order)
        async with aclosing(self._follow(begun, request)) as steps:
            async for step in steps:
                terms = step.detail.get("license", "")
                yield pb.PullResponse(operation=encode(step), license=terms)

    async def Push(self, request: pb.PushRequest, context: Any) -> AsyncIterator[pb.PushResponse]:
        """Upload a model; the last response has ended, a failure is the call's own."""
        self._connection.require_online("an upload")
        begun = await start_push(
            self._operations,
            model=await self._library.named(request.model),
            repository=request.repository,
            private=request.private,
            message=request.message,
            endpoint=self._connection.endpoint,
        )
        async with aclosing(self._follow(begun, request)) as steps:
            async for step in steps:
                url = step.detail.get("commit_url", "")
                yield pb.PushResponse(operation=encode(step), commit_url=url)

    def _follow(
        self, begun: Operation, request: pb.PullRequest | pb.PushRequest
    ) -> AsyncGenerator[Operation, None]:
        return follow(
            self._operations,
            begun,
            detach=request.detach,
            cancel_when_left=request.cancel_on_disconnect,
        )

    async def Create(
        self, request: pb.CreateRequest, context: Any
    ) -> AsyncIterator[pb.CreateResponse]:
        """
        Make a model, after pulling what its FROM names on the Hub; tells of both.

        Leaving the stream leaves the work running; the same request attaches to it.
        """
        missing = NO_DIGEST if request.check_only else ""
        _check_files(request)
        order = CreateOrder(
            name=ModelName.parse(request.model),
            modelfile=request.modelfile,
            files=tuple((file.name, file.digest or missing) for file in request.files),
            quantize=request.quantize,
            replace=request.replace,
            existing_file=request.existing_file,
            huggingface_path=request.huggingface_path,
        )
        if request.check_only:
            await check_create(self._library, order, in_use=self._in_use)
            return
        if order.work() is Work.HUB and not self._connection.offline:
            source = order.read().sources[0].text
            wanted = PullOrder.of(source, replace=False, endpoint=self._connection.endpoint)
            pulled = await start_pull(self._operations, wanted)
            async with aclosing(follow(self._operations, pulled)) as steps:
                async for pulled in steps:
                    if not pulled.state.final:
                        yield pb.CreateResponse(operation=encode(pulled))
            order = replace(order, parent=succeeded(pulled).detail["model"])
        begun = await start_create(self._operations, self._library, order, in_use=self._in_use)
        async with aclosing(follow(self._operations, begun)) as steps:
            async for step in steps:
                yield self._created(order, step)

    def _created(self, order: CreateOrder, step: Operation) -> pb.CreateResponse:
        response = pb.CreateResponse(operation=encode(step))
        if step.state is OperationState.SUCCEEDED:
            response.warnings.extend(map(escaped, _warnings(order, step)))
            try:
                response.model.CopyFrom(self._summary(self._library.find(order.name)))
            except NotFoundError:  # deleted in this very moment
                return response
        return response


def _check_files(request: pb.CreateRequest) -> None:
    """Refuse names no file system takes, before anything is begun."""
    names = [(f"files[{at}].name", one.name) for at, one in enumerate(request.files)]
    for field, name in (*names, ("existing_file", request.existing_file)):
        if len(file_name(name).encode()) > MAX_FILE_NAME_BYTES or "\0" in name:
            raise bad_field(field, f"{quoted(name)} is no name a file can have")


def _warnings(order: CreateOrder, operation: Operation) -> list[str]:
    told = [line for line in operation.detail.get("warnings", "").splitlines() if line]
    problems = lint(order.modelfile) if order.modelfile else ()
    return [*(str(one) for one in problems if one.severity is ProblemSeverity.WARNING), *told]
