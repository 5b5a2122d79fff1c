"""A library behind a real gRPC server and a real watch, for the tests of the models' service."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
from google.rpc import error_details_pb2, status_pb2

from rkd.errors import PreconditionError, Reason
from rkd.events import EventLog
from rkd.hub.connection import Connection
from rkd.library.library import Library
from rkd.library.uploads import Uploads
from rkd.library.watch import Watch
from rkd.model import ModelName
from rkd.operations.journal import Journal
from rkd.operations.operations import Operations
from rkd.service.gate.calls import StatusInterceptor
from rkd.service.making import ModelService
from rkd.v1 import models_pb2_grpc


class FakePool:
    """Knows which models answer right now."""

    def __init__(self) -> None:
        self.busy: set[str] = set()
        self.left: list[str] = []

    async def release(self, name: ModelName, drain: bool) -> None:  # noqa: FBT001 - Release
        """Refuse while busy, unless asked to drain."""
        if name.key in self.busy and not drain:
            raise PreconditionError(Reason.MODEL_BUSY, f"{name} is answering.")
        self.left.append(name.key)


@dataclass
class Served:
    """What a test gets."""

    models: models_pb2_grpc.ModelServiceAsyncStub
    library: Library
    events: EventLog
    pool: FakePool
    address: str


@asynccontextmanager
async def served(
    root: Path,
    socket: Path,
    *,
    operations: Operations | None = None,
    library: Library | None = None,
) -> AsyncIterator[Served]:
    """Serve *root* on a unix socket; whoever gives *operations* closes them."""
    events = EventLog()
    state = socket.with_suffix(".state")
    own = Operations(journal=Journal(state / "ops"), runners={}, publish=events.publish)
    hub = Connection(endpoint="", token=lambda: None, offline=lambda: True, home=state)
    library = library or Library(root, publish=events.publish, reserve_bytes=0)
    uploads, pool = Uploads(library.blobs), FakePool()
    watch = Watch(root, library.changed)
    await library.start(watch=watch)
    server = grpc.aio.server(interceptors=[StatusInterceptor()])
    service = ModelService(
        library,
        uploads=uploads,
        events=events,
        operations=operations or own,
        connection=hub,
        release=pool.release,
        residents=frozenset,
        in_use=lambda key: key in pool.busy,
    )
    models_pb2_grpc.add_ModelServiceServicer_to_server(service, server)
    address = f"unix:{socket}"
    server.add_insecure_port(address)
    await server.start()
    try:
        async with grpc.aio.insecure_channel(address) as channel:
            stub = models_pb2_grpc.ModelServiceStub(channel)
            yield Served(stub, library, events, pool, address)  # type: ignore[arg-type]
    finally:
        events.close()
        await server.stop(1)
        await watch.close()
        await library.close()
        await uploads.close()
        await own.close()


def details(error: grpc.aio.AioRpcError) -> tuple[str, dict[str, str]]:
    """Reason and metadata of a refusal."""
    metadata = dict(error.trailing_metadata() or ())
    status = status_pb2.Status.FromString(metadata["grpc-status-details-bin"])  # type: ignore[arg-type]
    info = error_details_pb2.ErrorInfo()
    status.details[0].Unpack(info)
    return info.reason, dict(info.metadata)
