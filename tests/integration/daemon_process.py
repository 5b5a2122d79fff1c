"""A real daemon in a process of its own, on a private socket, with folders of its own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Self

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from rkd.v1.inference_pb2_grpc import InferenceServiceStub
from rkd.v1.models_pb2_grpc import ModelServiceStub
from rkd.v1.pool_pb2_grpc import PoolServiceStub
from rkd.v1.system_pb2_grpc import SystemServiceStub

ROOT = Path(__file__).resolve().parents[2]
BOUND_S = 30.0
STEP_S = 0.01


class DaemonProcess:
    """
    Starts and ends one daemon; use it as a context manager.

    Args:
        folder: everything of it lives below.
        settings: RKD_* variables on top of the private defaults.
    """

    def __init__(self, folder: Path, settings: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self.models = folder / "models"
        self.models.mkdir(parents=True, exist_ok=True)
        self.socket = folder / "s"
        self.log = folder / "log"
        self._ready = folder / "ready"
        clean = {name: value for name, value in os.environ.items() if not name.startswith("RKD_")}
        self.environment = {
            **clean,
            "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'clients'}",
            "RKD_MODELS": str(self.models),
            "RKD_SPARE_WORKER": "false",  # each child is a model's
            "RKD_STATE_DIR": str(folder / "state"),
            "RKD_LISTEN": f"unix:{self.socket},127.0.0.1:0",
            "RKD_READY_FILE": str(self._ready),
            "RKD_ENDPOINT": str(self.socket),
            "RKD_STOP_GRACE": "5s",
            "HOME": str(folder),
            **(settings or {}),
        }
        self.process: subprocess.Popen[bytes] | None = None
        self.addresses: list[str] = []

    def launch(self, output: int | None = None) -> None:
        """Start it, its log into the descriptor *output*; do not wait."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "rkd"],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log if output is None else output,
                stderr=log if output is None else output,
                cwd=self.folder,
            )

    def start(self, output: int | None = None) -> None:
        """Start it and wait until it is ready."""
        self.launch(output)
        wait_for(lambda: self._ready.exists() or self._ended(), "the daemon to be ready")
        if self._ended():
            raise AssertionError(f"the daemon ended: {self.log.read_text()[-4000:]}")
        self.addresses = json.loads(self._ready.read_text())["addresses"]

    def _ended(self) -> bool:
        return self.process is None or self.process.poll() is not None

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self.process is not None
        return self.process.pid

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    def wait(self) -> int:
        """Wait until it has ended; returns its exit code."""
        assert self.process is not None
        code = self.process.wait(BOUND_S)
        self._ready.unlink(missing_ok=True)
        return code

    def stop(self) -> int:
        """Ask it to stop and wait."""
        if not self._ended():
            self.signal(signal.SIGTERM)
        return self.wait()

    def kill(self) -> None:
        """Take it away without a word."""
        self.signal(signal.SIGKILL)
        self.wait()

    def children(self) -> list[int]:
        """Processes it has started and that still run."""
        listed = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return [int(pid) for pid in listed]

    @contextlib.contextmanager
    def channel(self) -> Iterator[grpc.Channel]:
        """A channel to its unix socket."""
        with grpc.insecure_channel(f"unix:{self.socket}") as channel:
            yield channel

    @contextlib.contextmanager
    def stubs(self) -> Iterator[Stubs]:
        """Every service, on one channel."""
        with self.channel() as channel:
            yield Stubs(channel)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(BOUND_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


class Stubs:
    """The services of one daemon."""

    def __init__(self, channel: grpc.Channel) -> None:
        self.inference = InferenceServiceStub(channel)
        self.models = ModelServiceStub(channel)
        self.pool = PoolServiceStub(channel)
        self.system = SystemServiceStub(channel)


def wait_for(holds: Callable[[], object], what: str, bound_s: float = BOUND_S) -> None:
    """Look again and again until *holds*, at most *bound_s*; for processes, which tell nobody."""
    until_s = time.monotonic() + bound_s
    while not holds():
        assert time.monotonic() < until_s, f"waited {bound_s} s in vain for {what}"
        time.sleep(STEP_S)


def alive(pid: int) -> bool:
    """Whether *pid* is a process that has not ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in {"Z", "X"}


def reason_of(error: grpc.RpcError) -> tuple[str, dict[str, str]]:
    """ErrorInfo of a failed call: its reason and metadata."""
    status = rpc_status.from_call(error)
    assert status is not None, error
    for detail in status.details:
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info):
            assert info.domain == "rkd"
            return info.reason, dict(info.metadata)
    raise AssertionError(f"no ErrorInfo in {status}")
