"""What the gateway tells about itself, for Prometheus at `/metrics`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

MEDIA_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
SECONDS: Final = (0.005, 0.02, 0.1, 0.5, 2, 10, 60, 300)
GONE: Final = "gone"
"""The status of a request whose client hung up before its answer began."""


class Request:
    """One request as it is counted: `status` is what its client was told."""

    status: str = GONE


class Meters:
    """Counts requests by their route, never by what stands in an address."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "rkd_gateway_requests",
            "Requests answered, by HTTP status; `gone` hung up before.",
            ["method", "path", "status"],
            registry=self.registry,
        )
        self._running = Gauge(
            "rkd_gateway_running_requests",
            "Requests that are being answered.",
            registry=self.registry,
        )
        self._seconds = Histogram(
            "rkd_gateway_request_seconds",
            "From a request's head to the last byte of its answer.",
            ["path"],
            buckets=SECONDS,
            registry=self.registry,
        )

    @contextmanager
    def request(self, method: str, path: str) -> Iterator[Request]:
        """Count one request while it is answered."""
        one, begun_s = Request(), time.monotonic()
        self._running.inc()
        try:
            yield one
        finally:
            self._running.dec()
            self._requests.labels(method, path, one.status).inc()
            self._seconds.labels(path).observe(time.monotonic() - begun_s)

    def text(self) -> bytes:
        """Return all of it as Prometheus reads it."""
        return generate_latest(self.registry)
