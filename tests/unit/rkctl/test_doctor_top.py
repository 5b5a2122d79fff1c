"""`rkctl doctor` and `rkctl top`."""

from __future__ import annotations

import json

import pytest
from rkctl.verbs.top import bar

from rkd.v1 import pool_pb2 as pool
from rkd.v1 import system_pb2 as pb
from rkd.v1 import types_pb2 as types
from tests.unit.rkctl.fake_board import FakeBoard, Rkctl


def findings(worst: pb.Severity) -> pb.DoctorResponse:
    """Two findings, the second as bad as told."""
    return pb.DoctorResponse(
        findings=[
            pb.Finding(check="soc", severity=pb.SEVERITY_OK, message="a Rock with rk3588"),
            pb.Finding(check="disk", severity=worst, message="little", remedy="Make room."),
        ]
    )


@pytest.mark.parametrize(
    ("worst", "word", "code"),
    [(pb.SEVERITY_NOTE, "note", 0), (pb.SEVERITY_WARNING, "warning", 0), (4, "error", 1)],
)
def test_findings_come_with_one_remedy_each(
    board: FakeBoard, rkctl: Rkctl, worst: pb.Severity, word: str, code: int
) -> None:
    """A line a finding, a line a remedy; errors, and only they, make the exit code 1."""
    board.answers["SystemService.Doctor"] = findings(worst)
    done = rkctl("doctor")

    assert done.exit_code == code
    assert done.stdout.splitlines() == [
        "ok       soc   a Rock with rk3588",
        f"{word:7}  disk  little",
        "               -> Make room.",
    ]


def test_findings_as_json(board: FakeBoard, rkctl: Rkctl) -> None:
    """The whole answer, and the same exit code."""
    board.answers["SystemService.Doctor"] = findings(pb.SEVERITY_ERROR)
    done = rkctl("doctor", "--json")

    assert done.exit_code == 1
    assert json.loads(done.stdout)["findings"][1]["severity"] == "SEVERITY_ERROR"


def test_top_off_a_terminal_is_one_picture(board: FakeBoard, rkctl: Rkctl) -> None:
    """Loads, memory, residents and streams, plain."""
    status = pb.GetStatusResponse(
        version="1.2.3",
        board="Radxa ROCK 5B",
        cores=8,
        load_average=4,
        npu=pb.NpuStatus(available=True, core_load=[0.6, 0.4, 0], frequency_hz=10**9),
        memory=pb.MemoryStatus(total_bytes=16 * 10**9, available_bytes=4 * 10**9),
        temperatures=[pb.Temperature(zone="npu", celsius=81), pb.Temperature(zone="soc")],
        queued=2,
        clocks=[
            pb.Clock(name="cpu0-3", kind=pb.CLOCK_KIND_CPU, frequency_hz=1_800_000_000),
            pb.Clock(name="cpu4-5", kind=pb.CLOCK_KIND_CPU, frequency_hz=2_352_000_000),
            pb.Clock(
                name="ddr",
                kind=pb.CLOCK_KIND_DDR,
                frequency_hz=1_056_000_000,
                limit_hz=1_560_000_000,
                highest_hz=2_112_000_000,
                governor="dmc_ondemand",
                cooled=True,
            ),
        ],
    )
    stream = status.streams.add(request_id="r1", model="tiny", tokens=40, tokens_per_s=12.5)
    stream.age.FromSeconds(3)
    board.answers["SystemService.GetStatus"] = status
    board.answers["PoolService.ListResident"] = pool.ListResidentResponse(
        residents=[
            pool.Resident(
                model="tiny",
                state=pool.RESIDENT_STATE_READY,
                backend=types.BACKEND_NPU,
                size_bytes=10**9,
                slots=1,
                slots_used=1,
            )
        ]
    )
    done = rkctl("top")

    assert done.exit_code == 0
    for words in (
        "12.5 tokens/s  2 waiting",
        "60% 40% 0%, 1000 MHz",
        "12.0 GB of 16.0 GB",
        "npu 81 °C (hot)",
        "load 4.00 on 8 cores, 1800 2352 MHz",
        f"DDR      {bar(0.5)}  1056 MHz (hot)",
        "ready",
        "r1",
    ):
        assert words in done.stdout
    assert "\x1b" not in done.stdout


def test_status_tells_each_clock(board: FakeBoard, rkctl: Rkctl) -> None:
    """What it is, could be, who chooses, what holds it back; what is not known is left out."""
    board.answers["SystemService.GetStatus"] = pb.GetStatusResponse(
        clocks=[
            pb.Clock(
                name="npu",
                frequency_hz=700_000_000,
                limit_hz=700_000_000,
                highest_hz=1_000_000_000,
                governor="rknpu_ondemand",
                cooled=True,
                answering_hz=700_000_000,
            ),
            pb.Clock(name="cpu4", limit_hz=1, highest_hz=2_304_000_000),
        ]
    )
    done = rkctl("status")

    for words in (
        "npu 700 of 1000 MHz, rknpu_ondemand, held back by heat to 700, 700 while a model answered",
        "cpu4 ? of 2304 MHz, limited to 0\n",
    ):
        assert words in done.stdout


def test_top_as_json_is_the_status(board: FakeBoard, rkctl: Rkctl) -> None:
    """One object a look."""
    board.answers["SystemService.GetStatus"] = pb.GetStatusResponse(version="1")
    done = rkctl("top", "--json", "--count", "2")

    assert [json.loads(line)["version"] for line in done.stdout.splitlines()] == ["1", "1"]


def test_bars_stay_in_their_place() -> None:
    """More than all, less than none and unknown are drawn as well."""
    assert {len(bar(part)) for part in (None, -1.0, 0.0, 0.5, 1.0, 9.0)} == {20}
    assert bar(0.5) == "█" * 10 + "·" * 10
