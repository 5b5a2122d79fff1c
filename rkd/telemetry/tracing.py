"""
OpenTelemetry: one span for every ended call, with the client's trace as its parent.

The extra `otel`, switched on by OpenTelemetry's own variable OTEL_EXPORTER_OTLP_ENDPOINT.
A span is made when its call has ended, from what the interceptor measured: nothing is paid while
tokens flow.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from structlog.contextvars import get_contextvars

from rkd.errors import bad_field

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

VARIABLES: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


class Tracing:
    """
    Spans of ended calls.

    Args:
        provider: where they go; owned, shut down by `close`.
    """

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("rkd")

    def call_ended(self, method: str, code: str, seconds: float) -> None:
        """Make the span of a call; runs in the call's own task, whose facts it takes."""
        from opentelemetry.trace import SpanKind, StatusCode  # noqa: PLC0415 - an extra
        from opentelemetry.trace.propagation.tracecontext import (  # noqa: PLC0415 - the same
            TraceContextTextMapPropagator,
        )

        facts = get_contextvars()
        parent = TraceContextTextMapPropagator().extract(
            {"traceparent": str(facts.get("traceparent", ""))}
        )
        ended_ns = time.time_ns()
        service, _, name = method.removeprefix("/").partition("/")
        span = self._tracer.start_span(
            f"{service}/{name}",
            context=parent,
            kind=SpanKind.SERVER,
            start_time=ended_ns - int(seconds * 1e9),
            attributes={
                "rpc.system": "grpc",
                "rpc.service": service,
                "rpc.method": name,
                "rkd.status": code,
                "rkd.request_id": str(facts.get("request_id", "")),
                "rkd.caller": str(facts.get("caller", "")),
            },
        )
        if code not in {"OK", "CANCELLED"}:
            span.set_status(StatusCode.ERROR, code)
        span.end(ended_ns)

    def close(self) -> None:
        """Send what is left; blocks for the exporter's own bound of seconds."""
        self._provider.shutdown()


def open_tracing(environment: Mapping[str, str], version: str) -> Tracing | None:
    """
    Return the tracing the environment asks for, or None.

    Raises:
        InvalidInputError: INVALID_FIELD, when it asks and the extra is not installed.
    """
    if not any(environment.get(name) for name in VARIABLES):
        return None
    try:
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import (  # noqa: PLC0415 - an extra
            OTLPSpanExporter,
        )
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - the same
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - the same
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 - the same
    except ImportError as error:
        what = "is set but OpenTelemetry is not installed"
        raise bad_field(
            VARIABLES[0],
            what,
            f"{VARIABLES[0]} {what}",
            remedy="Install it (`sudo ./install.sh --otel`, or in rkd's checkout "
            "`pip install '.[otel]'`) or unset the variable.",
        ) from error
    resource = Resource.create({"service.name": "rkd", "service.version": version})
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return Tracing(provider)
