"""A daemon's life, three verbs in order: `start`, `until_stopped`, `stop`."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from pathlib import Path

import structlog

import rkd
from rkd import config as configuration
from rkd import openfiles
from rkd.config import Config
from rkd.daemon.doors import check_doors, open_metrics
from rkd.daemon.rooms import Rooms
from rkd.daemon.services import NAMES, services
from rkd.daemon.settings import changes, pool_settings
from rkd.durable import write_file
from rkd.errors import RkdError
from rkd.events import Event, Topic
from rkd.model import ModelState
from rkd.notify import Notifier, ping_watchdog, watchdog_interval_s
from rkd.pool.ticket import Ask
from rkd.service.gate.health import Health
from rkd.service.gate.server import Server
from rkd.service.gate.tls import TlsFiles, server_credentials
from rkd.service.system import Reloaded
from rkd.telemetry.tracing import open_tracing

_log = structlog.get_logger("rkd.daemon")


class Daemon:
    """
    One daemon, from start to stop; on the main thread's loop.

    Args:
        config: the effective configuration.
        notifier: the service manager.
    """

    def __init__(self, config: Config, notifier: Notifier) -> None:
        self._config = config
        self._notifier = notifier
        self._rooms = Rooms(config)
        self._health = Health(NAMES)
        self._addresses: list[str] = []
        self._stopping = asyncio.Event()
        self._stack = AsyncExitStack()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """
        Bring every room up, then serve and say so.

        Raises:
            AddressTakenError: an address cannot be had.
            RkdError: a file the configuration names is wrong, or the models folder is.
        """
        began_s = time.monotonic()
        rooms, config = self._rooms, self._config
        check_doors(config, rooms)
        openfiles.raise_limit()
        tracing = open_tracing(os.environ, rkd.__version__)
        if tracing is not None:
            rooms.observers.append(tracing.call_ended)
            self._stack.push_async_callback(asyncio.to_thread, tracing.close)
        faces = services(rooms, self._addresses, lambda: self._config, self.reload)
        server = Server(faces, self._health, [rooms.interceptor()])
        credentials = None
        if config.tls_cert and config.tls_key:
            files = TlsFiles(config.tls_cert, config.tls_key, config.tls_client_ca)
            credentials = server_credentials(files)
        # Bound first: a second daemon finds out before it touches anything.
        self._addresses.extend(server.bind(config.listen, credentials))
        self._stack.push_async_callback(server.stop, 0)
        metrics = await open_metrics(config, rooms)
        if metrics is not None:
            self._stack.push_async_callback(metrics.close)
        await rooms.library.start(keep=await rooms.hub.stages())
        self._stack.push_async_callback(rooms.library.close)
        self._stack.push_async_callback(rooms.uploads.close)
        await rooms.watch.start()
        self._stack.push_async_callback(rooms.watch.close)
        self._stack.push_async_callback(rooms.pool.close, config.stop_grace)
        await self._health.serving(npu=rooms.obstacle is None)
        await self._tell_models()
        await server.start()
        # Stopped first of all: no new call comes in while the rooms close.
        self._stack.push_async_callback(server.stop, config.stop_grace)
        await rooms.pool.start(await self._preloads())
        await rooms.hub.operations.restore()
        self._own(self._follow(), "rkd-follow")
        interval_s = watchdog_interval_s(os.environ)
        if interval_s is not None:
            self._own(ping_watchdog(self._notifier, interval_s), "rkd-watchdog")
        self._say_ready(time.monotonic() - began_s)

    async def until_stopped(self) -> None:
        """Serve until SIGTERM or SIGINT; SIGHUP reads the configuration anew."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        loop.add_signal_handler(signal.SIGHUP, lambda: self._own(self._reload(), "rkd-reload"))
        await self._stopping.wait()

    async def stop(self) -> None:
        """Stop top-down: no new calls, running ones within the grace, then every room."""
        _log.info("rkd.stopping", grace_s=self._config.stop_grace)
        self._notifier.stopping("finishing what runs")
        await self._health.stopping()
        self._rooms.events.close()
        # Before the server: who is attached to a pull hears that it goes on after the restart.
        await self._rooms.hub.close()
        await self._stack.aclose()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        if self._config.ready_file is not None:
            self._config.ready_file.unlink(missing_ok=True)
        _log.info("rkd.stopped")

    async def reload(self) -> Reloaded:
        """
        Read the configuration anew and apply what can change live; all or nothing.

        Raises:
            InvalidInputError: INVALID_FIELD, and nothing has changed.
        """
        new = configuration.read(os.environ)
        told = changes(self._config, new)
        self._config = new
        self._rooms.in_force = new
        self._rooms.pool.reload(pool_settings(new, self._rooms.board))
        self._rooms.publish(Event(Topic.SYSTEM, "reloaded", "configuration"))
        _log.info("rkd.reloaded", applied=told.applied, needs_restart=told.needs_restart)
        return told

    async def _reload(self) -> None:
        self._notifier.reloading()
        try:
            await self.reload()
        except RkdError as error:
            _log.error("rkd.reload_refused", message=error.message)
        self._notifier.ready("serving")

    async def _preloads(self) -> tuple[Ask, ...]:
        asks, library = [], self._rooms.library
        for name in self._config.preload:
            try:
                asks.append(Ask(await library.resolve(library.named(name))))
            except RkdError as error:
                _log.warning("rkd.preload_refused", model=name, message=error.message)
        return tuple(asks)

    async def _follow(self) -> None:
        """Log what is announced, and keep the health of models true."""
        async for entry in self._rooms.events.watch():
            event = entry.event
            if event.action != "progress":
                word = f"{event.topic}.{event.action}"
                _log.info(word, subject=event.subject, **dict(event.detail))
            if event.topic is Topic.MODEL:
                await self._tell_models()

    async def _tell_models(self) -> None:
        models = self._rooms.library.models()
        await self._health.models({str(one.name): one.state is ModelState.READY for one in models})

    def _own(self, work: Coroutine[None, None, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _say_ready(self, took_s: float) -> None:
        addresses = list(self._addresses)
        if self._config.ready_file is not None:
            write_ready(self._config.ready_file, addresses)
        self._notifier.ready(f"serving on {', '.join(addresses)}")
        _log.info(
            "rkd.ready",
            addresses=addresses,
            metrics=self._rooms.metrics_address,
            version=rkd.__version__,
            models=len(self._rooms.library.models()),
            took_ms=round(took_s * 1000),
        )


def write_ready(path: Path, addresses: list[str]) -> None:
    """Write the ready file, whole or not at all: whoever waits for it reads it at once."""
    text = json.dumps({"addresses": addresses, "pid": os.getpid()})
    write_file(path, f"{text}\n".encode())
