"""
Which SoC a board has, also where a container masks the device tree.

The kernel tells it in several places; `/proc/device-tree` is the one container runtimes hide, the
names of drivers and devices below `/sys/class` are not.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from rkd.board import tree

_NAME = r"(rk\d{4}(?:[a-z]{1,3}\d?)?|rv\d{4}[a-z]?)"
_COMPATIBLE: Final = re.compile(rf"rockchip,{_NAME}", re.IGNORECASE)
_OF_DEVICE: Final = re.compile(
    rf"^OF_COMPATIBLE_\d+=rockchip,{_NAME}-(?:rknpu|rknn-core|dmc)$", re.MULTILINE
)
"""Devices named after the SoC they are in; others keep the name of the one they came with."""
_HARDWARE: Final = re.compile(
    rf"^(?:Hardware|Model)\s*:.*?\b{_NAME}\b", re.MULTILINE | re.IGNORECASE
)
_PART: Final = re.compile(r"^CPU part\s*:\s*(0x[0-9a-f]{3})", re.MULTILINE)

RKNPU, ROCKET = "RKNPU", "rocket"
"""The NPU's drivers, as the kernel calls them: Rockchip's, and mainline's."""

NPU_AT: Final = {
    "fdab0000.npu": "rk3588",
    "27700000.npu": "rk3576",
    "ff300000.npu": "rk3562",
    "22000000.npu": "rv1126b",
    "fde40000.npu": "rk3568",
}
"""
Where the NPU is, as its clock is called. **Source:** the device trees of Rockchip's 5.10 and 6.1
kernels (rk3588s.dtsi, rk3576.dtsi, rk3562.dtsi, rv1126b.dtsi, rk3568.dtsi).
"""

_A53, _A55, _A72, _A76 = "0xd03", "0xd05", "0xd08", "0xd0b"
CORES_OF: Final = {
    frozenset({_A55, _A76}): "rk3588",
    frozenset({_A53, _A72}): "rk3576",
    frozenset({_A55}): "rk3568",
    frozenset({_A53}): "rk3562",
}
"""
Kinds of cores of boards with Rockchip's NPU driver; others have the like, but not the driver. How
many there are tells nothing: some are switched off, and chips are sold with fewer.
**Source:** MIDR_EL1 part numbers of Arm's manuals, as /proc/cpuinfo has them.
"""


def soc_of(root: Path) -> tuple[str, str]:
    """
    Return (SoC, where that is known from), `rk3588` and `device tree`; ("", "") where nothing says.

    1. the device tree; 2. devices of the SoC by their drivers' names; 3. where the NPU's clock
    is; 4. `/proc/cpuinfo` by name; 5. its cores, where Rockchip's NPU driver is there.
    """
    found = map(_COMPATIBLE.fullmatch, device_tree(root, "compatible").split("\0"))
    named = next((match.group(1).lower() for match in found if match), "")
    if named:
        return named, "device tree"
    uevents = _uevents(root)
    for text in uevents:
        if device := _OF_DEVICE.search(text):
            return device.group(1), "drivers"
    for path in tree.glob(root, "sys/class/devfreq/*.npu"):
        if path.name in NPU_AT:
            return NPU_AT[path.name], "the NPU's clock"
    return _by_cpu(root, driven=any(f"DRIVER={RKNPU}" in text for text in uevents))


def driven_by(root: Path, driver: str) -> bool:
    """Tell whether the kernel has a platform driver of that name, loaded or built in."""
    return bool(tree.glob(root, f"sys/bus/platform/drivers/{driver}"))


def device_tree(root: Path, name: str) -> str:
    """Return a property of the device tree's root, or ""."""
    # /proc/device-tree is a link that leaves a replaced root, so its target is tried as well
    for folder in ("proc/device-tree", "sys/firmware/devicetree/base"):
        if data := tree.read_bytes(root, f"{folder}/{name}"):
            return data.decode(errors="replace").rstrip("\0")
    return ""


def _uevents(root: Path) -> list[str]:
    """What devices say of themselves that only this SoC has: the NPU's first."""
    places = [f"sys/bus/platform/drivers/{driver}/*" for driver in (RKNPU, ROCKET)]
    places += [f"sys/class/{subsystem}/*/device" for subsystem in ("drm", "devfreq", "misc")]
    texts = [
        tree.read_text(root, str(path.relative_to(root)))
        for place in places
        for path in tree.glob(root, f"{place}/uevent")
    ]
    return sorted(texts, key=lambda text: f"DRIVER={RKNPU}" not in text)


def _by_cpu(root: Path, *, driven: bool) -> tuple[str, str]:
    text = tree.read_text(root, "proc/cpuinfo")
    if named := _HARDWARE.search(text):
        return named.group(1).lower(), "/proc/cpuinfo"
    cores = frozenset(_PART.findall(text))
    if driven and cores in CORES_OF:
        return CORES_OF[cores], "its cores and the NPU's driver"
    return "", ""
