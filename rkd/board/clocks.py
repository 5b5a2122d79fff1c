"""
The clocks an answer's speed hangs on: the NPU's, each CPU cluster's and the memory's (DDR).

Read from devfreq (Hz) and cpufreq (kHz). A limit below what the hardware can is somebody's, or the
cooling's: the kernel lowers `max_freq` in both cases, and its cooling devices say which.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rkd.board import tree
from rkd.board.facts import Clock, ClockKind

FASTEST: Final = "performance"
"""The governor that keeps a clock as high as it may be."""

NEARLY: Final = 0.95
"""Of what it may be a clock that has gone up is seen at: measured ones differ by a step at most."""

NPUS: Final = "sys/class/devfreq/*.npu"
"""`fdab0000.npu` on an RK3588, `27700000.npu` on an RK3576."""

DDR: Final = "sys/class/devfreq/dmc"
"""**Source:** rockchip_dmc.c of Rockchip's kernels; boards without it keep one clock from boot."""

POLICIES: Final = "sys/devices/system/cpu/cpufreq/policy*"

MOST_CLOCKS: Final = 16
"""An RK3588, which has the most, has five."""

MOST_HZ: Final = 100_000_000_000
"""Above it a number is no clock."""

MOST_GOVERNORS: Final = 16
_MOST_STEPS: Final = 64


@dataclass(frozen=True, slots=True)
class Layout:
    """How a frequency framework calls its files, and by what its numbers become Hz."""

    current: str
    lowest: str
    limit: str
    steps: str
    governor: str
    governors: str
    unit_hz: int
    highest: str = ""


DEVFREQ: Final = Layout(
    current="cur_freq",
    lowest="min_freq",
    limit="max_freq",
    steps="available_frequencies",
    governor="governor",
    governors="available_governors",
    unit_hz=1,
)
"""**Source:** sysfs-class-devfreq; a 4.4 kernel's `max_freq` of 0 means no limit."""

CPUFREQ: Final = Layout(
    current="scaling_cur_freq",
    lowest="scaling_min_freq",
    limit="scaling_max_freq",
    steps="scaling_available_frequencies",
    governor="scaling_governor",
    governors="scaling_available_governors",
    unit_hz=1000,
    highest="cpuinfo_max_freq",
)
"""**Source:** admin-guide/pm/cpufreq.rst."""


def layout_of(kind: ClockKind) -> Layout:
    """Return how the files of a clock of *kind* are called."""
    return CPUFREQ if kind is ClockKind.CPU else DEVFREQ


def read_clocks(root: Path) -> tuple[Clock, ...]:
    """Read every clock below *root*: NPU, CPU clusters by their first core, DDR."""
    cooling = _cooling(root)
    found = [
        *((ClockKind.NPU, path) for path in tree.glob(root, NPUS)),
        *((ClockKind.CPU, path) for path in sorted(tree.glob(root, POLICIES), key=_number)),
        *((ClockKind.DDR, path) for path in tree.glob(root, DDR)),
    ]
    read = (_clock(root, kind, path, cooling) for kind, path in found[:MOST_CLOCKS])
    return tuple(
        clock for clock in read if clock.frequency_hz or clock.highest_hz or clock.governor
    )


def _clock(root: Path, kind: ClockKind, path: Path, cooling: frozenset[str]) -> Clock:
    layout = layout_of(kind)
    cores = _cores(path) if kind is ClockKind.CPU else ()
    steps = [_hz(word, layout) for word in tree.read_text(path, layout.steps).split()[:_MOST_STEPS]]
    told = tree.read_text(path, layout.highest) if layout.highest else ""
    highest = max(filter(None, (*steps, _hz(told, layout))), default=None)
    limit = _hz(tree.read_text(path, layout.limit), layout)
    capped = None not in (limit, highest) and limit < highest  # type: ignore[operator]
    return Clock(
        kind=kind,
        name=_name(kind, cores),
        folder=path.relative_to(root).as_posix(),
        frequency_hz=_hz(tree.read_text(path, layout.current), layout),
        lowest_hz=_hz(tree.read_text(path, layout.lowest), layout),
        limit_hz=limit,
        highest_hz=highest,
        governor=tree.read_word(path, layout.governor),
        governors=tuple(
            word[:64] for word in tree.read_text(path, layout.governors).split()[:MOST_GOVERNORS]
        ),
        cooled=capped and bool(cooling & _coolers(kind, path, cores)),
    )


def _hz(text: str, layout: Layout) -> int | None:
    found = tree.number(text)
    hz = (found or 0) * layout.unit_hz
    return hz if 0 < hz <= MOST_HZ else None


def _name(kind: ClockKind, cores: tuple[int, ...]) -> str:
    """`npu`, `ddr`, `cpu4-5`; cores that do not follow each other are told one by one."""
    if kind is not ClockKind.CPU:
        return kind.name.lower()
    if len(cores) > 1 and cores == tuple(range(cores[0], cores[-1] + 1)):
        return f"cpu{cores[0]}-{cores[-1]}"
    return f"cpu{','.join(map(str, cores[:8]))}"


def _number(path: Path) -> int:
    return tree.number(path.name.removeprefix("policy")) or 0


def _cores(path: Path) -> tuple[int, ...]:
    words = tree.read_text(path, "related_cpus").split()[: tree.MOST_CORES]
    found = {core for word in words if (core := tree.number(word)) is not None}
    return tuple(sorted(found)) or (_number(path),)


def _cooling(root: Path) -> frozenset[str]:
    """Return the names of the cooling devices that hold something back now."""
    return frozenset(
        re.sub(r"^(thermal-(?:cpu|dev)freq)-\d+$", r"\1", tree.read_word(path, "type"))
        for path in tree.glob(root, "sys/class/thermal/cooling_device*")
        if (tree.read_int(path, "cur_state") or 0) > 0
    )


def _coolers(kind: ClockKind, path: Path, cores: tuple[int, ...]) -> frozenset[str]:
    """
    Return what the cooling devices of a clock may be called.

    Since 5.12 they have the device's name; before, a number that does not say whose they are, so
    one of the framework will do. **Source:** cpufreq_cooling.c, devfreq_cooling.c.
    """
    if kind is ClockKind.CPU:
        return frozenset({"thermal-cpufreq", *(f"cpufreq-cpu{core}" for core in cores)})
    return frozenset({"thermal-devfreq", f"devfreq-{path.name}"})
