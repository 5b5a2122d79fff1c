"""How a gateway begins and ends, and what it tells about itself."""

from __future__ import annotations

import socket
import subprocess
import sys

import httpx

from tests.integration.daemon_process import DaemonProcess

STARTS = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
os.execv(sys.executable, [sys.executable, "-m", "rkd_gateway"])
"""
"""What systemd does: the socket is descriptor 3 of the process it starts."""


def test_a_first_connection_starts_it_and_it_ends_when_idle(daemon: DaemonProcess) -> None:
    """On a socket that goes on listening, so that the next connection can start another."""
    with socket.create_server(("127.0.0.1", 0)) as held:
        url = f"http://127.0.0.1:{held.getsockname()[1]}"
        for _ in range(2):
            with subprocess.Popen(
                [sys.executable, "-c", STARTS, str(held.fileno())],
                env={**daemon.environment, "RKD_GATEWAY_IDLE_S": "1"},
                pass_fds=(held.fileno(),),
                cwd=daemon.folder,
            ) as process:
                assert httpx.get(f"{url}/api/version", timeout=30).status_code == 200
                assert process.wait(60) == 0


def test_it_refuses_sockets_open_to_other_machines(daemon: DaemonProcess) -> None:
    """Whoever holds them: without TLS nobody else is listened for."""
    with socket.create_server(("0.0.0.0", 0)) as held:  # noqa: S104 - it has to be refused
        done = subprocess.run(
            [sys.executable, "-c", STARTS, str(held.fileno())],
            env=dict(daemon.environment),
            pass_fds=(held.fileno(),),
            cwd=daemon.folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    assert done.returncode == 78
    assert "without TLS" in done.stderr


def test_it_counts_by_route_and_status(url: str) -> None:
    """Names of models and odd paths are in no label."""
    httpx.post(f"{url}/api/show", json={"model": "nobody"})
    httpx.get(f"{url}/v1/models/nobody")
    told = httpx.get(f"{url}/metrics").text

    assert 'requests_total{method="POST",path="/api/show",status="404"}' in told
    assert 'path="/v1/models/{model:path}",status="404"' in told
    assert "nobody" not in told


def test_metrics_are_for_those_the_daemon_would_answer(url: str) -> None:
    """Somebody from elsewhere without a token is not."""
    elsewhere = {"x-forwarded-for": "192.0.2.1"}
    assert httpx.get(f"{url}/metrics", headers=elsewhere).status_code == 401
