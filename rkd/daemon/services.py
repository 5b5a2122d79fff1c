"""The gRPC faces over the rooms: which servicer answers which service of the contract."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import rkd
from rkd.board.facts import Telemetry
from rkd.board.telemetry import read_telemetry
from rkd.config import Config
from rkd.daemon.late import Late, LateFace
from rkd.daemon.rooms import Rooms
from rkd.daemon.settings import picture_limits
from rkd.durable import free_bytes
from rkd.service.access import AccessService
from rkd.service.capabilities import Capabilities
from rkd.service.gate.server import Register
from rkd.service.inference import InferenceService
from rkd.service.models import ModelsOnDisk
from rkd.service.operations import OperationService
from rkd.service.pool import PoolService
from rkd.service.system import Identity, Reloaded, SystemService
from rkd.telemetry.finding import Finding
from rkd.v1 import (
    access_pb2_grpc,
    hub_pb2_grpc,
    inference_pb2_grpc,
    models_pb2_grpc,
    operations_pb2_grpc,
    pool_pb2_grpc,
    system_pb2_grpc,
)

REGISTER: dict[str, Register] = {
    "rkd.v1.ModelService": models_pb2_grpc.add_ModelServiceServicer_to_server,
    "rkd.v1.InferenceService": inference_pb2_grpc.add_InferenceServiceServicer_to_server,
    "rkd.v1.HubService": hub_pb2_grpc.add_HubServiceServicer_to_server,
    "rkd.v1.PoolService": pool_pb2_grpc.add_PoolServiceServicer_to_server,
    "rkd.v1.OperationService": operations_pb2_grpc.add_OperationServiceServicer_to_server,
    "rkd.v1.SystemService": system_pb2_grpc.add_SystemServiceServicer_to_server,
    "rkd.v1.AccessService": access_pb2_grpc.add_AccessServiceServicer_to_server,
}
NAMES = tuple(REGISTER)
Reload = Callable[[], Awaitable[Reloaded]]
Current = Callable[[], Config]


def services(
    rooms: Rooms, addresses: list[str], current: Current, reload: Reload
) -> tuple[tuple[str, Register, Any], ...]:
    """
    Make every servicer.

    Args:
        rooms: behind them.
        addresses: filled once they are bound.
        current: the configuration in force.
        reload: reads it anew.
    """
    library, hub = rooms.library, rooms.hub
    capabilities = Capabilities(rooms.pool.prospects)
    faces = (
        _models(rooms, capabilities),
        _inference(rooms, capabilities),
        _hub(rooms),
        PoolService(library.resolve, rooms.pool, library.named),
        OperationService(hub.operations, rooms.events),
        _system(rooms, addresses, current, reload),
        AccessService(rooms.tokens, rooms.publish),
    )
    return tuple(
        (name, register, face)
        for (name, register), face in zip(REGISTER.items(), faces, strict=True)
    )


def _models(rooms: Rooms, capabilities: Capabilities) -> LateFace:
    common: dict[str, Any] = {
        "uploads": rooms.uploads,
        "events": rooms.events,
        "release": rooms.release,
        "residents": rooms.resident_keys,
        "libraries": rooms.pool.libraries,
        "capabilities": capabilities,
    }
    making = Late(
        "rkd.service.making",
        lambda module: module.ModelService(
            rooms.library,
            operations=rooms.hub.operations,
            connection=rooms.hub.connection,
            in_use=rooms.pool.in_use,
            **common,
        ),
        needs=rooms.hub.side,
    )
    present = ModelsOnDisk(rooms.library, **common)
    return LateFace(making, streams=("Pull", "Push", "Create"), present=present)


def _hub(rooms: Rooms) -> LateFace:
    def make(module: Any) -> Any:
        side = rooms.hub.side.now()
        return module.HubService(
            connection=side.connection,
            cache=side.cache,
            browser=side.browser,
            capacity=rooms.capacity,
        )

    late = Late("rkd.service.hub", make, needs=rooms.hub.side)
    return LateFace(late, calls=("Search", "ListFiles", "GetCard"))


def _inference(rooms: Rooms, capabilities: Capabilities) -> InferenceService:
    return InferenceService(
        rooms.library.resolve,
        rooms.pool,
        rooms.running,
        rooms.meters,
        rooms.library.named,
        capabilities=capabilities,
        pictures=lambda: picture_limits(rooms.in_force),
    )


def _system(rooms: Rooms, addresses: list[str], current: Current, reload: Reload) -> SystemService:
    config, board = rooms.config, rooms.board

    def telemetry() -> Telemetry:
        return read_telemetry(config.sysroot)

    def diagnose() -> tuple[Finding, ...]:
        from rkd.daemon import diagnosis  # noqa: PLC0415 - the first who asks, in a thread: `late`

        return diagnosis.diagnose(rooms, current())

    return SystemService(
        Identity(rkd.__version__, addresses, config.models, partial(cpu_engine, config)),
        board,
        telemetry=telemetry,
        free_bytes=lambda: free_bytes(config.models),
        collect=rooms.activity,
        meters=rooms.meters,
        seen=lambda: rooms.answering.seen,
        diagnose=diagnose,
        reload=reload,
    )


def cpu_engine(config: Config) -> str:
    """The CPU engine and its version, without loading it."""
    from importlib import metadata  # noqa: PLC0415 - brings the email package: 2 MB when asked for

    if config.llama_server:
        return f"llama-server {config.llama_server}"
    try:
        return f"llama.cpp b{metadata.version('xllamacpp').rpartition('.')[2]}"
    except metadata.PackageNotFoundError:
        return ""
