"""
Prometheus metrics on a loopback listener of their own; only when configured.

`prometheus_client` (the extra `metrics`) writes the text; the numbers come from the meters
when a scraper asks, so that nothing is paid for them in between.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Final, Self

from rkd.board.facts import Telemetry
from rkd.board.memory import own_bytes
from rkd.errors import bad_field
from rkd.telemetry.activity import Activity, Collect
from rkd.telemetry.meters import Histogram, Meters

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

ANSWER_S: Final = 5.0
"""A scraper that has not asked or not taken its answer by then is cut off."""

MAX_HEAD_BYTES: Final = 8192
MAX_SCRAPERS: Final = 8


class MeterCollector:
    """
    The meters as metric families; named as Prometheus' conventions ask.

    Args:
        meters: what was counted.
        collect: what goes on now.
        telemetry: reads the board.
    """

    def __init__(
        self, meters: Meters, collect: Collect, telemetry: Callable[[], Telemetry]
    ) -> None:
        self._meters = meters
        self._activity = collect
        self._telemetry = telemetry

    def collect(self) -> Iterator[Metric]:
        """Yield every family."""
        yield from self._counters()
        yield from self._histograms()
        yield from _activity_gauges(self._activity(), len(self._meters.streams))
        yield from _board_gauges(self._telemetry())

    def _counters(self) -> Iterator[Metric]:
        from prometheus_client.core import CounterMetricFamily  # noqa: PLC0415 - an extra

        meters = self._meters
        for name, text, labels, values in (
            ("rkd_calls", "Ended calls.", ("method", "code"), meters.calls),
            ("rkd_tokens", "Tokens, by kind.", ("model", "kind"), meters.tokens),
            ("rkd_answers", "Ended answers.", ("model", "reason"), meters.answers),
            ("rkd_worker_deaths", "Dead workers.", ("model", "how"), meters.worker_deaths),
            ("rkd_operations_ended", "Ended operations.", ("kind", "state"), meters.operations),
        ):
            family = CounterMetricFamily(name, text, labels=labels)
            for pair, count in values.items():
                family.add_metric(pair, count)
            yield family
        yield CounterMetricFamily(
            "rkd_downloaded_bytes", "Bytes that came from the Hub.", meters.downloaded_bytes
        )

    def _histograms(self) -> Iterator[Metric]:
        meters = self._meters
        for name, text, label, values in (
            ("rkd_call_seconds", "How long calls took.", "method", meters.call_seconds),
            ("rkd_first_token_seconds", "To the first token.", "model", meters.first_token),
            ("rkd_inter_token_seconds", "Between tokens.", "model", meters.inter_token),
        ):
            yield _histogram(name, text, label, values)


def _histogram(name: str, text: str, label: str, values: dict[str, Histogram]) -> Metric:
    from prometheus_client.core import HistogramMetricFamily  # noqa: PLC0415 - an extra

    family = HistogramMetricFamily(name, text, labels=(label,))
    for key, one in values.items():
        total, buckets = 0, []
        for bound, count in zip((*one.buckets, float("inf")), one.counts, strict=True):
            total += count
            buckets.append((f"{bound:g}" if bound != float("inf") else "+Inf", float(total)))
        family.add_metric((key,), buckets, one.sum)
    return family


def _gauge(name: str, text: str, value: float) -> Metric:
    from prometheus_client.core import GaugeMetricFamily  # noqa: PLC0415 - an extra

    return GaugeMetricFamily(name, text, value)


def _labelled(name: str, text: str, label: str, values: Iterable[tuple[str, float]]) -> Metric:
    from prometheus_client.core import GaugeMetricFamily  # noqa: PLC0415 - an extra

    family = GaugeMetricFamily(name, text, labels=(label,))
    for key, value in values:
        family.add_metric((key,), value)
    return family


def _activity_gauges(now: Activity, streams: int) -> Iterator[Metric]:
    yield _gauge("rkd_models", "Models on disk.", now.models)
    yield _gauge("rkd_resident_models", "Models in memory.", now.residents)
    yield _gauge("rkd_resident_bytes", "Memory of resident models.", now.resident_bytes)
    yield _gauge("rkd_memory_budget_bytes", "Memory models may take.", now.budget_bytes)
    yield _gauge("rkd_queued_requests", "Requests waiting.", now.queued)
    yield _gauge("rkd_streams", "Answers under way.", streams)
    yield _gauge("rkd_operations", "Operations not ended.", now.operations)
    yield _gauge("rkd_daemon_bytes", "Resident memory of the daemon itself.", own_bytes())


def _board_gauges(now: Telemetry) -> Iterator[Metric]:
    yield _gauge("rkd_memory_total_bytes", "Memory.", now.memory_total_bytes)
    yield _gauge("rkd_memory_available_bytes", "Memory to be had.", now.memory_available_bytes)
    yield _gauge("rkd_load_average", "Load average over a minute.", now.load_average)
    cores = ((str(core), load / 100) for core, load in enumerate(now.npu_load_percent))
    yield _labelled("rkd_npu_load_ratio", "Load of the NPU's cores, 0 to 1.", "core", cores)
    if now.npu_frequency_hz is not None:
        yield _gauge("rkd_npu_frequency_hertz", "Clock of the NPU.", now.npu_frequency_hz)
    if now.ddr_frequency_hz is not None:
        yield _gauge("rkd_ddr_frequency_hertz", "Clock of the memory.", now.ddr_frequency_hz)
    for name, text, values in (
        ("rkd_clock_hertz", "Clocks now.", [(c.name, c.frequency_hz) for c in now.clocks]),
        ("rkd_clock_limit_hertz", "Their limits now.", [(c.name, c.limit_hz) for c in now.clocks]),
        ("rkd_clock_highest_hertz", "Their ends.", [(c.name, c.highest_hz) for c in now.clocks]),
    ):
        known = ((clock, float(hz)) for clock, hz in values if hz is not None)
        yield _labelled(name, text, "clock", known)
    yield _labelled("rkd_temperature_celsius", "Temperatures.", "zone", now.temperatures_c)


class MetricsListener:
    """
    Answers `GET /metrics` over HTTP/1.0: enough for scrapers, nothing for anybody else.

    Args:
        collector: what to show.

    Raises:
        InvalidInputError: INVALID_FIELD, when the extra is not installed.
    """

    def __init__(self, collector: MeterCollector) -> None:
        try:
            from prometheus_client import CollectorRegistry  # noqa: PLC0415 - an extra
            from prometheus_client.exposition import choose_encoder  # noqa: PLC0415 - the same
        except ImportError as error:
            what = "is set but prometheus_client is not installed"
            raise bad_field(
                "metrics_listen",
                what,
                f"metrics_listen {what}",
                remedy="Install it (in rkd's checkout `pip install '.[metrics]'`) or empty "
                "metrics_listen.",
            ) from error
        self._choose = choose_encoder
        self._registry = CollectorRegistry()
        self._registry.register(collector)
        self._server: asyncio.Server | None = None
        self._free = asyncio.Semaphore(MAX_SCRAPERS)

    async def start(self, host: str, port: int) -> int:
        """Listen; return the port, which is another when *port* is 0."""
        self._server = await asyncio.start_server(self._answer, host, port, limit=MAX_HEAD_BYTES)
        bound: int = self._server.sockets[0].getsockname()[1]
        return bound

    async def close(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if not self._free.locked():
                async with self._free, asyncio.timeout(ANSWER_S):
                    head = await reader.readuntil(b"\r\n\r\n")
                    writer.write(self._response(head.decode("latin-1")))
                    await writer.drain()
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # a scraper that is slow, gone or not one: nothing to answer
        finally:
            writer.close()

    def _response(self, head: str) -> bytes:
        request, *lines = head.split("\r\n")
        if request.split(" ")[:2] != ["GET", "/metrics"]:
            return b"HTTP/1.0 404 Not Found\r\nContent-Length: 0\r\n\r\n"
        accepts = [line.partition(":")[2] for line in lines if line.lower().startswith("accept:")]
        try:
            encode, kind = self._choose((accepts or [""])[0].strip())
        except (TypeError, ValueError):  # a version that is none: what everybody reads
            encode, kind = self._choose("")
        body = encode(self._registry)
        fields = f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
        return f"HTTP/1.0 200 OK\r\n{fields}\r\n".encode() + body
