"""
The gRPC server: one set of services on every listener, bound before anything is promised.

A unix socket is guarded by its mode; a TCP listener by TLS and tokens where they are set.
"""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import grpc
from grpc_reflection.v1alpha import reflection

from rkd.errors import bad_field
from rkd.service.gate.health import Health
from rkd.service.gate.limits import server_options
from rkd.setting import Listen

SOCKET_MODE = 0o660
"""Owner and group rkd: whoever may open the socket is an administrator."""
CONNECT_BOUND_S = 1.0

Register = Callable[[Any, grpc.aio.Server], None]


class AddressTakenError(Exception):
    """Somebody listens there already, or the address cannot be had."""


class Server:
    """
    A grpc.aio server with our services, health and reflection.

    Args:
        services: (full name, registering function, servicer).
        health: the health service.
        interceptors: around every call.
    """

    def __init__(
        self,
        services: Iterable[tuple[str, Register, Any]],
        health: Health,
        interceptors: Sequence[grpc.aio.ServerInterceptor],
    ) -> None:
        self._server = grpc.aio.server(interceptors=interceptors, options=server_options())
        self._health = health
        self._sockets: list[Path] = []
        names = [health.service_name, reflection.SERVICE_NAME]
        for name, register, servicer in services:
            register(servicer, self._server)
            names.append(name)
        health.register(self._server)
        reflection.enable_server_reflection(names, self._server)

    def bind(
        self, listen: Sequence[Listen], credentials: grpc.ServerCredentials | None
    ) -> tuple[str, ...]:
        """
        Bind every address; returns them with the ports the kernel gave.

        Args:
            listen: where.
            credentials: for TCP listeners; None means plain text.

        Raises:
            AddressTakenError: one of them cannot be had.
            InvalidInputError: INVALID_FIELD, for a path that is something else than a socket.

        Sockets made before the one that failed are taken away.
        """
        try:
            return tuple(self._bind(one, credentials) for one in listen)
        except BaseException:
            self._unlink()
            raise

    def _bind(self, one: Listen, credentials: grpc.ServerCredentials | None) -> str:
        if one.socket:
            return self._bind_socket(Path(one.socket))
        try:
            if credentials is None:
                port = self._server.add_insecure_port(one.target)
            else:
                port = self._server.add_secure_port(one.target, credentials)
        except RuntimeError as error:
            raise AddressTakenError(f"{one} cannot be bound: in use, or not ours") from error
        return str(Listen(host=one.host, port=port))

    def _bind_socket(self, path: Path) -> str:
        # gRPC unlinks and rebinds an existing path without asking, also one that is in use.
        if _answers(path):
            raise AddressTakenError(f"somebody listens on {path} already")
        try:
            path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            before = os.umask(~SOCKET_MODE & 0o777)
            try:
                self._server.add_insecure_port(f"unix:{path}")
            finally:
                os.umask(before)
        except (OSError, RuntimeError) as error:
            raise AddressTakenError(f"the socket {path} cannot be made: {error}") from error
        self._sockets.append(path)
        return f"unix:{path}"

    def _unlink(self) -> None:
        for path in self._sockets:
            path.unlink(missing_ok=True)

    async def start(self) -> None:
        """Begin to serve."""
        await self._server.start()

    async def stop(self, grace_s: float) -> None:
        """Take no connections, let calls go on for *grace_s*, cancel what is left."""
        self._health.close()
        await self._server.stop(grace_s)
        self._unlink()


def _answers(path: Path) -> bool:
    """Whether somebody accepts connections on the socket *path*."""
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            what = f"{path} exists and is no socket"
            raise bad_field("listen", what, remedy="Move it away, or listen on another path.")
    except FileNotFoundError:
        return False
    except OSError as error:
        raise AddressTakenError(f"the socket {path} cannot be made: {error.strerror}") from error
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(CONNECT_BOUND_S)
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True
