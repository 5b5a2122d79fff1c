"""How a console begins and ends."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
STARTS = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
os.execv(sys.executable, [sys.executable, "-m", "rkd_console"])
"""
"""What systemd does: the socket is descriptor 3 of the process it starts."""


def environment(**more: str) -> dict[str, str]:
    """Of a console before no daemon at all."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("RKD_")}
    paths = f"{ROOT}{os.pathsep}{ROOT / 'clients'}"
    return {**clean, "PYTHONPATH": paths, "RKD_ENDPOINT": "unix:/nowhere/s", **more}


@pytest.fixture
def closed(tmp_path: Path) -> Iterator[Path]:
    """A folder in which nothing may be written, as the unit has it."""
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    yield tmp_path
    tmp_path.chmod(stat.S_IRWXU)


def asked(url: str) -> int:
    """Return the status of an answer, waiting for who is being started."""
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:  # noqa: S310 - ours
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_a_first_connection_starts_it_and_it_ends_when_nobody_is_there(closed: Path) -> None:
    """On a socket that goes on listening; it writes nothing, and needs no daemon to begin."""
    with socket.create_server(("127.0.0.1", 0)) as held:
        url = f"http://127.0.0.1:{held.getsockname()[1]}"
        for _ in range(2):
            with subprocess.Popen(
                [sys.executable, "-c", STARTS, str(held.fileno())],
                env=environment(RKD_CONSOLE_IDLE_S="1"),
                pass_fds=(held.fileno(),),
                cwd=closed,
                stderr=subprocess.PIPE,
                text=True,
            ) as process:
                assert asked(f"{url}/signin") == 200
                assert asked(f"{url}/healthz") == 503
                assert process.wait(60) == 0
                assert process.stderr is not None
                assert "Traceback" not in process.stderr.read()
    assert list(closed.iterdir()) == []


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"RKD_CONSOLE_LISTEN": "0.0.0.0:0"}, "without TLS"),
        ({"RKD_CONSOLE_LISTEN": "nowhere"}, "RKD_CONSOLE_LISTEN"),
    ],
)
def test_what_is_wrong_is_said_and_not_tried_again(settings: dict[str, str], said: str) -> None:
    """With the exit code that keeps systemd from starting it anew."""
    done = subprocess.run(
        [sys.executable, "-m", "rkd_console"],
        env=environment(**settings),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.returncode == 78
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_an_address_that_is_taken_is_told_with_a_way_out() -> None:
    """By the name of the setting."""
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as held:
        taken = f"127.0.0.1:{held.getsockname()[1]}"
        done = subprocess.run(
            [sys.executable, "-m", "rkd_console"],
            env=environment(RKD_CONSOLE_LISTEN=taken),
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    assert done.returncode == 78
    assert "RKD_CONSOLE_LISTEN" in done.stderr
    assert "choose another port" in done.stderr
