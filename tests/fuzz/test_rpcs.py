"""Every method of a running daemon, over its socket, with requests nobody should send."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from random import Random

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from rkd import config as configuration
from rkd.daemon.life import Daemon
from rkd.notify import Notifier
from rkd.v1 import models_pb2
from tests.fuzz import requests
from tests.fuzz.frame import Fuzz, Target
from tests.models import tiny
from tests.unit.pool.fakes import FakeMachine

CALL_S = 0.5
"""An endless stream is left after that."""

PROBE_S = 10.0
"""Far more than a probe takes: it fails when the loop stands still, not on a busy machine."""

MOST_GROWTH_BYTES = 256 << 20
DEFECTS = (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN)
OURS = (grpc.StatusCode.CANCELLED, grpc.StatusCode.DEADLINE_EXCEEDED)
"""What the client's own deadline makes; every other refusal must carry our reason."""


class Board:
    """A daemon in this process, with fake workers and two models."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._streaming = {one.path for one in requests.methods() if one.streams_requests}

    def start(self) -> None:
        """Bring it up as `rkd` does, its pool on a fake machine."""
        self.loop.run_until_complete(self._start())

    async def _start(self) -> None:
        self._daemon = Daemon(configuration.read(os.environ), Notifier(None))
        self._daemon._rooms.pool = FakeMachine().pool()
        await self._daemon.start()
        self._channel = grpc.aio.insecure_channel(os.environ["RKD_LISTEN"])

    def stop(self) -> None:
        """Take it down."""
        self.loop.run_until_complete(self._stop())
        self.loop.close()

    async def _stop(self) -> None:
        await self._channel.close()
        await self._daemon.stop()

    def run(self, case: bytes) -> None:
        """Send *case*; fails on a defect, a refusal without its reason, an unanswered probe."""
        self.loop.run_until_complete(self._run(*requests.read(case)))

    async def _run(self, path: str, body: bytes) -> None:
        probe = asyncio.ensure_future(self._probe())
        error = await self._send(path, body)
        await probe
        if error is not None:
            told = f"{path}: {error.code().name}: {(error.details() or '')[:500]}"
            assert error.code() not in DEFECTS, told
            standard = path.startswith("/grpc.")  # whose own documents say what they answer
            assert standard or error.code() in OURS or reason_of(error), f"no reason: {told}"

    async def _send(self, path: str, body: bytes) -> grpc.aio.AioRpcError | None:
        if path in self._streaming:
            call = self._channel.stream_stream(path)(iter([body]), timeout=CALL_S)
        else:
            call = self._channel.unary_stream(path)(body, timeout=CALL_S)
        try:
            async for _ in call:
                pass
        except grpc.aio.AioRpcError as error:
            return error
        return None

    async def _probe(self) -> None:
        ask = self._channel.unary_unary("/rkd.v1.ModelService/List")
        answer = await ask(b"", timeout=PROBE_S)
        names = [one.name for one in models_pb2.ListResponse.FromString(answer).models]
        assert "gamma" in names


def reason_of(error: grpc.aio.AioRpcError) -> str:
    """Return the reason of a refusal, "" without one."""
    metadata = dict(error.trailing_metadata() or ())
    details = metadata.get("grpc-status-details-bin", b"")
    status = status_pb2.Status.FromString(details)  # type: ignore[arg-type]
    info = error_details_pb2.ErrorInfo()
    return info.reason if status.details and status.details[0].Unpack(info) else ""


def resident_bytes() -> int:
    """Return what this process takes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.fixture
def board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Board]:
    """A daemon of this test's own."""
    for name in [one for one in os.environ if one.startswith(("RKD_", "HF_", "XDG_"))]:
        monkeypatch.delenv(name)
    for name in ("alpha", "gamma"):
        (tmp_path / "models" / name).mkdir(parents=True)
        tiny.write(tmp_path / "models" / name / "x.gguf")
    (tmp_path / "rkd.toml").touch()
    for name, value in {
        "RKD_CONFIG": tmp_path / "rkd.toml",
        "RKD_MODELS": tmp_path / "models",
        "RKD_STATE_DIR": tmp_path / "state",
        "RKD_LISTEN": f"unix:{tmp_path}/s",
        "RKD_STOP_GRACE": "0",
        "RKD_OFFLINE": "true",
    }.items():
        monkeypatch.setenv(name, str(value))
    made = Board()
    made.start()
    yield made
    made.stop()


def test_no_request_is_a_defect(fuzz: Fuzz, board: Board) -> None:
    """Every method answers or refuses with a reason, and List answers all the while."""
    known = requests.methods()

    def one(random: Random) -> bytes:
        return requests.cases(random.choice(known))(random)

    before = resident_bytes()
    fuzz(
        Target(
            "rpcs",
            board.run,
            examples=tuple(requests.examples()),
            make=one,
            cost=2,
            memory_bytes=None,
        )
    )

    assert resident_bytes() - before < MOST_GROWTH_BYTES
