"""How the board is doing right now; cheap enough to read every second."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from rkd.board import memory, tree
from rkd.board.facts import Telemetry

LOAD_FILES: Final = (
    "run/rkd-debugfs/load",
    "sys/kernel/debug/rknpu/load",
    "proc/rknpu/load",
)
"""
`NPU load:  Core0: 0%, Core1: 0%, Core2: 0%,`; the first is debugfs as the unit binds it, whose
root is closed to all but root. **Source:** the debugger of Rockchip's rknpu driver.
"""


DDR: Final = "sys/class/devfreq/dmc"
"""The memory's clock. **Source:** rockchip_dmc.c of Rockchip's kernels."""


def read_telemetry(root: Path) -> Telemetry:
    """Read what changes by the second, below *root*; never raises for what is not there."""
    total, available = memory.total_and_available(root)
    frequency_hz, governor = _npu_clock(root)
    return Telemetry(
        memory_available_bytes=available,
        memory_total_bytes=total,
        temperatures_c=_temperatures(root),
        npu_load_percent=_npu_load(root),
        npu_frequency_hz=frequency_hz,
        npu_governor=governor,
        cpu_governor=_cpu_governor(root),
        load_average=_load_average(root),
        ddr_frequency_hz=tree.read_int(root / DDR, "cur_freq"),
        ddr_governor=tree.read_text(root / DDR, "governor"),
    )


def _cpu_governor(root: Path) -> str:
    policies = tree.glob(root, "sys/devices/system/cpu/cpufreq/policy*")
    return tree.read_text(policies[-1], "scaling_governor") if policies else ""


def _load_average(root: Path) -> float:
    first = tree.read_text(root, "proc/loadavg").partition(" ")[0]
    return float(first) if first.replace(".", "", 1).isdigit() else 0.0


def _temperatures(root: Path) -> tuple[tuple[str, float], ...]:
    """Return degrees by the zone's type: the numbers of zones differ from kernel to kernel."""
    found = []
    for zone in tree.glob(root, "sys/class/thermal/thermal_zone*"):
        name = tree.read_text(zone, "type")
        milli = tree.read_int(zone, "temp")
        if name and milli is not None:
            found.append((name, milli / 1000))
    return tuple(found)


def _npu_clock(root: Path) -> tuple[int | None, str]:
    """Return (Hz, governor) of the NPU: `fdab0000.npu` on an RK3588, `27700000.npu` on a 3576."""
    for device in tree.glob(root, "sys/class/devfreq/*.npu"):
        return tree.read_int(device, "cur_freq"), tree.read_text(device, "governor")
    return None, ""


def _npu_load(root: Path) -> tuple[int, ...]:
    for name in LOAD_FILES:
        text = tree.read_text(root, name)
        if found := re.findall(r"Core\d+:\s*(\d+)%", text) or re.findall(r"(\d+)%", text):
            return tuple(map(int, found))
    for device in tree.glob(root, "sys/class/devfreq/*.npu"):
        # of kernels without the debugger: `42@1000000000Hz`: one number for all cores
        percent, at, _ = tree.read_text(device, "load").partition("@")
        if at and percent.isdigit():
            return (int(percent),)
    return ()
