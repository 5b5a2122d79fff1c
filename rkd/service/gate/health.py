"""
grpc.health.v1: the daemon as a whole, each service, the NPU, each model.

`rkd.model.<name>` is SERVING when the model can be asked, resident or not.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

NPU = "rkd.npu"
MODEL_PREFIX = "rkd.model."
_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class _Servicer(health.aio.HealthServicer):  # type: ignore[misc] # untyped
    """Its own, and the list of everything asked after."""

    async def List(self, request: Any, context: Any) -> health_pb2.HealthListResponse:
        """Tell how everything is."""
        known: dict[str, Any] = self._server_status
        told = {name: health_pb2.HealthCheckResponse(status=how) for name, how in known.items()}
        return health_pb2.HealthListResponse(statuses=told)


class Health:
    """What the health service answers; on the event loop's thread."""

    service_name = health.SERVICE_NAME

    def __init__(self, services: Iterable[str]) -> None:
        self._servicer: Any = _Servicer()
        self._services = ("", *services)
        self._models: dict[str, bool] = {}

    def register(self, server: grpc.aio.Server) -> None:
        """Add it to *server*."""
        health_pb2_grpc.add_HealthServicer_to_server(self._servicer, server)

    async def serving(self, *, npu: bool) -> None:
        """Everything is up."""
        for name in self._services:
            await self._servicer.set(name, _SERVING)
        await self._servicer.set(NPU, _SERVING if npu else _NOT_SERVING)

    async def models(self, ready: dict[str, bool]) -> None:
        """Tell which models can be asked; those gone since answer NOT_SERVING."""
        for name in self._models.keys() - ready.keys():
            await self._servicer.set(MODEL_PREFIX + name, _NOT_SERVING)
        for name, usable in ready.items():
            if self._models.get(name) != usable:
                await self._servicer.set(MODEL_PREFIX + name, _SERVING if usable else _NOT_SERVING)
        self._models = ready

    async def stopping(self) -> None:
        """Answer NOT_SERVING for everything from now on."""
        await self._servicer.enter_graceful_shutdown()
