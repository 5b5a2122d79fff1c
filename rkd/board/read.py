"""Reading the facts of a board from /proc, /sys and /dev below a root; no device is opened."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final

from rkd.board import memory, tree
from rkd.board.facts import Board, Cpu, DeviceNode, RuntimeLibrary
from rkd.board.soc import RKNPU, ROCKET, device_tree, driven_by, soc_of

DRIVER_VERSION_FILES: Final = (
    "sys/module/rknpu/version",
    "run/rkd-debugfs/version",
    "sys/kernel/debug/rknpu/version",
    "proc/rknpu/version",
)
"""
Where the driver says its version, the world-readable first. The second is debugfs as the unit
binds it. **Source:** MODULE_VERSION and the debugger of Rockchip's rknpu driver.
"""

_VERSION = re.compile(r"\d{1,5}\.\d{1,5}\.\d{1,5}")
_KNOWN_BIG: Final = dict.fromkeys(("rk3588", "rk3582", "rk3583", "rk3576"), range(4, 8))
"""Fast cores where the kernel does not tell (A76, A72). **Source:** the SoCs' manuals."""

Access = Callable[[Path], bool]


def may_use(path: Path) -> bool:
    """Tell whether this process may read and write *path*, by its effective ids."""
    return os.access(path, os.R_OK | os.W_OK, effective_ids=os.access in os.supports_effective_ids)


def read_board(
    root: Path,
    runtimes: tuple[RuntimeLibrary, ...],
    *,
    architecture: str = "",
    access: Access = may_use,
) -> Board:
    """
    Read the board's facts below *root*.

    Args:
        root: `/`, but for tests and RKD_SYSROOT.
        runtimes: what `runtime.find_libraries` found.
        architecture: as `uname -m`; asked of the running kernel when empty.
        access: tells whether a device file may be used.
    """
    soc, soc_source = soc_of(root)
    total, _ = memory.total_and_available(root)
    return Board(
        model=device_tree(root, "model"),
        soc=soc,
        soc_source=soc_source,
        kernel=tree.read_text(root, "proc/sys/kernel/osrelease"),
        architecture=architecture or os.uname().machine,
        npu_driver=_npu_driver(root),
        npu_mainline=driven_by(root, ROCKET) or bool(_nodes_of_driver(root, "accel", ROCKET)),
        npu_nodes=_npu_nodes(root, access),
        heap_nodes=_heap_nodes(root, access),
        cpu=_cpu(root, soc),
        memory_total_bytes=total,
        runtimes=runtimes,
    )


def _npu_driver(root: Path) -> str:
    for name in DRIVER_VERSION_FILES:
        if found := _VERSION.search(tree.read_text(root, name)):
            return found.group()
    return ""


def _nodes_of_driver(root: Path, subsystem: str, driver: str) -> list[str]:
    """Return the names of the devices of *subsystem* that *driver* serves."""
    return [
        path.parent.parent.name
        for path in tree.glob(root, f"sys/class/{subsystem}/*/device/uevent")
        if f"DRIVER={driver}".casefold()
        in tree.read_text(root, str(path.relative_to(root))).casefold().split()
    ]


def _npu_nodes(root: Path, access: Access) -> tuple[DeviceNode, ...]:
    """Return render nodes before cards (those want the video group), and the misc device last."""
    drm = sorted(_nodes_of_driver(root, "drm", RKNPU), key=lambda name: name.startswith("card"))
    return _nodes(root, [f"dev/dri/{name}" for name in drm] + ["dev/rknpu"], access)


def _heap_nodes(root: Path, access: Access) -> tuple[DeviceNode, ...]:
    paths = tree.glob(root, "dev/dma_heap/*")
    return _nodes(root, [str(path.relative_to(root)) for path in paths], access)


def _nodes(root: Path, names: list[str], access: Access) -> tuple[DeviceNode, ...]:
    found = []
    for name in names:
        try:
            status = (root / name).stat()
        except OSError:
            continue
        mode = stat.S_IMODE(status.st_mode)
        usable = access(root / name)
        found.append(DeviceNode(Path("/", name), mode, status.st_uid, status.st_gid, usable))
    return tuple(found)


def _cpu(root: Path, soc: str) -> Cpu:
    online = set(tree.core_numbers(tree.read_text(root, "sys/devices/system/cpu/online")))
    online = online or os.sched_getaffinity(0)
    allowed = re.search(
        r"^Cpus_allowed_list:\s*(\S+)$", tree.read_text(root, "proc/self/status"), re.MULTILINE
    )
    if allowed:
        online &= set(tree.core_numbers(allowed.group(1)))
    cores = tuple(sorted(online))
    features = re.search(
        r"^(?:Features|flags)\s*:\s*(.*)$", tree.read_text(root, "proc/cpuinfo"), re.MULTILINE
    )
    return Cpu(
        cores=cores,
        big_cores=_big_cores(root, cores, soc),
        features=frozenset(features.group(1).split() if features else ()),
    )


def _big_cores(root: Path, cores: tuple[int, ...], soc: str) -> tuple[int, ...]:
    """Return the cores faster than half-way between the slowest and the fastest."""
    for fact in ("cpu_capacity", "cpufreq/cpuinfo_max_freq"):
        speeds = {
            core: tree.read_int(root, f"sys/devices/system/cpu/cpu{core}/{fact}") or 0
            for core in cores
        }
        if not all(speeds.values()) or not speeds:
            continue
        slow, fast = min(speeds.values()), max(speeds.values())
        # one cluster's cores differ by a few percent; two kinds differ by a third and more
        if fast - slow < fast // 5:
            return cores
        return tuple(core for core in cores if speeds[core] * 2 > slow + fast)
    return tuple(core for core in cores if core in _KNOWN_BIG.get(soc[:6], cores))
