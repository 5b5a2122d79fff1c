"""
From our errors to gRPC's: the one table, and the one interceptor that applies it.

Services raise `rkd.errors`; nobody else sets a status code. Every non-OK status carries
`google.rpc.ErrorInfo` of domain `rkd`, and RetryInfo, BadRequest, PreconditionFailure or Help
where they fit.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any

import grpc
import structlog
from google.protobuf import any_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2
from structlog.contextvars import bind_contextvars

from rkd import errors
from rkd.log import bind_request

DOMAIN = "rkd"
_DETAILS_KEY = "grpc-status-details-bin"
TRACE_KEY = "traceparent"
"""Metadata: the client's place in a trace. **Source:** W3C Trace Context."""

REQUEST_ID_KEY = "x-request-id"
"""Metadata: a client may send its own id; the answer's trailing metadata says the one used."""

CODES: dict[type[errors.RkdError], grpc.StatusCode] = {
    errors.InvalidInputError: grpc.StatusCode.INVALID_ARGUMENT,
    errors.NotFoundError: grpc.StatusCode.NOT_FOUND,
    errors.AlreadyExistsError: grpc.StatusCode.ALREADY_EXISTS,
    errors.PreconditionError: grpc.StatusCode.FAILED_PRECONDITION,
    errors.TimedOutError: grpc.StatusCode.DEADLINE_EXCEEDED,
    errors.ExhaustedError: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.BeyondRangeError: grpc.StatusCode.OUT_OF_RANGE,
    errors.UnavailableError: grpc.StatusCode.UNAVAILABLE,
    errors.AbortedError: grpc.StatusCode.ABORTED,
    errors.DataLossError: grpc.StatusCode.DATA_LOSS,
    errors.UnauthenticatedError: grpc.StatusCode.UNAUTHENTICATED,
    errors.ForbiddenError: grpc.StatusCode.PERMISSION_DENIED,
    errors.NotBuiltError: grpc.StatusCode.UNIMPLEMENTED,
    errors.InternalError: grpc.StatusCode.INTERNAL,
}
"""Every class of the taxonomy and its code; a test holds it against the taxonomy and the docs."""


def status_of(error: errors.RkdError) -> status_pb2.Status:
    """Turn *error* into a status with all its details; the message ends with the remedy."""
    details: list[any_pb2.Any] = []

    def attach(detail: Any) -> None:
        packed = any_pb2.Any()
        packed.Pack(detail)
        details.append(packed)

    attach(
        error_details_pb2.ErrorInfo(
            reason=error.reason.value, domain=DOMAIN, metadata=error.metadata
        )
    )
    if error.retry_after_s is not None:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromMilliseconds(max(1, int(error.retry_after_s * 1000)))
        attach(retry)
    if error.violations:
        bad = error_details_pb2.BadRequest()
        for one in error.violations:
            bad.field_violations.add(field=one.field, description=one.description)
        attach(bad)
    if isinstance(error, errors.PreconditionError):
        failure = error_details_pb2.PreconditionFailure()
        subject = error.metadata.get("model", "")
        failure.violations.add(type=error.reason.value, subject=subject, description=error.message)
        attach(failure)
    if error.remedy:
        help_ = error_details_pb2.Help()
        help_.links.add(description=error.remedy)
        attach(help_)
    code = code_pb2.Code.Value(CODES[type(error)].name)
    told = error.message if error.message.endswith((".", "!", "?", ":")) else f"{error.message}."
    message = f"{told} {error.remedy}".strip()
    return status_pb2.Status(code=code, message=message, details=details)


async def fail(context: grpc.aio.ServicerContext[Any, Any], error: errors.RkdError) -> None:
    """End the call of *context* with *error*; never returns normally."""
    status = status_of(error)
    trailing = (*context.trailing_metadata(), (_DETAILS_KEY, status.SerializeToString()))
    await context.abort(CODES[type(error)], status.message, trailing)


