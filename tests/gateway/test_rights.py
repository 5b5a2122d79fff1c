"""Whose rights a call has, which names and pages are welcome, and what hanging up does."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from rkd.access.role import Role
from rkd.access.tokens import new_token, write_tokens
from tests.gateway.conftest import gateway
from tests.integration.daemon_process import DaemonProcess, wait_for

LONG = {"model": "tiny", "prompt": "Hi", "raw": True, "options": {"num_predict": 4000}}


def test_the_gateway_lends_nobody_its_rights(tmp_path: Path) -> None:
    """With tokens, nobody is let in without one, through the socket as little as over TCP."""
    kept, token = new_token("reader", Role.READ, datetime.now(UTC))
    write_tokens(tmp_path / "tokens", (kept,))
    with DaemonProcess(tmp_path, {"RKD_TOKEN_FILE": str(tmp_path / "tokens")}) as daemon:
        tcp = next(one for one in daemon.addresses if "unix" not in one)
        for endpoint in (str(daemon.socket), tcp):
            lent = {"RKD_ENDPOINT": endpoint, "RKD_TOKEN": token}
            with gateway(daemon, lent) as (url,):
                bearer = {"authorization": f"Bearer {token}"}
                assert httpx.get(f"{url}/api/tags").status_code == 401
                assert httpx.get(f"{url}/api/tags", headers=bearer).status_code == 200
                wrong = httpx.get(f"{url}/v1/models", headers={"authorization": "Bearer no"})
                assert (wrong.status_code, wrong.json()["error"]["code"]) == (401, "TOKEN_INVALID")
                refused = httpx.post(f"{url}/api/generate", headers=bearer, json=LONG)
                assert (refused.status_code, refused.json()["code"]) == (403, "ROLE_FORBIDS")
                assert httpx.get(f"{url}/healthz").json() == {"status": "ok"}


@pytest.mark.parametrize("token", [None, "anything"])
def test_callers_behind_a_proxy_are_not_of_this_machine(url: str, token: str | None) -> None:
    """Without tokens on the board nobody can prove who he is from elsewhere."""
    headers = {"x-forwarded-for": "192.0.2.1"}
    if token:
        headers["authorization"] = f"Bearer {token}"

    assert httpx.get(f"{url}/api/tags", headers=headers).status_code == (403 if token else 401)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"host": "localhost:11434"}, 200),
        ({"host": "[::1]"}, 200),
        ({"host": "evil.example"}, 403),
        ({"host": "127.0.0.1.evil.example"}, 403),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
    ],
)
def test_names_and_pages_must_be_known(url: str, headers: dict[str, str], status: int) -> None:
    """Against DNS rebinding, and pages in the user's browser; CORS is off."""
    answer = httpx.get(f"{url}/api/tags", headers=headers)

    assert answer.status_code == status
    assert "access-control-allow-origin" not in answer.headers


def test_a_page_that_is_named_may_call(daemon: DaemonProcess) -> None:
    """Its origin alone, without credentials."""
    page = {"origin": "https://chat.example"}
    with gateway(daemon, {"RKD_GATEWAY_ORIGINS": "https://chat.example"}) as (url,):
        asked = httpx.options(f"{url}/api/chat", headers=page)
        told = httpx.get(f"{url}/api/tags", headers=page)

    assert (asked.status_code, told.status_code) == (204, 200)
    assert told.headers["access-control-allow-origin"] == "https://chat.example"
    assert "access-control-allow-credentials" not in told.headers


def test_who_hangs_up_stops_the_run(url: str) -> None:
    """Streamed or whole: the model is free again."""
    host, _, port = url.removeprefix("http://").partition(":")
    for stream in (True, False):
        body = json.dumps({**LONG, "stream": stream})
        head = f"POST /api/generate HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body)}\r\n\r\n"
        with socket.create_connection((host, int(port))) as gone:
            gone.sendall((head + body).encode())
            if stream:
                assert gone.recv(15) == b"HTTP/1.1 200 OK"
        wait_for(lambda: _idle(url), "the run to end", 10)


def _idle(url: str) -> bool:
    """Whether unloading, which waits for runs, is done at once."""
    answer = httpx.post(f"{url}/api/generate", json={"model": "tiny", "keep_alive": 0}, timeout=5)
    return answer.status_code == 200


@pytest.mark.parametrize("body", [b"[]", b"{", b"\xff", b'{"model": NaN}', b"[" * 100_000])
def test_a_body_that_is_none_is_refused(url: str, body: bytes) -> None:
    """In the dialect's own shape."""
    for path, error in (("/api/chat", str), ("/v1/chat/completions", dict)):
        answer = httpx.post(f"{url}{path}", content=body)
        assert answer.status_code == 400
        assert isinstance(answer.json()["error"], error)


def test_a_body_too_large_is_refused_unread(url: str) -> None:
    """Before any of it has come."""
    host, _, port = url.removeprefix("http://").partition(":")
    head = f"POST /api/chat HTTP/1.1\r\nHost: {host}\r\nContent-Length: 99999999999\r\n\r\n"
    with socket.create_connection((host, int(port))) as sender:
        sender.sendall(head.encode())
        assert sender.recv(12) == b"HTTP/1.1 413"


def test_other_machines_need_tls(daemon: DaemonProcess) -> None:
    """Refused at start, as the daemon refuses it."""
    done = subprocess.run(
        [sys.executable, "-m", "rkd_gateway"],
        env={**daemon.environment, "RKD_GATEWAY_LISTEN": "0.0.0.0:0"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert done.returncode == 78
    assert "without TLS" in done.stderr


def test_a_unix_socket_serves_and_goes(daemon: DaemonProcess) -> None:
    """Beside a port; its file is gone at the end."""
    path = daemon.folder / "g"
    with (
        gateway(daemon, {"RKD_GATEWAY_LISTEN": f"127.0.0.1:0,unix:{path}"}),
        httpx.Client(transport=httpx.HTTPTransport(uds=str(path))) as client,
    ):
        assert client.head("http://localhost/").status_code == 200
        assert client.get("http://localhost/api/version").status_code == 200
    assert not path.exists()
