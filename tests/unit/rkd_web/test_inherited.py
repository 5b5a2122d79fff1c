"""Sockets that systemd holds for the gateway."""

from __future__ import annotations

import subprocess
import sys

from rkd_gateway.settings import PROGRAM
from rkd_web import inherited

ASKS = """
import os
from rkd_client.errors import RkdError
from rkd_gateway.settings import PROGRAM
from rkd_web import inherited
os.environ["LISTEN_PID"] = str(os.getpid())
try:
    print(*[str(one) for one, _ in inherited.sockets(os.environ, os.getpid(), PROGRAM)])
except RkdError as error:
    print(error.reason, error)
print("LISTEN_FDS" in os.environ)
"""
"""What a gateway would do with descriptor 3, which is this program's standard input."""

BINDS = """
import os, socket, sys
held = socket.socket({})
held.bind(("127.0.0.1", 0))
{}
os.dup2(held.fileno(), 3)
os.set_inheritable(3, True)
os.environ["LISTEN_FDS"] = "1"
os.execv(sys.executable, [sys.executable, "-c", sys.argv[1]])
"""


def asked(kind: str, listen: str) -> list[str]:
    """Return what a process says that was started with such a socket."""
    done = subprocess.run(
        [sys.executable, "-c", BINDS.format(kind, listen), ASKS],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout.splitlines()


def test_a_socket_that_listens_is_taken() -> None:
    """With its address; the variables go."""
    said, left = asked("socket.AF_INET, socket.SOCK_STREAM", "held.listen()")

    assert said.startswith("127.0.0.1:")
    assert left == "False"


def test_any_other_is_refused() -> None:
    """One that does not listen, one of datagrams, none at all."""
    for kind in ("socket.SOCK_STREAM", "socket.SOCK_DGRAM"):
        (said, _) = asked(f"socket.AF_INET, {kind}", "")
        assert said.startswith("INVALID_SETTING LISTEN_FDS: descriptor 3")


def test_another_process_sockets_are_left_alone() -> None:
    """As sd_listen_fds(3) says, and what is no number is nothing."""
    assert inherited.sockets({"LISTEN_FDS": "1", "LISTEN_PID": "1"}, 2, PROGRAM) == []
    assert inherited.sockets({"LISTEN_FDS": "many", "LISTEN_PID": "2"}, 2, PROGRAM) == []
    assert inherited.sockets({}, 2, PROGRAM) == []
