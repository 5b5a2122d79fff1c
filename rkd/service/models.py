"""
ModelService, first half: models on disk, listed, shown, copied, deleted, brought in, and watched.

What pulls, pushes and makes models is `making.py`, which an idle daemon does not import.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any

from rkd.events import EventLog
from rkd.library.facts import facts_of
from rkd.library.layout import Left
from rkd.library.library import Library
from rkd.library.uploads import UploadPiece, Uploads
from rkd.model import Model, ModelName
from rkd.outside import escaped, shown
from rkd.pool.deciding.runtimes import LibraryReport
from rkd.service import describing, onwire
from rkd.service.capabilities import Capabilities, words
from rkd.service.gate.headers import HEADERS
from rkd.service.paging import page
from rkd.service.watching import changes
from rkd.v1 import models_pb2 as pb

MAX_LEFT = 200

LEFT_BYTES = 1024
"""What a listing tells of files it left alone."""

Release = Callable[[ModelName, bool], Awaitable[None]]
"""Makes a model leave memory; raises MODEL_BUSY while it answers, unless the flag says drain."""


class ModelsOnDisk:
    """
    The calls that need neither the hub nor an operation.

    Args:
        library: the models.
        uploads: brings files in.
        events: the daemon's one log.
        release: makes a model leave memory.
        residents: keys of the models in memory.
        capabilities: judges what models can be asked for.
        libraries: how the board's NPU libraries stand to a model.
    """

    def __init__(
        self,
        library: Library,
        *,
        uploads: Uploads,
        events: EventLog,
        release: Release,
        residents: Callable[[], frozenset[str]],
        libraries: Callable[[Model], tuple[LibraryReport, ...]] = lambda _model: (),
        capabilities: Capabilities | None = None,
    ) -> None:
        self._library = library
        self._uploads = uploads
        self._events = events
        self._release = release
        self._residents = residents
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
        backend = self._capabilities.first(model)
        facts = await asyncio.to_thread(facts_of, model, backend)
        response = describing.everything(model, facts)
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
