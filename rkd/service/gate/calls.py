"""
What stands around every call: who calls is asked first, then the request is read, then served.

A request's bytes stay in the connection until its caller is admitted: every method is given to
gRPC as one that reads its requests itself. Holds the first of the broad excepts.
"""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any, Final

import grpc
import structlog
from structlog.contextvars import bind_contextvars

from rkd import errors
from rkd.errors import bad_field
from rkd.log import bind_request
from rkd.service.gate.auth import OPEN_METHODS
from rkd.service.gate.caller import CALLER, Caller, anybody
from rkd.service.gate.headers import HEADERS, Headers, check_board
from rkd.service.gate.intake import Intake
from rkd.service.gate.limits import request_bytes
from rkd.service.gate.message import Read, read_message
from rkd.service.gate.peer import read_peer
from rkd.service.gate.status import CODES, fail
from rkd.service.gate.underway import UnderWay

TRACE_KEY: Final = "traceparent"
"""Metadata: the client's place in a trace. **Source:** W3C Trace Context."""

REQUEST_ID_KEY: Final = "x-request-id"
"""Metadata: a client may send its own id; the answer's trailing metadata says the one used."""

UNKNOWN_METHOD: Final = ""
"""What admission is asked for a method we do not have; what it is counted under."""

Admit = Callable[[str, Any], Caller]
"""Given the method and the context, names who calls, or raises why he may not."""

Observe = Callable[[str, str, float], None]
"""Told of every ended call: method, name of the status code, seconds it took."""


def admit_everybody(_method: str, context: Any) -> Caller:
    """Let everybody in, as on a socket whose file mode has judged."""
    return anybody(read_peer(context.peer(), {}).network)


def observe_nothing(_method: str, _code: str, _seconds: float) -> None:
    """Do nothing with an ended call."""


