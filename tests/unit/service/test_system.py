"""SystemService, called as gRPC calls it."""

from __future__ import annotations

from pathlib import Path

import pytest

from rkd.board.facts import RuntimeLibrary
from rkd.board.read import read_board
from rkd.board.telemetry import read_telemetry
from rkd.errors import InvalidInputError, Reason
from rkd.service.system import Identity, Reloaded, SystemService
from rkd.telemetry.activity import Activity
from rkd.telemetry.answering import AnsweringClocks
from rkd.telemetry.finding import Finding, Severity
from rkd.telemetry.meters import Meters
from rkd.v1 import system_pb2

BOARD = Path(__file__).resolve().parents[2] / "data" / "board" / "rock-5b"


class FakeReload:
    """Reloads as told."""

    def __init__(self) -> None:
        self.error: InvalidInputError | None = None

    async def __call__(self) -> Reloaded:
        """Answer, or raise."""
        if self.error:
            raise self.error
        return Reloaded(("keep_alive: 300 -> 60",), ("listen: a -> b",))


def service(
    meters: Meters, reload: FakeReload, *, npu: bool = True, seen: AnsweringClocks | None = None
) -> SystemService:
    """A service over a recorded board."""
    library = RuntimeLibrary(Path("/usr/lib/librkllmrt.so"), "1.2.3")
    board = read_board(BOARD, (library,) if npu else (), access=lambda _: True)
    return SystemService(
        Identity("1.2.3", ("unix:/run/rkd/rkd.sock",), Path("/models"), lambda: "llama.cpp b7000"),
        board,
        telemetry=lambda: read_telemetry(BOARD),
        free_bytes=lambda: 42,
        collect=lambda: Activity(models=3, residents=1, queued=2, budget_bytes=7),
        meters=meters,
        diagnose=lambda: (Finding("disk", Severity.WARNING, "little", "Make room."),),
        reload=reload,
        seen=lambda: seen,
    )


async def test_the_status_is_whole() -> None:
    """Board, NPU, memory, temperatures, counts and streams are told."""
    meters = Meters(lambda: 5.0)
    stream = meters.stream("r1", "tiny")
    stream.tokens(4)
    meters.stream("r2", "tiny").ended("LENGTH")
    status = await service(meters, FakeReload()).GetStatus(system_pb2.GetStatusRequest(), None)

    assert (status.version, status.soc, status.board) == ("1.2.3", "rk3588", "Radxa ROCK 5B")
    assert (status.cores, status.load_average) == (8, 2.35)
    assert status.npu.available
    assert list(status.npu.core_load) == [0.61, 0.58, 0]
    assert list(status.npu.runtimes) == ["1.2.3 /usr/lib/librkllmrt.so"]
    assert status.memory.budget_bytes == 7
    assert status.memory.daemon_bytes > 1 << 20
    assert [(t.zone, t.celsius) for t in status.temperatures][1] == ("npu", 51.769)
    assert (status.models, status.residents, status.queued) == (3, 1, 2)
    assert (status.models_folder, status.models_free_bytes) == ("/models", 42)
    assert [(s.request_id, s.tokens) for s in status.streams] == [("r1", 4)]
    assert (status.tokens_total, status.requests_total) == (4, 1)
    assert status.started.seconds > 0


async def test_clocks_are_told_with_their_ranges() -> None:
    """And with what they were seen at while a model answered."""
    one = service(Meters(lambda: 0.0), FakeReload(), seen=AnsweringClocks({"ddr": 528_000_000}))
    status = await one.GetStatus(system_pb2.GetStatusRequest(), None)
    npu, *_, ddr = status.clocks

    assert [one.name for one in status.clocks] == ["npu", "cpu0-3", "cpu4-5", "cpu6-7", "ddr"]
    assert (npu.kind, ddr.kind) == (system_pb2.CLOCK_KIND_NPU, system_pb2.CLOCK_KIND_DDR)
    assert (ddr.frequency_hz, ddr.lowest_hz) == (2_112_000_000, 528_000_000)
    assert (ddr.limit_hz, ddr.highest_hz, ddr.cooled) == (2_112_000_000, 2_112_000_000, False)
    assert (ddr.governor, "performance" in ddr.governors) == ("dmc_ondemand", True)
    assert (npu.answering_hz, ddr.answering_hz) == (0, 528_000_000)


async def test_an_npu_out_of_reach_says_why() -> None:
    """With the remedy."""
    one = service(Meters(lambda: 0.0), FakeReload(), npu=False)
    status = await one.GetStatus(system_pb2.GetStatusRequest(), None)

    assert not status.npu.available
    assert "librkllmrt.so" in status.npu.reason
    assert status.npu.remedy


async def test_findings_keep_their_severity() -> None:
    """The doctor's numbers are the proto's."""
    one = service(Meters(lambda: 0.0), FakeReload())
    (found,) = (await one.Doctor(system_pb2.DoctorRequest(), None)).findings

    assert found == system_pb2.Finding(
        check="disk",
        severity=system_pb2.SEVERITY_WARNING,
        message="little",
        remedy="Make room.",
    )
    assert {one.value: one.name for one in Severity} == {
        number: name.removeprefix("SEVERITY_")
        for name, number in system_pb2.Severity.items()
        if number
    }


async def test_a_reload_tells_what_changed_or_fails() -> None:
    """Both lists arrive; an error of the configuration is the call's."""
    reload = FakeReload()
    one = service(Meters(lambda: 0.0), reload)
    done = await one.Reload(system_pb2.ReloadRequest(), None)
    reload.error = InvalidInputError(Reason.INVALID_FIELD, "bad")

    assert list(done.applied) == ["keep_alive: 300 -> 60"]
    assert list(done.needs_restart) == ["listen: a -> b"]
    with pytest.raises(InvalidInputError):
        await one.Reload(system_pb2.ReloadRequest(), None)
