"""
llama-server's HTTP API over a private unix socket: requests, and streams that can be cut.

Knows the protocol only; which process answers it is `backend.py`'s. Standard library, because a
worker must stay small and start fast.
"""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from rkd.backend.backend import RunHandle, check_wanted
from rkd.backend.lease import take

REQUEST_BOUND_S = 60.0
"""Longest wait for a short answer (tokenize, props); streams are bounded by cancellation."""

_AT_REST = ("/tokenize", "/detokenize", "/apply-template", "/slots")
"""What an engine answers without computing."""

Json = Mapping[str, Any]


class EngineError(Exception):
    """
    The engine refused or broke off.

    Args:
        status: HTTP status, 0 when the connection ended early.
        body: the engine's `error` object, `{"message", "type", …}`.
    """

    def __init__(self, status: int, body: Json) -> None:
        super().__init__(str(body.get("message", "the engine gave no reason")))
        self.status = status
        self.body = body

    @property
    def kind(self) -> str:
        """The engine's own error type, `exceed_context_size_error` for instance."""
        return str(self.body.get("type", ""))


class _UnixConnection(http.client.HTTPConnection):
    """An HTTP connection to a socket in the file system."""

    def __init__(self, path: Path, timeout_s: float | None) -> None:
        super().__init__("engine", timeout=timeout_s)
        self._path = path
        self._cut = False

    def connect(self) -> None:
        """Connect to the socket's path."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))
        if self._cut:
            raise ConnectionAbortedError("it was cut before it began")

    def cut(self) -> None:
        """Let it end, from any thread: the engine stops the task within its current batch."""
        self._cut = True
        if self.sock is not None:
            try:
                self.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                return  # it had ended by itself


class EventStream:
    """One streamed answer; iterate it on one thread, `cut` it from another."""

    def __init__(
        self,
        connection: _UnixConnection,
        response: http.client.HTTPResponse,
        lease: IO[str] | None = None,
    ) -> None:
        self._connection = connection
        self._response = response
        self._lease = lease

    def cut(self) -> None:
        """As of its connection."""
        self._connection.cut()

    def close(self) -> None:
        """Give the connection back, and the NPU where the engine computes on it."""
        self._connection.close()
        if self._lease is not None:
            self._lease.close()

    def __iter__(self) -> Iterator[Json]:
        """
        Yield the events as the engine sends them.

        Raises:
            EngineError: an error event, or the end of the connection before the last event.
        """
        readline = self._response.readline
        try:
            while line := readline():
                if line.startswith(b"data: "):
                    if line.startswith(b"data: [DONE]"):
                        return
                    event: Json = json.loads(line[6:])
                    if "error" in event:
                        raise EngineError(int(event["error"].get("code", 500)), event["error"])
                    yield event
                    if event.get("stop"):
                        return
        except (OSError, http.client.HTTPException) as error:
            raise EngineError(0, {"message": f"the connection broke: {error}"}) from error
        # http.client ends a cut answer as quietly as a whole one.
        raise EngineError(0, {"message": "the connection ended before its last event"})


class EngineHttp:
    """
    Talks to the engine listening on *path*; safe from any thread.

    A connection a request: connecting to a unix socket costs some 50 µs.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.lease_path = ""
        """Locked while the engine computes; "" where that is not on the NPU."""

    def get(self, path: str) -> Any:
        """GET *path* and return its JSON."""
        return self._exchange(_UnixConnection(self._path, REQUEST_BOUND_S), "GET", path, None)

    def post(self, path: str, body: Json, *, bound_s: float | None = REQUEST_BOUND_S) -> Any:
        """POST *body* to *path* and return the answer's JSON."""
        return self._leasing(_UnixConnection(self._path, bound_s), path, body)

    def compute(self, path: str, body: Json, handle: RunHandle) -> Any:
        """POST *body* to *path*, without a bound of time but *handle*; raises as `check_wanted`."""
        check_wanted(handle)
        connection = _UnixConnection(self._path, None)
        handle.on_cancel(connection.cut)
        try:
            return self._leasing(connection, path, body)
        except EngineError:
            check_wanted(handle)
            raise

    def stream(self, path: str, body: Json) -> EventStream:
        """
        POST *body* to *path* and return its events.

        Raises:
            EngineError: the engine refused, with its reason.
        """
        lease = self._leased(path)
        connection = _UnixConnection(self._path, None)
        try:
            response = self._send(connection, "POST", path, body)
            if response.status != http.HTTPStatus.OK:
                raise _refusal(response.status, response.read())
        except (EngineError, OSError, http.client.HTTPException) as error:
            connection.close()
            if lease is not None:
                lease.close()
            if isinstance(error, EngineError):
                raise
            raise EngineError(0, {"message": f"the engine does not answer: {error}"}) from error
        return EventStream(connection, response, lease)

    def _leased(self, path: str) -> IO[str] | None:
        if not self.lease_path or path.startswith(_AT_REST):
            return None
        try:
            return take(self.lease_path)
        except (TimeoutError, OSError) as error:
            raise EngineError(503, {"message": str(error)}) from error

    def _leasing(self, connection: _UnixConnection, path: str, body: Json) -> Any:
        lease = self._leased(path)
        try:
            return self._exchange(connection, "POST", path, body)
        finally:
            if lease is not None:
                lease.close()

    def _exchange(
        self, connection: _UnixConnection, method: str, path: str, body: Json | None
    ) -> Any:
        try:
            response = self._send(connection, method, path, body)
            data = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise EngineError(0, {"message": f"the engine does not answer: {error}"}) from error
        finally:
            connection.close()
        if response.status != http.HTTPStatus.OK:
            raise _refusal(response.status, data)
        return json.loads(data)

    @staticmethod
    def _send(
        connection: _UnixConnection, method: str, path: str, body: Json | None
    ) -> http.client.HTTPResponse:
        data = None if body is None else json.dumps(body).encode()
        connection.request(method, path, data, {"Content-Type": "application/json"})
        return connection.getresponse()


def _refusal(status: int, data: bytes) -> EngineError:
    try:
        body = json.loads(data)["error"]
    except (ValueError, KeyError, TypeError):
        body = {"message": data.decode(errors="replace")[:400] or f"HTTP status {status}"}
    return EngineError(status, body if isinstance(body, dict) else {"message": str(body)})