Admit = Callable[[str, Any], str]
"""Given the method and the context, names who calls, or raises why he may not."""

Observe = Callable[[str, str, float], None]
"""Told of every ended call: method, name of the status code, seconds it took."""


def admit_everybody(_method: str, _context: object) -> str:
    """Let everybody in, as on a socket whose file mode has judged."""
    return "anybody"


def observe_nothing(_method: str, _code: str, _seconds: float) -> None:
    """Do nothing with an ended call."""


class StatusInterceptor(grpc.aio.ServerInterceptor):
    """
    Stands around every call: names it, admits it, gives it the right status, observes its end.

    Holds the first of the two broad excepts. Costs nothing per message of a stream but the one
    generator that makes errors into statuses.
    """

    def __init__(self, admit: Admit = admit_everybody, observe: Observe = observe_nothing) -> None:
        self._admit = admit
        self._observe = observe
        self._log = structlog.get_logger("rkd.service")

    async def intercept_service(self, continuation: Any, handler_call_details: Any) -> Any:
        """Wrap the handler of every call of ours."""
        handler = await continuation(handler_call_details)
        method = handler_call_details.method
        # Health is for probes, which have no tokens; it comes as plain functions.
        if handler is None or method.startswith("/grpc.health."):
            return handler
        kinds = (
            ("unary_unary", grpc.unary_unary_rpc_method_handler, self._single),
            ("stream_unary", grpc.stream_unary_rpc_method_handler, self._single),
            ("unary_stream", grpc.unary_stream_rpc_method_handler, self._stream),
            ("stream_stream", grpc.stream_stream_rpc_method_handler, self._stream),
        )
        for kind, rebuild, wrap in kinds:
            behaviour = getattr(handler, kind)
            if behaviour is not None:
                return rebuild(
                    wrap(behaviour, method),
                    request_deserializer=handler.request_deserializer,
                    response_serializer=handler.response_serializer,
                )
        return handler

    def _single(self, behaviour: Any, method: str) -> Any:
        async def call(request: Any, context: Any) -> Any:
            async with self._guard(method, context):
                return await behaviour(request, context)

        return call

    def _stream(self, behaviour: Any, method: str) -> Any:
        async def call(request: Any, context: Any) -> AsyncIterator[Any]:
            async with self._guard(method, context), aclosing(behaviour(request, context)) as items:
                async for response in items:
                    yield response

        return call

    @asynccontextmanager
    async def _guard(self, method: str, context: Any) -> AsyncIterator[None]:
        started, code = time.perf_counter(), grpc.StatusCode.OK
        metadata = dict(context.invocation_metadata() or ())
        offered = metadata.get(REQUEST_ID_KEY, "")
        request_id = bind_request(str(offered), method=method.rpartition("/")[2])
        context.set_trailing_metadata(((REQUEST_ID_KEY, request_id),))
        if TRACE_KEY in metadata:
            bind_contextvars(traceparent=str(metadata[TRACE_KEY])[:64])
        try:
            bind_contextvars(caller=self._admit(method, context))
            yield
        except errors.RkdError as error:
            code = CODES[type(error)]
            await fail(context, error)
        except grpc.aio.AbortError:
            code = context.code()
            raise
        except asyncio.CancelledError:
            code = grpc.StatusCode.CANCELLED
            raise
        except Exception as error:  # noqa: BLE001 - one of two: a defect becomes INTERNAL, logged
            code = grpc.StatusCode.INTERNAL
            self._log.error("call.defect", method=method, exc_info=error)
            await fail(context, self._defect(error, method))
        finally:
            self._observe(method, code.name, time.perf_counter() - started)

    @staticmethod
    def _defect(error: Exception, method: str) -> errors.RkdError:
        return errors.InternalError(
            errors.Reason.INTERNAL,
            f"rkd made a mistake in {method}: {type(error).__name__}.",
            remedy="See the daemon's log, and please report it.",
        )
