"""Metrics, as a scraper gets them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as parse_openmetrics,
)
from prometheus_client.parser import text_string_to_metric_families as parse_text

from rkd.board.telemetry import read_telemetry
from rkd.telemetry.activity import Activity
from rkd.telemetry.meters import Meters
from rkd.telemetry.metrics import MAX_HEAD_BYTES, MeterCollector, MetricsListener

BOARD = Path(__file__).resolve().parents[2] / "data" / "board" / "rock-5b"


class FakeClock:
    """Seconds, a quarter more at every look."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Return the time."""
        self.now += 0.25
        return self.now


def listener() -> MetricsListener:
    """A listener over a daemon that has done a little of everything."""
    meters = Meters(FakeClock())
    meters.call_ended("/rkd.v1.ModelService/List", "OK", 0.02)
    stream = meters.stream("r", 'od"d\nname')
    stream.tokens(1)
    stream.tokens(2)
    stream.prompt(7, 3)
    stream.ended("STOP_EOS")
    meters.stream("r2", "tiny")
    meters.worker_died("tiny", "SIGSEGV")
    meters.operation_ended("pull", "succeeded")
    meters.downloaded(1000)
    activity = Activity(models=3, residents=1, queued=2, operations=1, resident_bytes=5)
    return MetricsListener(MeterCollector(meters, lambda: activity, lambda: read_telemetry(BOARD)))


async def ask(port: int, request: bytes) -> tuple[str, str]:
    """Send *request*; return head and body of the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    answer = (await reader.read()).decode()
    writer.close()
    await writer.wait_closed()
    head, _, body = answer.partition("\r\n\r\n")
    return head, body


@pytest.mark.parametrize(
    ("accept", "parse"),
    [
        ("text/plain", parse_text),
        ("application/openmetrics-text; version=1.0.0", parse_openmetrics),
    ],
)
async def test_the_official_parsers_read_everything(accept: str, parse: object) -> None:
    """Both text forms parse, and every family has its samples."""
    async with listener() as serving:
        port = await serving.start("127.0.0.1", 0)
        request = f"GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: {accept}\r\n\r\n"
        head, body = await ask(port, request.encode())

    samples = {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in parse(body)  # type: ignore[operator]
        for sample in family.samples
    }
    odd = ("model", 'od"d\nname')
    assert head.startswith("HTTP/1.0 200 OK")
    expected = {
        ("rkd_calls_total", (("code", "OK"), ("method", "rkd.v1.ModelService/List"))): 1,
        ("rkd_tokens_total", (("kind", "completion"), odd)): 3,
        ("rkd_tokens_total", (("kind", "cached"), odd)): 3,
        ("rkd_answers_total", (odd, ("reason", "STOP_EOS"))): 1,
        ("rkd_first_token_seconds_count", (odd,)): 1,
        ("rkd_inter_token_seconds_count", (odd,)): 2,
        ("rkd_worker_deaths_total", (("how", "SIGSEGV"), ("model", "tiny"))): 1,
        ("rkd_operations_ended_total", (("kind", "pull"), ("state", "succeeded"))): 1,
        ("rkd_downloaded_bytes_total", ()): 1000,
        ("rkd_models", ()): 3,
        ("rkd_queued_requests", ()): 2,
        ("rkd_streams", ()): 1,
        ("rkd_npu_load_ratio", (("core", "0"),)): 0.61,
        ("rkd_npu_frequency_hertz", ()): 1e9,
        ("rkd_ddr_frequency_hertz", ()): 2_112e6,
        ("rkd_temperature_celsius", (("zone", "npu-thermal"),)): 51.769,
        ("rkd_memory_available_bytes", ()): 14350012 * 1024,
    }
    assert {key: samples.get(key) for key in expected} == expected


async def test_histograms_are_cumulative() -> None:
    """Each bucket counts what is below its bound; the last has everything."""
    async with listener() as serving:
        port = await serving.start("127.0.0.1", 0)
        _, body = await ask(port, b"GET /metrics HTTP/1.0\r\n\r\n")
    (family,) = (one for one in parse_text(body) if one.name == "rkd_inter_token_seconds")
    buckets = [s.value for s in family.samples if s.name.endswith("_bucket")]

    assert buckets == sorted(buckets)
    assert buckets[-1] == 2


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "HTTP/1.0 404"),
        (b"POST /metrics HTTP/1.1\r\n\r\n", "HTTP/1.0 404"),
        (b"\r\n\r\n", "HTTP/1.0 404"),
        (b"x" * (2 * MAX_HEAD_BYTES), ""),
    ],
)
async def test_anything_else_gets_nothing(request_: bytes, answer: str) -> None:
    """Other paths and methods are not found; endless heads are cut off."""
    async with listener() as serving:
        port = await serving.start("127.0.0.1", 0)
        try:
            head, _ = await ask(port, request_)
        except ConnectionResetError:
            head = ""

    assert head.startswith(answer)
    assert bool(head) == bool(answer)


@pytest.mark.parametrize(
    "accept", ["application/openmetrics-text;version=abc", ";;=,", "\xb2" * 50]
)
async def test_a_scraper_that_asks_for_nonsense_gets_what_everybody_reads(accept: str) -> None:
    """Its header is none of the daemon's mistakes."""
    async with listener() as serving:
        port = await serving.start("127.0.0.1", 0)
        request = f"GET /metrics HTTP/1.0\r\nAccept: {accept}\r\n\r\n"
        head, _ = await ask(port, request.encode("latin-1"))

    assert head.startswith("HTTP/1.0 200 OK")
    assert "text/plain" in head
