"""ModelService: models on disk, listed, shown, copied, deleted, brought in, made, and watched."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from rkd.errors import NotFoundError, bad_field
from rkd.events import EventLog
from rkd.hub.connection import Connection
from rkd.library.facts import facts_of
from rkd.library.layout import Left
from rkd.library.library import Library
from rkd.library.uploads import UploadPiece, Uploads
from rkd.model import Model, ModelName
from rkd.modelfile.commands import ProblemSeverity
from rkd.modelfile.lint import lint
from rkd.operations.create_start import check_create, start_create
from rkd.operations.operation import Operation, OperationState, succeeded
from rkd.operations.operations import Operations
from rkd.operations.order import CreateOrder, Work, file_name
from rkd.operations.pull_order import PullOrder, start_pull
from rkd.operations.push import start_push
from rkd.outside import escaped, quoted, shown
from rkd.pool.deciding.runtimes import LibraryReport
from rkd.service import describing, onwire
from rkd.service.capabilities import Capabilities, words
from rkd.service.gate.headers import HEADERS
from rkd.service.operations import encode, follow
from rkd.service.paging import page
from rkd.service.watching import changes
from rkd.v1 import models_pb2 as pb
from rkd.v1.models_pb2_grpc import ModelServiceServicer

MAX_LEFT = 200
MAX_FILE_NAME_BYTES = 200
"""File systems take 255; what is put before and behind while a file is written needs some."""

LEFT_BYTES = 1024
"""What a listing tells of files it left alone."""

Release = Callable[[ModelName, bool], Awaitable[None]]
"""Makes a model leave memory; raises MODEL_BUSY while it answers, unless the flag says drain."""


NO_DIGEST = f"sha256:{0:064}"
"""Stands for that of a file which nobody has hashed yet."""


class ModelService(ModelServiceServicer):
    """
    The service.

    Args:
        library: the models.
        uploads: brings files in.
        events: the daemon's one log.
        operations: run pulls, creates and pushes.
        connection: the way to the hub; refuses at once while offline.
        release: makes a model leave memory.
        residents: keys of the models in memory.
        in_use: whether the model of a key answers right now.
        capabilities: judges what models can be asked for.
        libraries: how the board's NPU libraries stand to a model.
    """

    def __init__(
        self,
        library: Library,
        *,
        uploads: Uploads,
        events: EventLog,
        operations: Operations,
        connection: Connection,
        release: Release,
        residents: Callable[[], frozenset[str]],
        in_use: Callable[[str], bool],
        libraries: Callable[[Model], tuple[LibraryReport, ...]] = lambda _model: (),
        capabilities: Capabilities | None = None,
    ) -> None:
        self._library = library
        self._uploads = uploads
        self._events = events
        self._operations = operations
        self._connection = connection
        self._release = release
        self._residents = residents
        self._in_use = in_use
        self._libraries = libraries
        self._capabilities = capabilities or Capabilities(lambda _model: ())

    async def List(self, request: pb.ListRequest, context: Any) -> pb.ListResponse:
        """List models from the snapshot; a file dropped in a moment ago is migrated first."""
        snapshot = await self._library.current()
        prefix = request.prefix.casefold()
        models = [one for one in snapshot.models() if one.name.key.startswith(prefix)]
        shown, following = page(
            models, lambda one: one.name.key, request.page_size, request.page_token
        )
        residents = self._residents()
        return pb.ListResponse(
            models=[
                describing.summary(model, resident=model.name.key in residents) for model in shown
            ],
            next_page_token=following,
            left_alone=_left(snapshot.left),
            unread_folders=len(snapshot.due),
        )

    async def Show(self, request: pb.ShowRequest, context: Any) -> pb.ShowResponse:
        """Tell everything about one model, in whatever state it is."""
        name = await self._library.named(request.model)
        await self._library.look_for(name)
        findings = await self._library.verify(name) if request.verify else ()
        model = self._library.find(name)
        response = describing.everything(model, await asyncio.to_thread(facts_of, model))
        if request.verify:
            response.verification.extend(escaped(str(finding)) for finding in findings)
            response.verified = all(finding.holds for finding in findings)
        response.summary.CopyFrom(self._summary(model))
        response.modelfile_derived = self._library.is_derived(name)
        told = await self._capabilities.everywhere(model)
        response.backend_capabilities.extend(told)
        response.capabilities[:] = words(response.capabilities, told)
        response.npu_libraries.extend(map(describing.library, self._libraries(model)))
        return response

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

    async def Copy(self, request: pb.CopyRequest, context: Any) -> pb.CopyResponse:
        """Copy a model under another name."""
        source = await self._library.named(request.source, field_name="source")
        target = ModelName.parse(request.destination, field_name="destination")
        await self._library.look_for(source)
        if request.replace and source.key != target.key:
            await self._release(target, False)
        model = await self._library.copy(source, target, replace=request.replace)
        return pb.CopyResponse(model=self._summary(model))

    async def Delete(self, request: pb.DeleteRequest, context: Any) -> pb.DeleteResponse:
        """Delete a model's folder."""
        name = await self._library.named(request.model)
        await self._library.look_for(name)
        await self._release(name, request.drain)
        return pb.DeleteResponse(freed_bytes=await self._library.delete(name))

    async def Upload(
        self, request_iterator: AsyncIterator[pb.UploadRequest], context: Any
    ) -> pb.UploadResponse:
        """Bring a file to the store, or say how much of it is there."""
        async with aclosing(_pieces(request_iterator)) as pieces:
            standing = await self._uploads.receive(pieces)
        return pb.UploadResponse(
            committed_bytes=standing.committed_bytes, complete=standing.complete
        )

    async def Migrate(self, request: pb.MigrateRequest, context: Any) -> pb.MigrateResponse:
        """Bring the flat layout into today's."""
        outcome = await self._library.migrate(dry_run=request.dry_run)
        moves = [
            onwire.message(
                pb.Move, source=shown(move.name), destination=shown(f"{move.folder}/{move.name}")
            )
            for move in outcome.moved
        ]
        return pb.MigrateResponse(moves=moves, left_alone=_left(outcome.left))

    async def Watch(
        self, request: pb.WatchRequest, context: Any
    ) -> AsyncIterator[pb.WatchResponse]:
        """Stream changes; the headers are sent once nothing can be missed any more."""
        async with aclosing(changes(self._events, request, HEADERS.get().begin)) as items:
            async for item in items:
                yield item

    def _summary(self, model: Model) -> Any:
        return describing.summary(model, resident=model.name.key in self._residents())


async def _pieces(requests: AsyncIterator[pb.UploadRequest]) -> AsyncGenerator[UploadPiece, None]:
    async for request in requests:
        yield UploadPiece(request.digest, request.size_bytes, request.offset_bytes, request.data)


def _left(left: tuple[Left, ...]) -> list[pb.LeftAlone]:
    return [
        onwire.message(pb.LeftAlone, LEFT_BYTES, name=shown(one.name), reason=one.text)
        for one in left[:MAX_LEFT]
    ]


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
