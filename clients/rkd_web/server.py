"""Listening: sockets, TLS, slow heads of requests, and the end when told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Final, Protocol

import uvicorn
from rkd_client.errors import InvalidInputError
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from rkd.setting import Listen
from rkd_web.settings import Program, Settings, refuse_open_doors

HEAD_S: Final = 10.0
"""A connection whose next request's head has not come whole by then is closed."""

CONNECTIONS: Final = 1024
"""More at once are told 503."""

GRACE_S: Final = 10
"""Answers may go on for so long when it stops."""

BACKLOG: Final = 256

MESSAGE_BYTES: Final = 2 << 20
"""A web socket that sends a longer message is closed."""

CHECKS: Final = 10
"""So often within the time of idleness it is looked whether anybody is there."""


class App(Protocol):
    """What answers requests."""

    @property
    def is_working(self) -> bool:
        """Whether something is being made that no connection waits for."""

    def lifespan(self) -> AbstractAsyncContextManager[object]:
        """Return what surrounds its work."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, as ASGI says."""


class PunctualProtocol(H11Protocol):
    """HTTP/1.1, strict as h11 is, with a bound on the time a request's head may take."""

    _closing: asyncio.TimerHandle | None = None
    _handed_on = False

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Read on; a request that has begun is no longer waited for."""
        super().data_received(data)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing more."""
        self._stop_waiting()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self, event: Any) -> None:
        """Hand the connection on: what comes now are no requests."""
        self._stop_waiting()
        self._handed_on = True
        super().handle_websocket_upgrade(event)

    def _wait(self) -> None:
        if self._handed_on:
            return
        cycle: Any = self.cycle  # None until the first request
        if cycle is not None and not cycle.response_complete:
            self._stop_waiting()
        elif self._closing is None and not self.transport.is_closing():
            self._closing = self.loop.call_later(HEAD_S, self.transport.close)

    def _stop_waiting(self) -> None:
        if self._closing is not None:
            self._closing.cancel()
            self._closing = None


class QuietServer(uvicorn.Server):
    """A server whose signals are its owner's."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone."""
        yield


async def serve(app: App, settings: Settings, handed: list[tuple[Listen, socket.socket]]) -> None:
    """
    Listen and answer until SIGTERM or SIGINT; on sockets that were *handed* to us, until idle.

    Args:
        app: what answers; it says whether it is at work.
        settings: where to listen, unless sockets were handed to us.
        handed: of systemd, which goes on listening on them when we end.

    Raises:
        InvalidInputError: INVALID_SETTING, an address that cannot be had or that is open to other
            machines without TLS; TLS files that are none.
    """
    refuse_open_doors([one for one, _ in handed] or settings.listen, settings)
    bound = handed or [(one, bind(one, settings.program)) for one in settings.listen]
    servers = []
    tls = settings.tls_cert is not None
    for secure in (False, True):
        mine = [held for one, held in bound if (tls and not one.socket) == secure]
        if mine:
            servers.append((QuietServer(_config(app, settings, tls=secure)), mine))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _stop, [server for server, _ in servers])
    for one, held in bound:
        scheme = "https" if tls and not one.socket else "http"
        sys.stderr.write(f"{settings.program.name} listens on {_shown(one, held, scheme)}\n")
    sys.stderr.flush()
    waiting = None
    if handed:
        quiet = _until_idle(app, [one for one, _ in servers], settings.idle_s / CHECKS)
        waiting = asyncio.create_task(quiet)
    try:
        await asyncio.gather(*(server.serve(sockets) for server, sockets in servers))
    finally:
        if waiting is not None:
            waiting.cancel()
        for one, held in bound:
            held.close()
            if one.socket and not handed:
                _remove(one.socket)


async def _until_idle(app: App, servers: list[QuietServer], check_s: float) -> None:
    """End *servers* when nobody has been connected for long; the next connection starts us anew."""
    quiet = 0
    while quiet < CHECKS:
        await asyncio.sleep(check_s)
        busy = app.is_working or any(one.server_state.connections for one in servers)
        quiet = 0 if busy else quiet + 1
    _stop(servers)


def _remove(path: str) -> None:
    Path(path).unlink(missing_ok=True)


def bind(one: Listen, program: Program) -> socket.socket:
    """
    Return a socket bound to *one*; of a unix socket's path, what a dead process left is replaced.

    Raises:
        InvalidInputError: INVALID_SETTING, it cannot be had.
    """
    family = socket.AF_INET6 if ":" in one.host else socket.AF_INET
    if one.socket:
        held = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    else:
        # By its number: asyncio sends small pieces at once only where it sees that this is TCP.
        # Without it a first token waited 40 ms for the acknowledgement of the head before it.
        held = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if one.socket:
            _make_way(one.socket)
            held.bind(one.socket)
            Path(one.socket).chmod(0o660)
        else:
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                held.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            held.bind(("" if one.host == "*" else one.host, one.port))
        held.listen(BACKLOG)
    except OSError as error:
        held.close()
        said = f"{program.prefix}_LISTEN: {one} cannot be had: {error.strerror or error}"
        raise InvalidInputError("INVALID_SETTING", said, remedy=program.if_taken) from error
    held.setblocking(False)
    return held


def _make_way(path: str) -> None:
    if not Path(path).is_socket():
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            Path(path).unlink(missing_ok=True)


def _config(app: App, settings: Settings, *, tls: bool) -> uvicorn.Config:
    config = uvicorn.Config(
        app,
        http=PunctualProtocol,
        ws="websockets-sansio" if settings.program.web_sockets else "none",
        ws_max_size=MESSAGE_BYTES,
        ws_per_message_deflate=False,
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=CONNECTIONS,
        timeout_graceful_shutdown=GRACE_S,
        ssl_certfile=settings.tls_cert if tls else None,
        ssl_keyfile=str(settings.tls_key) if tls else None,
    )
    try:
        config.load()
    except OSError as error:
        prefix = settings.program.prefix
        said = f"{prefix}_TLS_CERT and {prefix}_TLS_KEY are no pair: {error}"
        raise InvalidInputError("INVALID_SETTING", said) from error
    return config


def _stop(servers: list[QuietServer]) -> None:
    for server in servers:
        server.should_exit = True


def _shown(one: Listen, held: socket.socket, scheme: str) -> str:
    if one.socket:
        return str(one)
    return f"{scheme}://{Listen(host=one.host, port=held.getsockname()[1])}"
