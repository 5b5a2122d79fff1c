"""What changes by the second."""

from __future__ import annotations

from pathlib import Path

from rkd.board.telemetry import read_telemetry

TREES = Path(__file__).resolve().parents[2] / "data" / "board"


def test_a_board_under_load() -> None:
    """Memory, temperatures by name, load per core, clock and governor are read."""
    now = read_telemetry(TREES / "rock-5b")

    assert now.memory_available_bytes == 14350012 * 1024
    assert now.temperatures_c == (("soc-thermal", 48.076), ("npu-thermal", 51.769))
    assert now.npu_load_percent == (61, 58, 0)
    assert (now.npu_frequency_hz, now.npu_governor) == (1_000_000_000, "rknpu_ondemand")
    assert (now.ddr_frequency_hz, now.ddr_governor) == (2_112_000_000, "dmc_ondemand")
    assert (now.cpu_governor, now.load_average) == ("ondemand", 2.35)


def test_without_the_debugger_the_clock_framework_tells_the_load(tmp_path: Path) -> None:
    """`42@1000000000Hz` is one number for all cores."""
    device = tmp_path / "sys/class/devfreq/27700000.npu"
    device.mkdir(parents=True)
    (device / "load").write_text("42@1000000000Hz\n")

    assert read_telemetry(tmp_path).npu_load_percent == (42,)


def test_nothing_there(tmp_path: Path) -> None:
    """A machine that tells nothing of an NPU gives empty values and no error."""
    now = read_telemetry(tmp_path)

    assert (now.temperatures_c, now.npu_load_percent, now.npu_governor) == ((), (), "")
    assert now.npu_frequency_hz is None
