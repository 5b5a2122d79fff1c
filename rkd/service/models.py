"""ModelService: models on disk, listed, shown, copied, deleted, brought in, and watched."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any, Protocol

from rkd.errors import InvalidInputError, NotBuiltError, Reason, Violation
from rkd.events import Entry, EventLog, Topic
from rkd.library.facts import facts_of
from rkd.library.layout import Left
from rkd.library.library import Library
from rkd.library.uploads import Piece, Uploads
from rkd.model import Model, ModelName
from rkd.service import describing
from rkd.service.paging import page
from rkd.v1 import models_pb2 as pb
from rkd.v1.models_pb2_grpc import ModelServiceServicer

HEARTBEAT_S = 30.0
"""Default of WatchRequest.heartbeat. Source: the contract."""
_HEARTBEAT_RANGE_S = (0.1, 3600.0)

Release = Callable[[ModelName, bool], Awaitable[None]]
"""Makes a model leave memory; raises MODEL_BUSY while it answers, unless the flag says drain."""


class Streams(Protocol):
    """Pull and Push, or Create: RPCs whose work is an operation."""

    def pull(self, request: pb.PullRequest, context: Any) -> AsyncIterator[pb.PullResponse]:
        """Download a model."""

    def push(self, request: pb.PushRequest, context: Any) -> AsyncIterator[pb.PushResponse]:
        """Upload a model to the Hub."""


Creating = Callable[[pb.CreateRequest], AsyncIterator[pb.CreateResponse]]
"""Carries out a Create."""


class ModelService(ModelServiceServicer):
    """
    The service.

    Args:
        library: the models.
        uploads: brings files in.
        events: the daemon's one log.
        release: makes a model leave memory.
        residents: keys of the models in memory.
        transfers: Pull and Push.
        create: Create.
    """

    def __init__(
        self,
        library: Library,
        *,
        uploads: Uploads,
        events: EventLog,
        release: Release,
        residents: Callable[[], frozenset[str]] = frozenset,
        transfers: Streams | None = None,
        create: Creating | None = None,
    ) -> None:
        self._library = library
        self._uploads = uploads
        self._events = events
        self._release = release
        self._residents = residents
        self._transfers = transfers
        self._create = create

    async def List(self, request: pb.ListRequest, context: Any) -> pb.ListResponse:
        """List models from the snapshot; a file dropped in a moment ago is migrated first."""
        del context
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
        )

    async def Show(self, request: pb.ShowRequest, context: Any) -> pb.ShowResponse:
        """Tell everything about one model, in whatever state it is."""
        del context
        name = ModelName.parse(request.model)
        await self._library.look_for(name)
        response = pb.ShowResponse()
        if request.verify:
            findings = await self._library.verify(name)
            response.verification.extend(map(str, findings))
            response.verified = all(finding.holds for finding in findings)
        model = self._library.find(name)
        describing.fill(response, model, await asyncio.to_thread(facts_of, model))
        response.summary.CopyFrom(self._summary(model))
        response.modelfile_derived = self._library.is_derived(name)
        return response

    async def Pull(self, request: pb.PullRequest, context: Any) -> AsyncIterator[pb.PullResponse]:
        """Download a model from the Hub."""
        if self._transfers is None:
            raise _unbuilt("Pull")
        async with aclosing(self._transfers.pull(request, context)) as steps:  # type: ignore[type-var]
            async for step in steps:
                yield step

    async def Push(self, request: pb.PushRequest, context: Any) -> AsyncIterator[pb.PushResponse]:
        """Upload a model to the Hub."""
        if self._transfers is None:
            raise _unbuilt("Push")
        async with aclosing(self._transfers.push(request, context)) as steps:  # type: ignore[type-var]
            async for step in steps:
                yield step

    async def Create(
        self, request: pb.CreateRequest, context: Any
    ) -> AsyncIterator[pb.CreateResponse]:
        """Make a model."""
        del context
        if self._create is None:
            raise _unbuilt("Create")
        async with aclosing(self._create(request)) as steps:  # type: ignore[type-var]
            async for step in steps:
                if step.operation.model and step.HasField("model"):
                    step.model.resident = step.model.name.casefold() in self._residents()
                yield step

    async def Copy(self, request: pb.CopyRequest, context: Any) -> pb.CopyResponse:
        """Copy a model under another name."""
        del context
        source = ModelName.parse(request.source, field_name="source")
        target = ModelName.parse(request.destination, field_name="destination")
        await self._library.look_for(source)
        if request.replace and source.key != target.key:
            await self._release(target, False)
        model = await self._library.copy(source, target, replace=request.replace)
        return pb.CopyResponse(model=self._summary(model))

    async def Delete(self, request: pb.DeleteRequest, context: Any) -> pb.DeleteResponse:
        """Delete a model's folder."""
        del context
        name = ModelName.parse(request.model)
        await self._library.look_for(name)
        await self._release(name, request.drain)
        return pb.DeleteResponse(freed_bytes=await self._library.delete(name))

    async def Upload(
        self, request_iterator: AsyncIterator[pb.UploadRequest], context: Any
    ) -> pb.UploadResponse:
        """Bring a file to the store, or say how much of it is there."""
        del context
        async with aclosing(_pieces(request_iterator)) as pieces:
            standing = await self._uploads.receive(pieces)
        return pb.UploadResponse(
            committed_bytes=standing.committed_bytes, complete=standing.complete
        )

    async def Migrate(self, request: pb.MigrateRequest, context: Any) -> pb.MigrateResponse:
        """Bring the flat layout into today's."""
        del context
        outcome = await self._library.migrate(dry_run=request.dry_run)
        moves = [
            pb.Move(source=move.name, destination=f"{move.folder}/{move.name}")
            for move in outcome.moved
        ]
        return pb.MigrateResponse(moves=moves, left_alone=_left(outcome.left))

    async def Watch(
        self, request: pb.WatchRequest, context: Any
    ) -> AsyncIterator[pb.WatchResponse]:
        """Stream changes; the headers are sent once nothing can be missed any more."""
        topics = _topics(request)
        heartbeat_s = _heartbeat_s(request)
        start = (
            request.start_revision
            if request.HasField("start_revision")
            else self._events.revision + 1
        )
        await context.send_initial_metadata(())
        async with aclosing(self._events.watch(start)) as entries:  # type: ignore[type-var]
            async for entry in _with_heartbeat(entries, heartbeat_s):
                if entry is None:
                    yield _sign_of_life(self._events.revision)
                elif entry.event.topic in topics:
                    yield _change(entry)

    def _summary(self, model: Model) -> Any:
        return describing.summary(model, resident=model.name.key in self._residents())


