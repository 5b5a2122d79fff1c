"""A real daemon answers over a board's tree, and rkd-clocks, in a process of its own, raises it."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Self

import grpc
import pytest

from rkd.v1 import inference_pb2 as pb
from rkd.v1 import system_pb2
from tests.integration.daemon_process import DaemonProcess, wait_for
from tests.models import tiny
from tests.unit.clocks.board import AS_THEY_WERE, RAISED, Board

BOUND_S = 60.0
HANDED_OVER = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
os.execv(sys.executable, [sys.executable, "-m", "rkd.clocks", sys.argv[2]])
"""
"""Our socket becomes descriptor 3, of this very process, as systemd does it."""


class Clocks:
    """rkd-clocks as systemd would start it: the socket is ours, and outlives it."""

    def __init__(self, board: Board) -> None:
        self.board = board
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(str(board.saved.with_name("answering")))
        self.listener.listen(16)
        self.process: subprocess.Popen[str] | None = None

    def start(self, mode: str = "answering") -> None:
        """Start it; what connects in the meantime waits at the socket."""
        self.process = subprocess.Popen(
            [sys.executable, "-c", HANDED_OVER, str(self.listener.fileno()), mode],
            env={"RKD_SYSROOT": str(self.board.root), "PYTHONPATH": ":".join(sys.path)},
            pass_fds=(self.listener.fileno(),),
            stderr=subprocess.PIPE,
            text=True,
        )

    def once(self, mode: str) -> subprocess.CompletedProcess[str]:
        """Run *mode* to its end, without the socket."""
        return subprocess.run(
            [sys.executable, "-m", "rkd.clocks", mode],
            env={"RKD_SYSROOT": str(self.board.root), "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            text=True,
            timeout=BOUND_S,
            check=False,
        )

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send *number* and wait; returns the exit code."""
        assert self.process is not None
        self.process.send_signal(number)
        self.process.communicate(timeout=BOUND_S)
        return self.process.returncode

    def until(self, governors: dict[str, str]) -> None:
        """Wait until the board's governors are these."""
        wait_for(lambda: self.board.governors() == governors, "governors", bound_s=BOUND_S)

    def close(self) -> None:
        """End what still runs."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.communicate()
        self.listener.close()


@pytest.fixture(scope="module")
def slow_gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model that takes its time."""
    return tiny.write(tmp_path_factory.mktemp("slow") / "slow.gguf", layers=48)


@pytest.fixture
def clocks() -> Iterator[Clocks]:
    """A board at rest, its place short enough for a socket."""
    with ExitStack() as stack:
        folder = stack.enter_context(short_folder())
        made = Clocks(Board(folder))
        stack.callback(made.close)
        yield made


@contextmanager
def short_folder() -> Iterator[Path]:
    """A folder whose name leaves room for that of a socket."""
    import tempfile  # noqa: PLC0415 - pytest's own folders are too deep for sockets

    with tempfile.TemporaryDirectory(prefix="rkd-") as name:
        yield Path(name)


@pytest.fixture
def daemon(tmp_path: Path, slow_gguf: Path, clocks: Clocks) -> Iterator[DaemonProcess]:
    """A daemon of that board with one slow model."""
    made = DaemonProcess(tmp_path, {"RKD_SYSROOT": str(clocks.board.root), "RKD_BACKEND": "cpu"})
    (made.models / "slow").mkdir()
    (made.models / "slow" / "slow.gguf").hardlink_to(slow_gguf)
    with made:
        yield made


class Asker:
    """Somebody who asks, again and again, until he is told to stop."""

    def __init__(self, daemon: DaemonProcess) -> None:
        self.begun = threading.Event()
        self._stop = threading.Event()
        self._daemon = daemon
        self._thread = threading.Thread(target=self._ask)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self.begun.wait(BOUND_S)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(BOUND_S)

    def _ask(self) -> None:
        request = pb.GenerateRequest(model="slow", prompt="a", raw=True)
        request.options.sampling.max_tokens = 2000
        request.options.sampling.ignore_eos = True
        with self._daemon.stubs() as stubs, suppress(grpc.RpcError):  # the daemon is killed
            while not self._stop.is_set():
                call = stubs.inference.Generate(request, timeout=300)
                for event in call:
                    if event.HasField("delta"):
                        self.begun.set()
                    if self._stop.is_set():
                        call.cancel()
                        return


def ddr_while_answering(daemon: DaemonProcess) -> int:
    """What the daemon says the memory's clock was at."""
    with daemon.stubs() as stubs:
        return stubs.system.GetStatus(system_pb2.GetStatusRequest()).clocks[-1].answering_hz


def test_up_while_a_model_answers(clocks: Clocks, daemon: DaemonProcess) -> None:
    """Every clock, and back when it has ended; the daemon saw what they did in the meantime."""
    clocks.start()
    with Asker(daemon):
        clocks.until(RAISED)
        clocks.board.put("sys/class/devfreq/dmc/cur_freq", "1560000000")
        with daemon.stubs() as stubs:
            wait_for(
                lambda: (
                    stubs.system.GetStatus(system_pb2.GetStatusRequest()).clocks[-1].answering_hz
                ),
                "a look at the clocks",
            )
    clocks.until(AS_THEY_WERE)

    assert clocks.end() == 0


def test_a_daemon_that_is_killed_leaves_nothing_up(clocks: Clocks, daemon: DaemonProcess) -> None:
    """The kernel closes its connection, whatever it was doing."""
    clocks.start()
    with Asker(daemon):
        clocks.until(RAISED)
        daemon.kill()
        clocks.until(AS_THEY_WERE)

    assert clocks.end() == 0


def test_one_that_is_killed_is_put_right_by_what_systemd_runs_next(
    clocks: Clocks, daemon: DaemonProcess
) -> None:
    """ExecStopPost; and the next one is told of the answer that still goes on."""
    clocks.start()
    with Asker(daemon):
        clocks.until(RAISED)
        clocks.end(signal.SIGKILL)
        assert clocks.board.governors() == RAISED
        assert clocks.once("restore").returncode == 0
        assert clocks.board.governors() == AS_THEY_WERE

        clocks.start()
        clocks.until(RAISED)
        clocks.end(signal.SIGKILL)
    clocks.start()  # nobody answers: what the one before left is put back at once
    clocks.until(AS_THEY_WERE)

    assert clocks.end() == 0


def test_told_to_stop_it_puts_back(clocks: Clocks) -> None:
    """In the midst of it; always is until then."""
    clocks.start("always")
    clocks.until(RAISED)

    assert clocks.end() == 0
    assert clocks.board.governors() == AS_THEY_WERE


def test_two_at_once_are_one(clocks: Clocks) -> None:
    """The second does nothing and says so, and so does a restore in between."""
    clocks.start("always")
    clocks.until(RAISED)
    tried = [clocks.once(mode) for mode in ("always", "restore")]

    assert [one.returncode for one in tried] == [75, 75]
    assert all("another rkd-clocks runs" in one.stderr for one in tried)
    assert clocks.board.governors() == RAISED
    clocks.end()
    assert clocks.board.governors() == AS_THEY_WERE


@pytest.mark.parametrize("arguments", [("fast",), ("answering",)])
def test_what_cannot_be_is_said(clocks: Clocks, arguments: tuple[str, ...]) -> None:
    """An unknown mode, and a start without the socket through which answers are told."""
    done = clocks.once(*arguments)

    assert done.returncode == 78
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") == 1
