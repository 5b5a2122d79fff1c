"""The daemon everything goes wrong for: its lives, its models, its hub, its small disk."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Self

import grpc

from rkd.v1.inference_pb2_grpc import InferenceServiceStub
from rkd.v1.models_pb2_grpc import ModelServiceStub
from rkd.v1.operations_pb2_grpc import OperationServiceStub
from rkd.v1.pool_pb2_grpc import PoolServiceStub
from rkd.v1.system_pb2_grpc import SystemServiceStub
from tests.hub.server import LocalHub
from tests.integration.daemon_process import DaemonProcess, alive

MEBI = 1 << 20
DISK = "160m"
FOUND_S = 2.0
"""A channel that was refused looks again after its back-off, see CHANNEL."""
REPOSITORIES = 3
CHANNEL = (
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 300),
    ("grpc.use_local_subchannel_pool", 1),
)


class Stubs:
    """Every service on one channel of its own."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.inference = InferenceServiceStub(channel)
        self.models = ModelServiceStub(channel)
        self.operations = OperationServiceStub(channel)
        self.pool = PoolServiceStub(channel)
        self.system = SystemServiceStub(channel)


class Board:
    """
    One daemon and what it stands on.

    Args:
        folder: everything lies below.
        hub: where it pulls from.
        settings: RKD_* variables of this kind of board.
        dice: decides; seeded.
    """

    def __init__(
        self, folder: Path, hub: LocalHub, settings: Mapping[str, str], dice: random.Random
    ) -> None:
        self.folder = folder
        self.hub = hub
        self.dice = dice
        self.life = 0
        self.up = False
        self.was: set[int] = set()
        self._since_s = 0.0
        self.daemon = DaemonProcess(
            folder,
            {
                "HF_ENDPOINT": hub.endpoint,
                "RKD_DISK_RESERVE": "1M",
                "RKD_HUB_READ_TIMEOUT": "2s",
                "RKD_LOAD_TIMEOUT": "5s",
                "RKD_STOP_GRACE": "2s",
                **settings,
            },
        )
        self.daemon.log = folder.parent / "daemon.log"  # the small disk goes with the run
        self.filler = folder / "filler"

    def now(self) -> tuple[int, bool]:
        """Which life this is, and whether every client had the time to find it."""
        return self.life, self.up and time.monotonic() - self._since_s > FOUND_S

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self.daemon.__exit__)

    async def start(self) -> None:
        """Start the daemon's next life."""
        await asyncio.to_thread(self.daemon.start)
        self.life += 1
        self.up = True
        self._since_s = time.monotonic()

    async def end(self, number: signal.Signals) -> None:
        """End this life, hard or softly, and remember which processes must be gone with it."""
        self.was |= set(self.workers())
        self.up = False
        self.daemon.signal(number)
        await asyncio.to_thread(self.daemon.wait)

    def workers(self) -> list[int]:
        """Process ids of the children of this life."""
        try:
            return self.daemon.children()
        except OSError:
            return []

    def orphans(self) -> list[int]:
        """Workers of lives that have ended and that still run."""
        return [pid for pid in self.was if alive(pid)]

    def descriptors(self) -> int:
        """How many files the daemon holds open."""
        return len(os.listdir(f"/proc/{self.daemon.pid}/fd"))  # noqa: PTH208 - counted, not opened

    def memory_bytes(self) -> int:
        """What the daemon's process takes."""
        pages = Path(f"/proc/{self.daemon.pid}/statm").read_text(encoding="ascii").split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def fill(self) -> None:
        """Leave no room on the disk."""
        with contextlib.suppress(OSError), self.filler.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(MEBI))
        with contextlib.suppress(OSError), self.filler.open("ab", buffering=0) as file:
            while True:
                file.write(bytes(512))

    def empty(self) -> None:
        """Give the room back."""
        self.filler.unlink(missing_ok=True)

    @contextlib.asynccontextmanager
    async def stubs(self) -> AsyncIterator[Stubs]:
        """Every service, on a channel nobody else uses."""
        async with grpc.aio.insecure_channel(
            f"unix:{self.daemon.socket}", options=CHANNEL
        ) as channel:
            yield Stubs(channel)


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[str]:
    """Mount a disk that is soon full at *folder*; yields why it could not be, or ""."""
    folder.mkdir(exist_ok=True)
    mount = shutil.which("mount")
    command = [str(mount), "-t", "tmpfs", "-o", f"size={DISK}", "rkd-chaos", str(folder)]
    done = subprocess.run(command, check=False, capture_output=True, text=True) if mount else None
    if done is None or done.returncode:
        yield (done.stderr.strip() if done else "there is no mount")
        return
    try:
        yield ""
    finally:
        subprocess.run([str(shutil.which("umount")), "--lazy", str(folder)], check=True)


@contextlib.contextmanager
def stocked_hub(weights: bytes) -> Iterator[LocalHub]:
    """Run a hub with a few small models, at the speed of a line that takes seconds."""
    with LocalHub(rate_bytes_per_s=4 * MEBI) as hub:
        for number in range(REPOSITORIES):
            content = weights + bytes([number]) * (2 * MEBI)
            hub.add(f"org/m{number}", {f"m{number}-Q4_K_M.gguf": content}, tags=["gguf"])
        yield hub