class StatusInterceptor(grpc.aio.ServerInterceptor):
    """
    Stands around every call: names it, admits it, reads it, gives it the right status.

    Costs nothing per message of a stream but the one generator that makes errors into statuses.

    Args:
        admit: says who calls.
        observe: is told of every call that ended.
        board: the name this board answers by; "" tells none.
    """

    def __init__(
        self,
        admit: Admit = admit_everybody,
        observe: Observe = observe_nothing,
        board: str = "",
    ) -> None:
        self._admit = admit
        self._observe = observe
        self._board = board
        self.under_way = UnderWay()
        self._intake = Intake()
        self._log = structlog.get_logger("rkd.service")

    async def intercept_service(self, continuation: Any, handler_call_details: Any) -> Any:
        """Give gRPC a handler that reads its own requests, after admission."""
        handler = await continuation(handler_call_details)
        if handler is None:
            return grpc.stream_unary_rpc_method_handler(self._unknown(handler_call_details.method))
        kinds = (
            ("unary_unary", grpc.stream_unary_rpc_method_handler, self._single),
            ("stream_unary", grpc.stream_unary_rpc_method_handler, self._single),
            ("unary_stream", grpc.stream_stream_rpc_method_handler, self._stream),
            ("stream_stream", grpc.stream_stream_rpc_method_handler, self._stream),
        )
        for kind, rebuild, wrap in kinds:
            behaviour = getattr(handler, kind)
            if behaviour is not None:
                wrapped = wrap(behaviour, handler_call_details.method, handler)
                return rebuild(wrapped, response_serializer=handler.response_serializer)
        return handler

    def _single(self, behaviour: Any, method: str, handler: Any) -> Any:
        async def call(_: Any, context: Any) -> Any:
            async with (
                self._guard(method, context) as caller,
                self._requests(method, context, handler, caller) as held,
            ):
                answer = await behaviour(held.pop(), context)
                await HEADERS.get().begin()
                return answer

        return call

    def _stream(self, behaviour: Any, method: str, handler: Any) -> Any:
        async def call(_: Any, context: Any) -> AsyncIterator[Any]:
            async with (
                self._guard(method, context) as caller,
                self._requests(method, context, handler, caller) as held,
            ):
                if not inspect.isasyncgenfunction(behaviour):
                    await behaviour(held.pop(), context)  # writes by itself, as health does
                    return
                headers = HEADERS.get()
                async with aclosing(behaviour(held.pop(), context)) as items:
                    async for response in items:
                        if not headers.begun:
                            await headers.begin()
                        yield response

        return call

    def _unknown(self, method: str) -> Any:
        async def call(_: Any, context: Any) -> None:
            async with self._guard(UNKNOWN_METHOD, context):
                raise _unbuilt(method)

        return call

    @asynccontextmanager
    async def _requests(
        self, method: str, context: Any, handler: Any, caller: Caller
    ) -> AsyncIterator[list[Any]]:
        """
        Read the one request, or give an iterator over all of them, as a list to take it out of.

        Taken out, it is the service's alone: gRPC keeps the frames of a call that is refused, and
        what they hold, until Python's collector comes by (measured: 2 GB).
        """
        most_bytes = request_bytes(method)
        read = handler.request_deserializer

        async def messages() -> AsyncGenerator[Any, None]:
            while True:
                message = _read(await self._intake.next_of(context), read, most_bytes)
                if message is grpc.aio.EOF:
                    return
                yield message

        if handler.request_streaming:
            counted = self._intake.streaming(caller.identity)
            async with counted, aclosing(messages()) as items:
                yield [items]
            return
        async with self._intake.reading(caller.identity):
            held = [_read(await context.read(), read, most_bytes)]
        if held[0] is grpc.aio.EOF:
            raise bad_field("request", "is missing: the call ended before its message")
        yield held

    @asynccontextmanager
    async def _guard(self, method: str, context: Any) -> AsyncIterator[Caller]:
        started, code = time.perf_counter(), grpc.StatusCode.OK
        metadata = dict(context.invocation_metadata() or ())
        offered = metadata.get(REQUEST_ID_KEY, "")
        request_id = bind_request(str(offered), method=method.rpartition("/")[2])
        headers = Headers(context, self._board)
        context.set_trailing_metadata(((REQUEST_ID_KEY, request_id), *headers.pairs))
        HEADERS.set(headers)
        if TRACE_KEY in metadata:
            bind_contextvars(traceparent=str(metadata[TRACE_KEY])[:64])
        try:
            check_board(metadata, self._board)
            if method in OPEN_METHODS:
                yield _known(admit_everybody(method, context))
                return
            caller = _known(self._admit(method, context))
            with self.under_way.one(method):
                yield caller
        except errors.RkdError as error:
            code = CODES[type(error)]
            _forget_frames(error)
            await fail(context, error)
        except NotImplementedError:
            # the generated base class's answer for what its service has not
            code = grpc.StatusCode.UNIMPLEMENTED
            await fail(context, _unbuilt(method))
        except grpc.aio.AbortError:
            code = context.code()
            raise
        except grpc.aio.BaseError as gone:
            # the connection was lost, or the server stopped: nobody is there to tell
            code = grpc.StatusCode.CANCELLED
            raise asyncio.CancelledError from gone
        except asyncio.CancelledError:
            code = grpc.StatusCode.CANCELLED
            raise
        except Exception as error:  # noqa: BLE001 - one of three: a defect becomes INTERNAL, logged
            code = grpc.StatusCode.INTERNAL
            self._log.error("call.defect", method=method, exc_info=error)
            await fail(context, _defect(error, method))
        finally:
            self._observe(method, code.name, time.perf_counter() - started)


def _known(caller: Caller) -> Caller:
    """Remember *caller* for the rest of his call."""
    bind_contextvars(caller=caller.name)
    CALLER.set(caller)
    return caller


def _unbuilt(method: str) -> errors.NotBuiltError:
    return errors.NotBuiltError(
        errors.Reason.NOT_IMPLEMENTED,
        f"this rkd has no method {method[:200]}",
        remedy="See `rkctl version` for what the daemon is.",
    )


def _read(raw: Any, read: Read, most_bytes: int) -> Any:
    """Return the message of *raw*, or EOF; a refusal keeps no hold of *raw*, see `_requests`."""
    if raw is grpc.aio.EOF:
        return raw
    try:
        return read_message(raw, read, most_bytes)
    except errors.InvalidInputError as error:
        _forget_frames(error)
        refusal = error
    del raw
    raise refusal


def _forget_frames(error: BaseException | None) -> None:
    """
    Let go of the frames of *error*, which may hold a request of megabytes: nobody will look.

    The frames themselves are not cleared: one refusal ends many calls, and among its frames are
    those of others that are still being told.
    """
    while error is not None:
        error.__traceback__ = None
        error = error.__cause__ or error.__context__


def _defect(error: Exception, method: str) -> errors.RkdError:
    return errors.InternalError(
        errors.Reason.INTERNAL,
        f"rkd made a mistake in {method}: {type(error).__name__}.",
        remedy="See the daemon's log, and please report it.",
    )
