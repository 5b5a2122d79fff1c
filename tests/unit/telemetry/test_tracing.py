"""Spans of ended calls."""

from __future__ import annotations

import pytest
from structlog.contextvars import bind_contextvars, clear_contextvars

from rkd.telemetry.tracing import Tracing, open_tracing

pytest.importorskip("opentelemetry.sdk", reason="the extra otel is not installed")


def test_a_call_is_a_span_under_the_clients_trace() -> None:
    """Name, duration, status, request id, and the parent of the traceparent header."""
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - see the skip above
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor  # noqa: PLC0415 - the same
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import (  # noqa: PLC0415 - the same
        InMemorySpanExporter,
    )

    kept = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    tracing = Tracing(provider)
    clear_contextvars()
    trace = "0af7651916cd43dd8448eb211c80319c"
    bind_contextvars(request_id="r1", traceparent=f"00-{trace}-b7ad6b7169203331-01")
    tracing.call_ended("/rkd.v1.ModelService/Show", "NOT_FOUND", 0.5)
    clear_contextvars()
    tracing.call_ended("/rkd.v1.ModelService/List", "OK", 0.1)
    failed, good = kept.get_finished_spans()
    tracing.close()

    assert failed.name == "rkd.v1.ModelService/Show"
    assert failed.context is not None
    assert f"{failed.context.trace_id:032x}" == trace
    assert failed.end_time is not None
    assert failed.start_time is not None
    assert failed.end_time - failed.start_time == 500_000_000
    assert failed.attributes is not None
    assert failed.attributes["rkd.request_id"] == "r1"
    assert not failed.status.is_ok
    assert good.parent is None
    assert good.status.is_unset


def test_without_the_variable_there_is_none() -> None:
    """Nothing is imported, nothing is sent."""
    assert open_tracing({}, "1") is None
