"""ModelService's Create: pull what FROM names on the Hub, then make the model, telling of both."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import replace

from rkd.errors import NotFoundError
from rkd.library.library import Library
from rkd.model import ModelName
from rkd.modelfile.commands import Severity
from rkd.modelfile.lint import lint
from rkd.operations.create import start_create
from rkd.operations.operation import Operation, OperationState, succeeded
from rkd.operations.operations import Operations
from rkd.operations.order import CreateOrder, Work
from rkd.operations.pull import PullOrder, start_pull
from rkd.service import describing
from rkd.service.operations import encode
from rkd.v1 import models_pb2 as pb


class Creates:
    """
    Carries out the RPC.

    Args:
        operations: run creates and pulls.
        library: where models appear.
        in_use: whether the model of a key answers right now.
        hub_endpoint: address under which the Hub is known; None where there is none, or offline.
    """

    def __init__(
        self,
        operations: Operations,
        library: Library,
        *,
        in_use: Callable[[str], bool] = lambda _key: False,
        hub_endpoint: str | None = None,
    ) -> None:
        self._operations = operations
        self._library = library
        self._in_use = in_use
        self._hub_endpoint = hub_endpoint

    async def __call__(self, request: pb.CreateRequest) -> AsyncIterator[pb.CreateResponse]:
        """
        Make the model of *request*; the last response has ended, a failure is the call's own.

        Leaving the stream leaves the work running; the same request attaches to it.
        """
        order = CreateOrder(
            name=ModelName.parse(request.model),
            modelfile=request.modelfile,
            files=tuple((file.name, file.digest) for file in request.files),
            quantize=request.quantize,
            replace=request.replace,
            existing_file=request.existing_file,
            huggingface_path=request.huggingface_path,
        )
        if order.work() is Work.HUB and self._hub_endpoint is not None:
            pulled = None
            async with aclosing(self._pull(order)) as steps:  # type: ignore[type-var]
                async for pulled in steps:
                    if not pulled.state.final:
                        yield pb.CreateResponse(operation=encode(pulled))
            order = replace(order, parent=pulled.detail["model"] if pulled else "")
        operation = await start_create(self._operations, self._library, order, in_use=self._in_use)
        async with self._operations.attach(operation.id) as updates:
            async for update in updates:
                yield self._step(order, update)

    async def _pull(self, order: CreateOrder) -> AsyncIterator[Operation]:
        source = order.read().sources[0].text
        pull = PullOrder.of(source, replace=False, endpoint=self._hub_endpoint or "")
        operation = await start_pull(self._operations, pull)
        async with self._operations.attach(operation.id) as updates:
            async for update in updates:
                if update.state.final:
                    succeeded(update)
                yield update

    def _step(self, order: CreateOrder, operation: Operation) -> pb.CreateResponse:
        if operation.failure is not None:
            error = operation.failure.error()
            error.metadata["operation"] = operation.id
            raise error
        response = pb.CreateResponse(operation=encode(operation))
        if operation.state is OperationState.SUCCEEDED:
            response.warnings.extend(_warnings(order, operation))
            try:
                response.model.CopyFrom(describing.summary(self._library.find(order.name)))
            except NotFoundError:  # deleted in this very moment
                return response
        return response


def _warnings(order: CreateOrder, operation: Operation) -> list[str]:
    told = [line for line in operation.detail.get("warnings", "").splitlines() if line]
    problems = lint(order.modelfile) if order.modelfile else ()
    return [*(str(one) for one in problems if one.severity is Severity.WARNING), *told]
