"""A daemon of canned answers over a real gRPC server: what rkctl is tested against."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

import grpc
from click.testing import Result
from google.protobuf import any_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from rkd.v1 import (
    hub_pb2_grpc,
    inference_pb2_grpc,
    models_pb2_grpc,
    operations_pb2_grpc,
    pool_pb2_grpc,
    system_pb2_grpc,
)

Rkctl = Callable[..., Result]
"""What the fixture `rkctl` is."""

_SERVICES = (
    (models_pb2_grpc, "ModelService"),
    (inference_pb2_grpc, "InferenceService"),
    (hub_pb2_grpc, "HubService"),
    (pool_pb2_grpc, "PoolService"),
    (operations_pb2_grpc, "OperationService"),
    (system_pb2_grpc, "SystemService"),
)


class Refusal(Exception):  # noqa: N818 - stands for a status, is no defect
    """An error a canned answer ends with: code, reason, message, remedy."""

    def __init__(
        self,
        code: str,
        reason: str,
        message: str,
        remedy: str = "",
        *,
        retry_s: float | None = None,
        **metadata: str,
    ) -> None:
        super().__init__(message)
        details = [error_details_pb2.ErrorInfo(reason=reason, domain="rkd", metadata=metadata)]
        if remedy:
            links = [error_details_pb2.Help.Link(description=remedy)]
            details.append(error_details_pb2.Help(links=links))
        if retry_s is not None:
            retry = error_details_pb2.RetryInfo()
            retry.retry_delay.FromNanoseconds(round(retry_s * 1e9))
            details.append(retry)
        if "field" in metadata:
            bad = error_details_pb2.BadRequest()
            bad.field_violations.add(field=metadata["field"], description=metadata["rule"])
            details.append(bad)
        packed = [any_pb2.Any() for _ in details]
        for box, detail in zip(packed, details, strict=True):
            box.Pack(detail)
        number, _ = grpc.StatusCode[code].value
        text = f"{message} {remedy}".strip()
        self.status = status_pb2.Status(code=number, message=text, details=packed)


class FakeBoard:
    """
    Answers every RPC with what `answers` holds under `Service.Method`.

    An answer is a message, a list of steps (messages, callables taking the gRPC context, at the
    end maybe a `Refusal`), a `Refusal`, or a callable taking the request (or the iterator of
    requests) and returning one of these. Everything asked is kept in `asked`.
    """

    def __init__(self, folder: Path) -> None:
        self.socket = folder / "rkd.sock"
        self.answers: dict[str, Any] = {}
        self.asked: list[tuple[str, Any]] = []
        self.tokens: list[str] = []
        self.metadata: list[dict[str, str | bytes]] = []
        self.cancelled = threading.Event()
        self._threads = ThreadPoolExecutor(8)
        self._server = grpc.server(self._threads, options=[("grpc.so_reuseport", 0)])
        for module, name in _SERVICES:
            servicer = self._servicer(getattr(module, f"{name}Servicer"), name)
            getattr(module, f"add_{name}Servicer_to_server")(servicer, self._server)
        self._server.add_insecure_port(f"unix:{self.socket}")
        self.port = self._server.add_insecure_port("127.0.0.1:0")

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop(None).wait(5)
        self._threads.shutdown()

    def environment(self, home: Path) -> dict[str, str]:
        """Return an environment whose rkctl finds this board and nothing of the user."""
        # PYTHONUNBUFFERED of the one who runs the tests would hide a flush that is missing.
        ours = ("RKD_", "PYTHON")
        kept = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
        kept.update(RKD_ENDPOINT=str(self.socket), HOME=str(home), XDG_CONFIG_HOME=str(home))
        kept.update(XDG_STATE_HOME=str(home))
        return kept

    def requests(self, method: str) -> list[Any]:
        """Return what *method* was asked, in order."""
        return [request for name, request in self.asked if name == method]

    def _servicer(self, kind: type, service: str) -> object:
        methods = [name for name in vars(kind) if name[0].isupper()]
        body = {name: self._method(f"{service}.{name}") for name in methods}
        return type(f"Fake{service}", (kind,), body)()

    def _method(self, name: str) -> Callable[[object, Any, grpc.ServicerContext], Any]:
        streams = name.rpartition(".")[2] in {"Pull", "Create", "Push", "Watch", "Generate", "Chat"}
        streams = streams or name == "PoolService.Load"

        def answer(_: object, request: Any, context: grpc.ServicerContext) -> Any:
            self.tokens += [v for k, v in context.invocation_metadata() if k == "authorization"]
            self.metadata.append(dict(context.invocation_metadata()))
            # A create that is only to be judged makes nothing: it is a call of its own.
            judged = getattr(request, "check_only", False)
            called = f"{name}.check" if judged else name
            canned = self.answers.get(called, [] if judged else None)
            if isinstance(request, Message):
                self.asked.append((called, request))
            if callable(canned):
                canned = canned(request)
            if canned is None:
                context.abort(grpc.StatusCode.UNIMPLEMENTED, f"no answer for {name}")
            if streams:
                return self._steps(canned if isinstance(canned, list) else [canned], context)
            if isinstance(canned, Refusal):
                context.abort_with_status(rpc_status.to_status(canned.status))
            return canned

        return answer

    def _steps(self, steps: Iterable[Any], context: grpc.ServicerContext) -> Iterator[Any]:
        context.add_callback(lambda: None if context.code() else self.cancelled.set())
        for step in steps:
            if isinstance(step, Refusal):
                context.abort_with_status(rpc_status.to_status(step.status))
            elif callable(step):
                step(context)
            else:
                yield step


def until_cancelled(context: grpc.ServicerContext) -> None:
    """Be a step that goes on until the client leaves."""
    gone = threading.Event()
    if context.add_callback(gone.set):
        gone.wait(30)
