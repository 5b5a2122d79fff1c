"""
grpc.health.v1: the daemon as a whole, each service, the NPU, each model.

`rkd.model.<name>` is SERVING when the model can be asked, resident or not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Final

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

NPU = "rkd.npu"
MODEL_PREFIX = "rkd.model."
_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


TOLD_S: Final = 1.0
"""For so long watchers are told of the stop: one that reads nothing holds nobody up."""


class _Servicer(health.aio.HealthServicer):  # type: ignore[misc] # untyped
    """Its own, the list of everything asked after, and watches that come to an end."""

    def __init__(self) -> None:
        super().__init__()
        self.closed = asyncio.Event()

    async def Watch(self, request: Any, context: Any) -> None:
        """Tell how the service asked after is, until the server closes."""
        watching = asyncio.ensure_future(super().Watch(request, context))
        closed = asyncio.ensure_future(self.closed.wait())
        try:
            await asyncio.wait({watching, closed}, return_when=asyncio.FIRST_COMPLETED)
            if watching.done():
                watching.result()
        finally:
            for one in (watching, closed):
                one.cancel()
            await asyncio.wait({watching, closed})
        if self.closed.is_set():
            await context.abort(grpc.StatusCode.UNAVAILABLE, "rkd is stopping")

    def stand_down(self) -> None:
        """Say NOT_SERVING of everything to whoever asks, at once and waiting for nobody."""
        for name in self._server_status:
            self._server_status[name] = _NOT_SERVING

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

    async def model(self, name: str, *, ready: bool) -> None:
        """Tell whether the model *name* can be asked; one that is gone cannot."""
        if self._models.get(name) != ready:
            await self._servicer.set(MODEL_PREFIX + name, _SERVING if ready else _NOT_SERVING)
            self._models[name] = ready

    async def stopping(self) -> None:
        """Answer NOT_SERVING for everything from now on, and tell whoever watches."""
        self._servicer.stand_down()
        with suppress(TimeoutError):
            async with asyncio.timeout(TOLD_S):
                await self._servicer.enter_graceful_shutdown()

    def close(self) -> None:
        """End the streams of those who watch: they would outlast everything else."""
        self._servicer.closed.set()
