"""
One run of rkctl against one daemon: the channel, the token, deadlines, the typed stubs.

The channel is opened at the first call. Not thread-safe; the verb that got it owns it, and the
command closes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import grpc

from rkctl.answer import failure_of
from rkctl.endpoint import Endpoint, choose
from rkctl.failure import Exit, Failure
from rkctl.where import Where
from rkd.v1.hub_pb2_grpc import HubServiceStub
from rkd.v1.inference_pb2_grpc import InferenceServiceStub
from rkd.v1.models_pb2_grpc import ModelServiceStub
from rkd.v1.operations_pb2_grpc import OperationServiceStub
from rkd.v1.pool_pb2_grpc import PoolServiceStub
from rkd.v1.system_pb2_grpc import SystemServiceStub

Request = TypeVar("Request")
Response = TypeVar("Response")

QUICK_S = 30.0
"""Bound of calls the daemon answers from memory or by renaming files."""

SLOW_S = 900.0
"""Bound of calls that may load a model, drain it or read all of its bytes."""

_OPTIONS = (
    # A board is on the local network: a proxy for the world's web is never the way to it.
    ("grpc.enable_http_proxy", 0),
    # Message sizes are the daemon's to bound; embeddings of 2048 texts pass the 4 MiB default.
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    # A cable pulled out is noticed within 80 s, also while a long answer is awaited.
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.http2.max_pings_without_data", 0),
)


class Session:
    """
    Calls to one daemon.

    Args:
        where: the daemon and who asks.
        timeout_s: bound for each call, instead of the call's own; None for that.
        json: print JSON instead of text.
    """

    def __init__(self, where: Where, *, timeout_s: float | None = None, json: bool = False) -> None:
        self.json = json
        self._where = where
        self._timeout_s = timeout_s
        self._channel: grpc.Channel | None = None
        self._endpoint = where.endpoints[0]

    @property
    def models(self) -> ModelServiceStub:
        """Models on disk."""
        return ModelServiceStub(self._open())

    @property
    def inference(self) -> InferenceServiceStub:
        """Running models."""
        return InferenceServiceStub(self._open())

    @property
    def pool(self) -> PoolServiceStub:
        """Models in memory."""
        return PoolServiceStub(self._open())

    @property
    def hub(self) -> HubServiceStub:
        """Models on the Hub."""
        return HubServiceStub(self._open())

    @property
    def operations(self) -> OperationServiceStub:
        """Pulls, creates and pushes."""
        return OperationServiceStub(self._open())

    @property
    def system(self) -> SystemServiceStub:
        """The daemon and its board."""
        return SystemServiceStub(self._open())

    @property
    def endpoint(self) -> str:
        """Where the daemon was found; before the first call, where it is looked for first."""
        return str(self._endpoint)

    def call(
        self,
        method: grpc.UnaryUnaryMultiCallable[Request, Response],
        request: Request,
        bound_s: float = QUICK_S,
    ) -> Response:
        """
        Call *method* once and wait for its answer, at most *bound_s* unless --timeout says more.

        Raises:
            Failure: whatever the daemon or the connection says.
        """
        with self._told():
            return method(request, timeout=self._timeout_s or bound_s, metadata=self._metadata())

    @contextmanager
    def stream(
        self, method: grpc.UnaryStreamMultiCallable[Request, Response], request: Request
    ) -> Iterator[Iterator[Response]]:
        """
        Call *method* and yield the iterator of its answers; leaving the block cancels the call.

        Raises:
            Failure: from the iterator, whatever the daemon or the connection says.
        """
        with self._told():
            call = method(request, timeout=self._timeout_s, metadata=self._metadata())
            try:
                yield call
            finally:
                call.cancel()

    def send(
        self,
        method: grpc.StreamUnaryMultiCallable[Request, Response],
        requests: Iterable[Request],
        bound_s: float | None = None,
    ) -> Response:
        """
        Send *requests* one after the other and return the one answer.

        Raises:
            grpc.RpcError: as it came; an upload decides itself what can be mended.
        """
        return method(iter(requests), timeout=self._timeout_s or bound_s, metadata=self._metadata())

    def failure(self, error: grpc.RpcError) -> Failure:
        """Say what *error* means for the user."""
        return failure_of(error, self.endpoint, secure=self._secure(self._endpoint))

    def close(self) -> None:
        """Close the channel; calls still open are cancelled."""
        if self._channel is not None:
            self._channel.close()
            self._channel = None

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except grpc.RpcError as error:
            raise self.failure(error) from error

    def _metadata(self) -> tuple[tuple[str, str], ...]:
        return (("authorization", f"Bearer {self._where.token}"),) if self._where.token else ()

    def _open(self) -> grpc.Channel:
        if self._channel is None:
            self._endpoint = choose(self._where.endpoints)
            self._channel = self._dial(self._endpoint)
        return self._channel

    def _secure(self, chosen: Endpoint) -> bool:
        return not chosen.path and bool(chosen.tls or self._where.ca or self._where.cert)

    def _dial(self, chosen: Endpoint) -> grpc.Channel:
        where = self._where
        if not self._secure(chosen):
            return grpc.insecure_channel(chosen.target, options=_OPTIONS)
        credentials = grpc.ssl_channel_credentials(
            _bytes_of(where.ca), _bytes_of(where.key), _bytes_of(where.cert)
        )
        return grpc.secure_channel(chosen.target, credentials, options=_OPTIONS)


def _bytes_of(file: str) -> bytes | None:
    if not file:
        return None
    try:
        return Path(file).expanduser().read_bytes()
    except OSError as error:
        said = f"the file {file} cannot be read: {error.strerror}"
        raise Failure(said, "INVALID_FILE", (), Exit.USAGE) from error
