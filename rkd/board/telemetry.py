"""How the board is doing right now; cheap enough to read every second."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from rkd.board import memory, tree
from rkd.board.clocks import NPUS, read_clocks
from rkd.board.facts import Clock, ClockKind, Telemetry

LOAD_FILES: Final = (
    "run/rkd-debugfs/load",
    "sys/kernel/debug/rknpu/load",
    "proc/rknpu/load",
)
"""
`NPU load:  Core0: 0%, Core1: 0%, Core2: 0%,`; the first is debugfs as the unit binds it, whose
root is closed to all but root. **Source:** the debugger of Rockchip's rknpu driver.
"""

MOST_NPU_CORES: Final = 16

SLOW_GOVERNORS: Final = frozenset({"powersave"})
"""Under these a clock never goes up."""


def read_telemetry(root: Path) -> Telemetry:
    """Read what changes by the second, below *root*; never raises for what is not there."""
    total, available = memory.total_and_available(root)
    clocks = read_clocks(root)
    npu, ddr = _first(clocks, ClockKind.NPU), _first(clocks, ClockKind.DDR)
    return Telemetry(
        memory_available_bytes=available,
        memory_total_bytes=total,
        temperatures_c=_temperatures(root),
        npu_load_percent=_npu_load(root),
        npu_frequency_hz=npu.frequency_hz if npu else None,
        npu_governor=npu.governor if npu else "",
        cpu_governor=_cpu_governor(clocks),
        load_average=_load_average(root),
        ddr_frequency_hz=ddr.frequency_hz if ddr else None,
        ddr_governor=ddr.governor if ddr else "",
        clocks=clocks,
    )


def _first(clocks: tuple[Clock, ...], kind: ClockKind) -> Clock | None:
    return next((clock for clock in clocks if clock.kind is kind), None)


def _cpu_governor(clocks: tuple[Clock, ...]) -> str:
    governors = [clock.governor for clock in clocks if clock.kind is ClockKind.CPU]
    return next((one for one in governors if one in SLOW_GOVERNORS), (governors or [""])[-1])


def _load_average(root: Path) -> float:
    found = re.match(r"\d{1,6}(?:\.\d{1,6})?(?= )", tree.read_text(root, "proc/loadavg"), re.ASCII)
    return float(found.group()) if found else 0.0


def _temperatures(root: Path) -> tuple[tuple[str, float], ...]:
    """Return degrees by the zone's type: the numbers of zones differ from kernel to kernel."""
    found = []
    for zone in tree.glob(root, "sys/class/thermal/thermal_zone*"):
        name = tree.read_word(zone, "type")
        milli = tree.read_int(zone, "temp")
        if name and milli is not None:
            found.append((name, milli / 1000))
    return tuple(found)


def _npu_load(root: Path) -> tuple[int, ...]:
    for name in LOAD_FILES:
        text = tree.read_text(root, name)
        each = re.findall(r"Core\d+:\s*(\d{1,3})%", text, re.ASCII)
        if found := each or re.findall(r"(?<!\d)(\d{1,3})%", text, re.ASCII):
            return tuple(min(100, int(one)) for one in found[:MOST_NPU_CORES])
    for device in tree.glob(root, NPUS):
        # of kernels without the debugger: `42@1000000000Hz`: one number for all cores
        percent, at, _ = tree.read_text(device, "load").partition("@")
        if at and (load := tree.number(percent)) is not None:
            return (max(0, min(100, load)),)
    return ()
