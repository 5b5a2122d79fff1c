"""What is sent to hurt: nobody else notices, and the gateway goes on."""

from __future__ import annotations

import asyncio
import json
import socket
import time

import httpx
import pytest
from rkd_web.server import HEAD_S

STREAMED = {"model": "tiny", "prompt": "Hi", "raw": True, "options": {"num_predict": 3000}}
STREAMS, HANGUPS = 200, 1000


def port_of(url: str) -> int:
    """Return the port in *url*."""
    return int(url.rpartition(":")[2])


def raw(url: str, sent: bytes, *, wait_s: float = 5.0) -> bytes:
    """Send *sent* as it is and return what comes until the end, or *wait_s* of silence."""
    got = b""
    with socket.create_connection(("127.0.0.1", port_of(url)), timeout=wait_s) as held:
        held.sendall(sent)
        try:
            while piece := held.recv(65536):
                got += piece
        except (TimeoutError, ConnectionResetError):
            pass
    return got


HEAD = b"POST /api/show HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\n"
SECOND = b"GET /api/tags HTTP/1.1\r\nhost: localhost\r\n\r\n"


@pytest.mark.parametrize(
    "sent",
    [
        HEAD + b"transfer-encoding: chunked\r\n\r\n0\r\n\r\n" + SECOND,
        HEAD + b"content-length: 50\r\n\r\nhello" + SECOND,
        b"GET /api/tags HTTP/1.1\r\nhost: localhost\r\nx : y\r\n\r\n" + SECOND,
        b"GET /api/tags HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n" + SECOND,
        b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: localhost\r\n" + b"x: y\r\n" * 50_000 + b"\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + SECOND,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
    ids=["both-lengths", "two-lengths", "space", "two-hosts", "path", "heads", "h2", "tls"],
)
def test_what_is_no_request_is_answered_once_or_not_at_all(url: str, sent: bytes) -> None:
    """Never as two requests, and never with what is on the board."""
    got = raw(url, sent)

    assert got.count(b"HTTP/1.1 ") <= 1
    assert not got.startswith(b"HTTP/1.1 2"), got[:200]
    assert httpx.get(f"{url}/api/tags").status_code == 200


@pytest.mark.parametrize(
    "path",
    ["/api/tags/../../etc/passwd", "//evil.example/api/tags", "/api/%2e%2e/x", "/v1/models/%00"],
)
def test_odd_paths_lead_nowhere(url: str, path: str) -> None:
    """As the bytes are sent, not as a client tidies them."""
    got = raw(url, f"GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n".encode())

    assert got.startswith((b"HTTP/1.1 404", b"HTTP/1.1 400")), got[:100]


def test_heads_that_never_end_hold_nobody_up(url: str) -> None:
    """A hundred of them; all are closed within the bound, others are served meanwhile."""
    held = [socket.create_connection(("127.0.0.1", port_of(url))) for _ in range(100)]
    try:
        for one in held:
            one.sendall(b"GET /api/tags HTTP/1.1\r\nhost: local")
        assert httpx.get(f"{url}/api/tags").status_code == 200
        end = time.monotonic() + HEAD_S * 3
        for one in held:
            one.settimeout(max(0.1, end - time.monotonic()))
            assert one.recv(1000) == b""
    finally:
        for one in held:
            one.close()


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"model": ' + b'{"a":' * 50_000 + b"1" + b"}" * 50_001,
        b'{"model": "tiny", "prompt": "' + b"\\ud800" * 1000 + b'"}',
        b'{"model": "tiny", "options": {"num_predict": 1e400}}',
        b'{"model": "tiny", "options": {"seed": ' + b"9" * 5000 + b"}}",
        b'{"model": "' + b"a" * 1_000_000 + b'"}',
        json.dumps({"model": "tiny", **{f"k{at}": at for at in range(20_000)}}).encode(),
    ],
    ids=["lists", "objects", "surrogates", "infinite", "digits", "name", "fields"],
)
def test_bodies_that_hurt_are_refused_shortly(url: str, body: bytes) -> None:
    """A client's error, in words that do not send it all back."""
    answer = httpx.post(f"{url}/api/generate", content=body, timeout=30)

    assert answer.status_code in {400, 404}, answer.text[:200]
    assert len(answer.content) < 2000


async def test_many_streams_at_once(url: str) -> None:
    """Two hundred, each with its own answer; what waits longer than the queue is told so."""
    asked = {**STREAMED, "options": {"num_predict": 3}}
    limits = httpx.Limits(max_connections=STREAMS)
    async with httpx.AsyncClient(base_url=url, timeout=100, limits=limits) as client:

        async def one() -> int:
            answer = await client.post("/api/generate", json=asked)
            if answer.status_code == 200:
                assert json.loads(answer.text.splitlines()[-1])["done"]
            return answer.status_code

        codes = await asyncio.gather(*(one() for _ in range(STREAMS)))

    assert set(codes) <= {200, 429}
    assert codes.count(200) >= 32


async def test_who_hangs_up_a_thousand_times_leaves_nothing_behind(url: str) -> None:
    """Streams broken at their first bytes: the next request is served, nothing runs on."""
    body = json.dumps({**STREAMED, "stream": True}).encode()
    head = b"POST /api/generate HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n"
    sent = head % len(body) + body

    async def hang_up(number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port_of(url))
        writer.write(sent)
        await writer.drain()
        if number % 10 == 0:
            await asyncio.wait_for(reader.read(10), 60)
        writer.transport.abort()

    for begin in range(0, HANGUPS, 50):
        await asyncio.gather(*(hang_up(at) for at in range(begin, begin + 50)))
    async with httpx.AsyncClient(base_url=url, timeout=60) as client:
        answer = await client.post(
            "/api/generate", json={**STREAMED, "stream": False, "options": {"num_predict": 2}}
        )
        assert answer.json()["eval_count"] == 2
        told = (await client.get("/metrics")).text
    assert "rkd_gateway_running_requests 1.0" in told
