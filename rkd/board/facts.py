"""What can be known of a board, as frozen plain types; `read.py` and `telemetry.py` find it out."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from pathlib import Path

from rkd.errors import PreconditionError
from rkd.weights.named import SOLD_AS

_GRADED = re.compile(r"(rk35\d\d)(?:[jm]|[bs]\d?|t)?")
"""Grades of one chip: J and M for industry and cars, S, S2, B2 and T for packages."""


@dataclass(frozen=True, slots=True)
class DeviceNode:
    """
    A device file.

    Args:
        path: as programs open it, without the root it was read under.
        mode: permission bits.
        uid, gid: owner and group.
        accessible: this process may read and write it.
    """

    path: Path
    mode: int
    uid: int
    gid: int
    accessible: bool


@dataclass(frozen=True, slots=True)
class RuntimeLibrary:
    """
    A librkllmrt.so.

    Args:
        path: the file.
        version: as written in it (`1.2.3`, `1.2.1b1`); empty when unknown.
        problem: why it cannot be used, or None when it can.
    """

    path: Path
    version: str = ""
    problem: PreconditionError | None = None


@dataclass(frozen=True, slots=True)
class Cpu:
    """
    The processor.

    Args:
        cores: numbers of the cores this process may use.
        big_cores: those of them that are fast; all of them where there is one kind only.
        features: as the kernel names them (`asimddp` is the dot product of Armv8.2).
    """

    cores: tuple[int, ...]
    big_cores: tuple[int, ...]
    features: frozenset[str]

    @property
    def big_mask(self) -> int:
        """Bit n is set for fast core n, as `enabled_cpus_mask` of the NPU's runtime wants it."""
        return sum(1 << core for core in self.big_cores)


@dataclass(frozen=True, slots=True)
class Board:
    """
    What does not change while the daemon runs; empty strings and tuples where nothing was found.

    Args:
        model: as the maker wrote it (`Radxa ROCK 5B`).
        soc: `rk3588`, `rk3588s`, `rk3576` …; empty off a Rockchip board.
        soc_source: where that is known from, see `soc.soc_of`.
        kernel: release of the kernel.
        architecture: `aarch64`, `x86_64` ….
        npu_driver: version of Rockchip's kernel driver, `0.9.8`.
        npu_mainline: the kernel has the mainline driver (rocket), which librkllmrt cannot use.
        npu_nodes: device files through which the NPU is opened, best first.
        heap_nodes: /dev/dma_heap/*, from which some kernels give the NPU its memory.
        memory_total_bytes: MemTotal, or the control group's limit when that is less; 0 unknown.
        runtimes: every librkllmrt.so found, the configured ones first.
    """

    model: str
    soc: str
    kernel: str
    architecture: str
    npu_driver: str
    npu_mainline: bool
    npu_nodes: tuple[DeviceNode, ...]
    heap_nodes: tuple[DeviceNode, ...]
    cpu: Cpu
    memory_total_bytes: int
    runtimes: tuple[RuntimeLibrary, ...]
    soc_source: str = ""

    @property
    def platform(self) -> str:
        """The name weights are built for: `rk3588` also on an RK3588S, an RK3588J, an RK3582."""
        graded = _GRADED.fullmatch(self.soc)
        return SOLD_AS.get(graded[1], graded[1]) if graded else self.soc


class ClockKind(enum.IntEnum):
    """What a clock drives; the numbers are the proto's."""

    NPU = 1
    CPU = 2
    DDR = 3


@dataclass(frozen=True, slots=True)
class Clock:
    """
    One clock; None, empty or False where the kernel does not tell.

    Args:
        name: `npu`, `cpu4-5` (the cores of a cluster), `ddr`.
        folder: below the root, where its files are.
        frequency_hz: now.
        lowest_hz, limit_hz: what the governor may choose from now.
        highest_hz: what the hardware can.
        governors: what `governor` may be.
        cooled: the limit is below the hardware's because something is too hot.
    """

    kind: ClockKind
    name: str
    folder: str
    frequency_hz: int | None = None
    lowest_hz: int | None = None
    limit_hz: int | None = None
    highest_hz: int | None = None
    governor: str = ""
    governors: tuple[str, ...] = ()
    cooled: bool = False


@dataclass(frozen=True, slots=True)
class Telemetry:
    """
    How the board is doing right now; 0, empty or None where the kernel does not tell.

    Args:
        memory_available_bytes: MemAvailable, or what the control group still allows if less.
        temperatures_c: degrees Celsius by the kernel's name of the zone (`npu-thermal`).
        npu_load_percent: one number per core.
        npu_frequency_hz: current clock of the NPU.
        npu_governor: name of its frequency governor.
        cpu_governor: the one that holds a cluster low, else that of the last core, a fast one on
            every SoC with two kinds.
        load_average: over a minute.
        ddr_frequency_hz, ddr_governor: of the memory, whose speed is that of every answer.
        clocks: all of them, with their limits.
    """

    memory_available_bytes: int
    memory_total_bytes: int
    temperatures_c: tuple[tuple[str, float], ...]
    npu_load_percent: tuple[int, ...]
    npu_frequency_hz: int | None
    npu_governor: str
    cpu_governor: str
    load_average: float
    ddr_frequency_hz: int | None = None
    ddr_governor: str = ""
    clocks: tuple[Clock, ...] = ()
