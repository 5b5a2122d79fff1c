"""Why a clock is slow."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rkd.board.facts import ClockKind, Telemetry
from rkd.board.telemetry import read_telemetry
from rkd.telemetry.answering import AnsweringClocks
from rkd.telemetry.slowness import heat, slow

NOW = read_telemetry(Path(__file__).resolve().parents[2] / "data" / "board" / "rock-5b")
NPU, CPU, DDR = ClockKind.NPU, ClockKind.CPU, ClockKind.DDR
MHZ = 1_000_000


def with_clock(name: str, now: Telemetry = NOW, **facts: Any) -> Telemetry:
    """The board with one clock changed."""
    clocks = (replace(one, **facts) if one.name == name else one for one in now.clocks)
    return replace(now, clocks=tuple(clocks))


def told(
    kind: ClockKind, now: Telemetry, seen: AnsweringClocks | None = None, *, raised: bool = False
) -> tuple[str, str]:
    """Message and remedy; two empty ones where all is well."""
    found = slow(kind, now, seen, hot_c=80.0, raised=raised)
    return (found.message, found.remedy) if found else ("", "")


def test_an_idle_clock_is_no_fault() -> None:
    """Under a governor that can go up a low clock says nothing."""
    assert told(DDR, with_clock("ddr", frequency_hz=528 * MHZ)) == ("", "")
    assert told(NPU, with_clock("npu", frequency_hz=300 * MHZ)) == ("", "")


@pytest.mark.parametrize(
    ("kind", "name", "limit_mhz", "words", "remedy"),
    [
        (NPU, "npu", 700, "700 of 1000 MHz", "1000000000 > /sys/class/devfreq/fdab0000.npu/max"),
        (DDR, "ddr", 1560, "1560 of 2112 MHz", "2112000000 > /sys/class/devfreq/dmc/max_freq"),
        (CPU, "cpu6-7", 1800, "1800 of 2304", "2304000 > /sys/devices/system/cpu/cpufreq/policy6"),
    ],
)
def test_a_lowered_limit_is_told_with_how_to_lift_it(
    kind: ClockKind, name: str, limit_mhz: int, words: str, remedy: str
) -> None:
    """In the unit of that file: Hz for devices, kHz for the CPU."""
    message, way = told(kind, with_clock(name, limit_hz=limit_mhz * MHZ))

    assert words in message
    assert remedy in way


def test_heat_is_another_finding_with_another_remedy() -> None:
    """What the cooling took is not lifted by hand."""
    now = with_clock("npu", limit_hz=700 * MHZ, cooled=True)
    found = heat(now, 80.0)

    assert told(NPU, now) == ("", "")
    assert found is not None
    assert "npu at 700 of 1000 MHz; npu-thermal is at 52 °C" in found.message
    assert "fan" in found.remedy


def test_a_hot_board_explains_a_limit_without_a_cooling_device() -> None:
    """As Rockchip's system monitor leaves it."""
    now = replace(with_clock("cpu4-5", limit_hz=1200 * MHZ), temperatures_c=(("soc", 92.0),))

    assert told(CPU, now) == ("", "")
    assert heat(now, 80.0) is not None
    assert heat(NOW, 80.0) is None


def test_a_fixed_clock_is_told() -> None:
    """`userspace` at the top is what the vendor's own script does; below it is a fault."""
    low = with_clock("ddr", governor="userspace", frequency_hz=528 * MHZ)

    assert "fixed at 528 of 2112 MHz" in told(DDR, low)[0]
    assert told(DDR, with_clock("ddr", governor="userspace")) == ("", "")


def test_a_governor_that_never_goes_up_is_told_once() -> None:
    """By the check `governor`, not here again."""
    assert told(DDR, with_clock("ddr", governor="powersave", frequency_hz=528 * MHZ)) == ("", "")


def test_low_while_a_model_answered_is_a_fault() -> None:
    """That is when it should have been up."""
    seen = AnsweringClocks({"ddr": 528 * MHZ, "npu": 1000 * MHZ}, npu=True)

    message, remedy = told(DDR, NOW, seen)
    assert "ddr was at 528 of 2112 MHz while a model answered (dmc_ondemand)" in message
    assert "--clocks" in remedy
    assert told(NPU, NOW, seen) == ("", "")


def test_the_npu_may_sleep_while_the_cpu_answers() -> None:
    """And must not while it answers itself."""
    low = AnsweringClocks({"npu": 300 * MHZ})

    assert told(NPU, NOW, low) == ("", "")
    assert "npu was at 300" in told(NPU, NOW, replace(low, npu=True))[0]


def test_small_cores_may_be_slow() -> None:
    """The engines run on the fast ones."""
    assert told(CPU, NOW, AnsweringClocks({"cpu0-3": 408 * MHZ})) == ("", "")
    assert "cpu4-5 was at 1200" in told(CPU, NOW, AnsweringClocks({"cpu4-5": 1200 * MHZ}))[0]


def test_the_way_out_depends_on_what_there_is() -> None:
    """No `performance` in the kernel: raise the floor; rkd-clocks there already: its log."""
    seen = AnsweringClocks({"ddr": 528 * MHZ})
    without = with_clock("ddr", governors=("dmc_ondemand", "simple_ondemand"))

    assert "2112000000 > /sys/class/devfreq/dmc/min_freq" in told(DDR, without, seen)[1]
    assert "journalctl -u rkd-clocks" in told(DDR, NOW, seen, raised=True)[1]


def test_several_clusters_are_one_finding() -> None:
    """With one remedy."""
    now = with_clock("cpu4-5", with_clock("cpu6-7", limit_hz=1200 * MHZ), limit_hz=1200 * MHZ)
    message, remedy = told(CPU, now)

    assert "cpu4-5 may" in message
    assert "cpu6-7 may" in message
    assert remedy.count("echo") == 1


def test_nothing_known_is_nothing_wrong() -> None:
    """Clocks of which the kernel tells nothing are not judged."""
    blank: dict[str, Any] = {"limit_hz": None, "highest_hz": None, "frequency_hz": None}
    now = with_clock("ddr", **blank)

    assert told(DDR, now, AnsweringClocks({"ddr": 1})) == ("", "")
    assert told(NPU, replace(NOW, clocks=())) == ("", "")