async def _pieces(requests: AsyncIterator[pb.UploadRequest]) -> AsyncGenerator[Piece, None]:
    async for request in requests:
        yield Piece(request.digest, request.size_bytes, request.offset_bytes, request.data)


async def _with_heartbeat(
    entries: AsyncIterator[Entry], heartbeat_s: float
) -> AsyncIterator[Entry | None]:
    """Yield *entries*, and None whenever *heartbeat_s* passed without one."""
    waiting: asyncio.Future[Entry | None] | None = None
    try:
        while True:
            waiting = waiting or asyncio.ensure_future(anext(entries, None))
            done, _ = await asyncio.wait({waiting}, timeout=heartbeat_s)
            if not done:
                yield None
                continue
            entry = waiting.result()
            waiting = None
            if entry is None:
                return
            yield entry
    finally:
        if waiting is not None:
            waiting.cancel()
            await asyncio.wait({waiting})


def _change(entry: Entry) -> pb.WatchResponse:
    event = entry.event
    response = pb.WatchResponse(
        revision=entry.revision,
        topic=event.topic.value,
        action=event.action,
        subject=event.subject,
        detail=dict(event.detail),
    )
    response.time.FromDatetime(entry.at)
    return response


def _sign_of_life(revision: int) -> pb.WatchResponse:
    response = pb.WatchResponse(revision=revision)
    response.time.GetCurrentTime()
    return response


def _topics(request: pb.WatchRequest) -> frozenset[Topic]:
    try:
        return frozenset(map(Topic, request.topics)) or frozenset(Topic)
    except ValueError as error:
        what = f"topics are {', '.join(Topic)}"
        raise InvalidInputError(
            Reason.INVALID_FIELD, f"{error}; {what}.", violations=(Violation("topics", what),)
        ) from error


def _heartbeat_s(request: pb.WatchRequest) -> float:
    if not request.HasField("heartbeat"):
        return HEARTBEAT_S
    wanted = request.heartbeat.ToTimedelta().total_seconds()
    low, high = _HEARTBEAT_RANGE_S
    if not low <= wanted <= high:
        what = f"{low:g} s to {high:g} s"
        raise InvalidInputError(
            Reason.INVALID_FIELD,
            f"heartbeat is {wanted:g} s; {what} is possible.",
            violations=(Violation("heartbeat", what),),
        )
    return wanted


def _left(left: tuple[Left, ...]) -> list[pb.LeftAlone]:
    return [pb.LeftAlone(name=one.name, reason=one.text) for one in left]


def _unbuilt(rpc: str) -> NotBuiltError:
    return NotBuiltError(Reason.NOT_IMPLEMENTED, f"ModelService.{rpc} is not built yet.")
