"""A daemon's life, three verbs in order: `start`, `until_stopped`, `stop`."""

from __future__ import annotations

import asyncio
import json
import math
import os
import signal
import time
from collections.abc import Coroutine
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Final

import structlog

import rkd
from rkd import config as configuration
from rkd import log, openfiles
from rkd.config import Config
from rkd.daemon.doors import check_doors, open_metrics
from rkd.daemon.rooms import Rooms
from rkd.daemon.services import NAMES, services
from rkd.daemon.settings import changes, live_part, pool_settings
from rkd.durable import write_file
from rkd.errors import BeyondRangeError, RkdError
from rkd.events import Event, Topic
from rkd.model import ModelState
from rkd.notify import Notifier, ping_watchdog, watchdog_interval_s
from rkd.pool.ticket import Ask
from rkd.service.gate.health import Health
from rkd.service.gate.server import Server
from rkd.service.gate.tls import TlsFiles, server_credentials
from rkd.service.gate.underway import UnderWay
from rkd.service.system import Reloaded
from rkd.telemetry.tracing import open_tracing

STOP_MARGIN_S: Final = 12.0
"""What a stop may take beyond the grace; the unit's TimeoutStopSec is above the sum."""

LAST_WORDS_S: Final = 2.0
"""For so long a call that has ended may take to be told so."""

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
        self._end_s = math.inf
        self._is_ready = False
        self._stack = AsyncExitStack()
        self._tasks: set[asyncio.Task[None]] = set()
        self._under_way = UnderWay()

    async def start(self) -> None:
        """
        Bring every room up, then serve and say so; SIGTERM and SIGINT end that as well.

        Raises:
            AddressTakenError: an address cannot be had.
            RkdError: a file the configuration names is wrong, or the models folder is.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        loop.add_signal_handler(signal.SIGHUP, lambda: None)  # what it would read is read now
        starting = asyncio.create_task(self._start(), name="rkd-start")
        told_to_stop = asyncio.create_task(self._stopping.wait(), name="rkd-told-to-stop")
        await asyncio.wait({starting, told_to_stop}, return_when=asyncio.FIRST_COMPLETED)
        told_to_stop.cancel()
        if not starting.done():
            starting.cancel()
            await asyncio.wait({starting})
        if not starting.cancelled():
            starting.result()

    async def _start(self) -> None:
        began_s = time.monotonic()
        rooms, config = self._rooms, self._config
        check_doors(config, rooms)
        openfiles.raise_limit()
        tracing = open_tracing(os.environ, rkd.__version__)
        if tracing is not None:
            rooms.observers.append(tracing.call_ended)
            self._stack.push_async_callback(asyncio.to_thread, tracing.close)
        faces = services(rooms, self._addresses, lambda: self._config, self.reload)
        interceptor = rooms.interceptor()
        self._under_way = interceptor.under_way
        server = Server(faces, self._health, [interceptor])
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
        self._stack.push_async_callback(rooms.library.close)
        self._stack.push_async_callback(rooms.uploads.close)
        self._stack.push_async_callback(rooms.watch.close)
        await rooms.library.start(keep=await rooms.hub.stages(), watch=rooms.watch)
        self._stack.push_async_callback(self._close_pool)
        await self._health.serving(npu=rooms.obstacle is None)
        await self._tell_models()
        await server.start()
        # Stopped first of all: no new call comes in while the rooms close.
        self._stack.push_async_callback(self._stop_serving, server)
        await rooms.pool.start(await self._preloads())
        await rooms.hub.operations.restore()
        self._own(self._follow(), "rkd-follow")
        self._own(rooms.answering.run(), "rkd-answering")
        interval_s = watchdog_interval_s(os.environ)
        if interval_s is not None:
            self._own(ping_watchdog(self._notifier, interval_s), "rkd-watchdog")
        self._say_ready(time.monotonic() - began_s)
        if rooms.spare is not None:
            rooms.spare.make()

    async def until_stopped(self) -> None:
        """Serve until told to stop; SIGHUP reads the configuration anew."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGHUP, lambda: self._own(self._reload(), "rkd-reload"))
        await self._stopping.wait()

    async def stop(self) -> None:
        """
        Stop top-down: no new calls, running ones within the grace, then every room.

        Calls, the pool and everything else share one grace, counted from now. Until the last call
        has ended it listens on, refuses, and says NOT_SERVING: that is how a proxy learns of it.
        """
        _log.info("rkd.stopping", grace_s=self._config.stop_grace)
        self._end_s = time.monotonic() + self._config.stop_grace
        self._notifier.stopping("finishing what runs", within_s=self.stop_bound_s)
        self._under_way.refuse()
        await self._health.stopping()
        self._rooms.events.close()
        # Before the server: who is attached to a pull hears that it goes on after the restart.
        await self._rooms.hub.close()
        await self._stack.aclose()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        if self._is_ready and self._config.ready_file is not None:
            self._config.ready_file.unlink(missing_ok=True)
        _log.info("rkd.stopped")

    @property
    def stop_bound_s(self) -> float:
        """Longest time `stop` may take, all in all."""
        return self._config.stop_grace + STOP_MARGIN_S

    def _left_s(self) -> float:
        return max(0.0, self._end_s - time.monotonic())

    async def _stop_serving(self, server: Server) -> None:
        await self._under_way.ended(self._left_s())
        # What has ended has its last words sent; what has not has had its time.
        await server.stop(min(self._left_s(), LAST_WORDS_S))

    async def _close_pool(self) -> None:
        await self._rooms.pool.close(self._left_s())
        if self._rooms.spare is not None:
            await self._rooms.spare.close()

    async def reload(self) -> Reloaded:
        """
        Read the configuration anew and apply what can change live; all or nothing.

        Raises:
            InvalidInputError: INVALID_FIELD, and nothing has changed.
        """
        read = configuration.read(os.environ)
        new = live_part(self._rooms.config, read)
        told = changes(self._config, read)
        self._config = new
        self._rooms.in_force = new
        self._rooms.pool.reload(pool_settings(new, self._rooms.board, self._rooms.llama_device))
        self._rooms.library.blobs.reserve_bytes = new.disk_reserve
        await self._rooms.pool.sessions.limit(new.session_disk, new.disk_reserve)
        log.set_level(new.log_level)
        self._notifier.status(_told(told))
        self._rooms.publish(Event(Topic.SYSTEM, "reloaded", "configuration"))
        _log.info("rkd.reloaded", applied=told.applied, needs_restart=told.needs_restart)
        return told

    async def _reload(self) -> None:
        self._notifier.reloading()
        try:
            status = _told(await self.reload())
        except RkdError as error:
            _log.error("rkd.reload_refused", message=error.message)
            status = f"serving as before: {error.message}"
        self._notifier.ready(status)

    async def _preloads(self) -> tuple[Ask, ...]:
        asks, library = [], self._rooms.library
        for name in self._config.preload:
            try:
                asks.append(Ask(await library.resolve(await library.named(name))))
            except RkdError as error:
                _log.warning("rkd.preload_refused", model=name, message=error.message)
        return tuple(asks)

    async def _follow(self) -> None:
        """
        Log what the library announces, and keep the health of models true.

        Everything else is logged where it happens, moves too: nothing is said twice. What was
        there before the daemon is no news.
        """
        events, library = self._rooms.events, self._rooms.library
        while True:
            begin = events.revision + 1
            await self._tell_models()
            with suppress(BeyondRangeError):  # so much happened at once: all of it is told anew
                async for entry in events.watch(begin):
                    event = entry.event
                    if event.topic is not Topic.MODEL:
                        continue
                    if event.action != "migrated" and not library.reading:
                        facts = dict(event.detail)
                        _log.info(f"model.{event.action}", model=event.subject, detail=facts)
                    await self._tell_model(event.subject)
                return

    async def _tell_model(self, name: str) -> None:
        found = self._rooms.library.snapshot.by_key.get(name.casefold())
        ready = found is not None and found.model.state is ModelState.READY
        await self._health.model(str(found.model.name) if found else name, ready=ready)

    async def _tell_models(self) -> None:
        models = self._rooms.library.models()
        await self._health.models({str(one.name): one.state is ModelState.READY for one in models})

    def _own(self, work: Coroutine[None, None, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("rkd.task_failed", task=task.get_name(), exc_info=error)

    def _say_ready(self, took_s: float) -> None:
        addresses = list(self._addresses)
        if self._config.ready_file is not None:
            write_ready(self._config.ready_file, addresses)
            self._is_ready = True
        self._notifier.ready(f"serving on {', '.join(addresses)}")
        _log.info(
            "rkd.ready",
            addresses=addresses,
            metrics=self._rooms.metrics_address,
            version=rkd.__version__,
            models=len(self._rooms.library.models()),
            took_ms=round(took_s * 1000),
        )


def _told(reloaded: Reloaded) -> str:
    """Write down for `systemctl status` what a reload could not take."""
    waiting = "; ".join(reloaded.needs_restart)
    return f"serving; waits for a restart: {waiting}" if waiting else "serving"


def write_ready(path: Path, addresses: list[str]) -> None:
    """Write the ready file, whole or not at all: whoever waits for it reads it at once."""
    text = json.dumps({"addresses": addresses, "pid": os.getpid()})
    write_file(path, f"{text}\n".encode())
