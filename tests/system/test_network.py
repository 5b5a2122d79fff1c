"""The daemon on a network: from another host, so to say, which is another network namespace."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import pytest

from tests.models import tiny
from tests.system.machine import ROOT

BOARD_IP, OTHER_IP = "10.77.0.1", "10.77.0.2"
READY_S = 30.0
SILENT = 1000

pytestmark = pytest.mark.skipif(shutil.which("ip") is None, reason="iproute2 is not installed")


class Net:
    """Two namespaces with a cable between them."""

    def __init__(self) -> None:
        self.board, self.other = f"rkdb{os.getpid()}", f"rkdo{os.getpid()}"

    def __enter__(self) -> Self:
        for name in (self.board, self.other):
            ip(f"netns add {name}")
            ip(f"-n {name} link set lo up")
        ip(f"-n {self.board} link add v0 type veth peer name v1 netns {self.other}")
        for name, device, address in (
            (self.board, "v0", BOARD_IP),
            (self.other, "v1", OTHER_IP),
        ):
            ip(f"-n {name} addr add {address}/24 dev {device}")
            ip(f"-n {name} link set {device} up")
        return self

    def __exit__(self, *_: object) -> None:
        for name in (self.board, self.other):
            ip(f"netns del {name}")


def ip(words: str) -> None:
    """Run ip."""
    subprocess.run(["ip", *words.split()], check=True, timeout=10)


class Board:
    """
    A daemon's files and how to run things beside it and away from it.

    Args:
        net: where.
        folder: models, state, certificates, tokens.
    """

    def __init__(self, net: Net, folder: Path) -> None:
        self.net = net
        self.folder = folder
        self.tls = folder / "tls"
        (folder / "models" / "tiny").mkdir(parents=True)
        tiny.write(folder / "models" / "tiny" / "tiny.gguf")
        (folder / "models" / "tiny" / "Modelfile").write_text("FROM ./tiny.gguf\n")
        self.here("cert", "init", "--host", BOARD_IP, "--dir", str(self.tls))

    def environment(self, **more: str) -> dict[str, str]:
        """Return what daemon and rkctl get."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith("RKD_")}
        paths = f"{ROOT}:{ROOT}/clients"
        return {
            **kept,
            "PYTHONPATH": paths,
            "HOME": str(self.folder),
            "XDG_CONFIG_HOME": str(self.folder),
            "RKD_MODELS": str(self.folder / "models"),
            "RKD_STATE_DIR": str(self.folder / "state"),
            "RKD_TOKEN_FILE": str(self.folder / "tokens"),
            "RKD_READY_FILE": str(self.folder / "ready"),
            **more,
        }

    def secured(self, **more: str) -> dict[str, str]:
        """Return the settings of a listener with TLS."""
        certificate, key = self.tls / "server.crt", self.tls / "server.key"
        return {
            "RKD_LISTEN": f"{BOARD_IP}:7588",
            "RKD_TLS_CERT": str(certificate),
            "RKD_TLS_KEY": str(key),
            **more,
        }

    def daemon(self, **settings: str) -> subprocess.Popen[str]:
        """Start a daemon on the board."""
        return subprocess.Popen(
            ["ip", "netns", "exec", self.net.board, sys.executable, "-m", "rkd"],
            env=self.environment(**settings),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    @contextmanager
    def serving(self, **settings: str) -> Iterator[None]:
        """Run a daemon until the block is left."""
        ready = self.folder / "ready"
        daemon = self.daemon(**settings)
        try:
            end = time.monotonic() + READY_S
            while not ready.exists():
                assert daemon.poll() is None, daemon.communicate()[0]
                assert time.monotonic() < end
                time.sleep(0.05)
            yield
        finally:
            daemon.send_signal(signal.SIGTERM)
            daemon.communicate(timeout=40)

    def here(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run rkctl on the board, where it needs no daemon."""
        return subprocess.run(
            [sys.executable, "-m", "rkctl", *arguments],
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )

    def away(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run rkctl on the other host."""
        return subprocess.run(
            ["ip", "netns", "exec", self.net.other, sys.executable, "-m", "rkctl", *arguments],
            env=self.environment(RKD_ENDPOINT=f"https://{BOARD_IP}:7588", **more),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


@pytest.fixture(scope="module")
def net() -> Iterator[Net]:
    """The two hosts."""
    with Net() as made:
        yield made


@pytest.fixture(scope="module")
def board(net: Net, tmp_path_factory: pytest.TempPathFactory) -> Board:
    """A board with certificates and no tokens."""
    return Board(net, tmp_path_factory.mktemp("board"))


@pytest.mark.parametrize("tls", [False, True])
def test_open_doors_are_refused(board: Board, tls: bool) -> None:  # noqa: FBT001 - a table
    """Without TLS, or with TLS and neither token nor client CA, the daemon does not start."""
    settings = board.secured() if tls else {"RKD_LISTEN": f"{BOARD_IP}:7588"}
    daemon = board.daemon(**settings)
    said, _ = daemon.communicate(timeout=30)

    assert daemon.returncode == 78
    assert f"{BOARD_IP}:7588" in said
    assert "rkctl token create" in said


def test_tokens_decide(board: Board) -> None:
    """None and a wrong one are refused, roles are kept, a revoked one is refused at once."""
    read = board.here("token", "create", "reader", "--role", "read").stdout.strip()
    generate = board.here("token", "create", "writer", "--role", "generate").stdout.strip()
    trust = ("--ca", str(board.tls / "ca.crt"))
    with board.serving(**board.secured()):
        none = board.away("ps", *trust)
        wrong = board.away("ps", *trust, RKD_TOKEN=read[:-3] + "xyz")
        listed = board.away("ps", *trust, RKD_TOKEN=read)
        forbidden = board.away("run", "tiny", "hi", *trust, RKD_TOKEN=read)
        answered = board.away("run", "tiny", "hi", "--max-tokens", "4", *trust, RKD_TOKEN=generate)
        many = [board.away("ps", *trust, RKD_TOKEN="rkd_x") for _ in range(10)]
        board.here("token", "revoke", "writer")
        revoked = board.away("run", "tiny", "hi", *trust, RKD_TOKEN=generate)
        good = board.away("ps", *trust, RKD_TOKEN=read)

    assert (none.returncode, "[TOKEN_MISSING]" in none.stderr) == (5, True)
    assert (wrong.returncode, "[TOKEN_INVALID]" in wrong.stderr) == (5, True)
    assert listed.returncode == 0, listed.stderr
    assert (forbidden.returncode, "[ROLE_FORBIDS]" in forbidden.stderr) == (5, True)
    assert answered.returncode == 0, answered.stderr
    assert "[AUTH_RATE_LIMITED]" in many[-1].stderr
    assert revoked.returncode
    assert good.returncode == 0


def test_client_certificates_decide(board: Board) -> None:
    """With a client CA its holder gets in with the role in it; nobody else does."""
    settings = board.secured(RKD_TLS_CLIENT_CA=str(board.tls / "ca.crt"))
    board.here("cert", "client", "viewer", "--role", "read", "--dir", str(board.tls))
    trust = ("--ca", str(board.tls / "ca.crt"))

    def shown(name: str) -> tuple[str, ...]:
        return ("--cert", str(board.tls / f"{name}.crt"), "--key", str(board.tls / f"{name}.key"))

    (board.folder / "tokens").unlink(missing_ok=True)
    with board.serving(**settings):
        answered = board.away("run", "tiny", "hi", "--max-tokens", "4", *trust, *shown("client"))
        forbidden = board.away("run", "tiny", "hi", *trust, *shown("viewer"))
        nobody = board.away("list", *trust)

    assert answered.returncode == 0, answered.stderr
    assert "[ROLE_FORBIDS]" in forbidden.stderr
    assert nobody.returncode == 4
    assert "--cert" in nobody.stderr


def test_mixed_up_protocols_are_told(board: Board) -> None:
    """Plaintext to a TLS port, TLS to a plain one, and a stranger's authority: each is named."""
    board.here("token", "create", "reader", "--role", "read")
    with board.serving(**board.secured()):
        plain = board.away("list", "--endpoint", f"{BOARD_IP}:7588")
        untrusted = board.away("list")
    config = board.folder / "open.toml"
    config.write_text("insecure = true\n")
    with board.serving(RKD_CONFIG=str(config), RKD_LISTEN=f"{BOARD_IP}:7588"):
        tls = board.away("list", "--ca", str(board.tls / "ca.crt"))

    assert {done.returncode for done in (plain, untrusted, tls)} == {4}
    assert "it seems to speak TLS" in plain.stderr
    assert "is not trusted" in untrusted.stderr
    assert "speaks no TLS" in tls.stderr


def test_silent_connections_stop_nobody(board: Board) -> None:
    """A thousand that say nothing do not keep a real client waiting, and are dropped in time."""
    (board.folder / "tokens").unlink(missing_ok=True)
    config = board.folder / "open.toml"
    config.write_text("insecure = true\n")
    with board.serving(RKD_CONFIG=str(config), RKD_LISTEN=f"127.0.0.1:0,{BOARD_IP}:7588"):
        holder = subprocess.Popen(
            ["ip", "netns", "exec", board.net.other, sys.executable, "-c", HOLD, str(SILENT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert holder.stdout is not None
        assert holder.stdout.readline().strip() == str(SILENT)
        began = time.monotonic()
        plain = ("--endpoint", f"{BOARD_IP}:7588")
        done = board.away("run", "tiny", "hi", "--max-tokens", "4", *plain)
        took_s = time.monotonic() - began
        closed, _ = holder.communicate("done\n", timeout=60)

    assert done.returncode == 0, done.stderr
    assert took_s < 10
    assert int(closed) == SILENT


HOLD = f"""
import socket, sys
held = [socket.create_connection(("{BOARD_IP}", 7588), timeout=10) for _ in range(int(sys.argv[1]))]
print(len(held), flush=True)
sys.stdin.readline()
closed = 0
for one in held:
    one.settimeout(20)
    try:
        while one.recv(4096):
            pass
        closed += 1
    except ConnectionResetError:
        closed += 1
    except TimeoutError:
        pass
print(closed, flush=True)
"""
"""Holds connections, says how many, waits for a word, then says how many the daemon closed."""
