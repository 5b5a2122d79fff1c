"""Boards people own, by what their kernels say of them: which chip, which NPU, what to do."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from rkctl.chips import platform_of

from rkd.board.facts import Board, RuntimeLibrary
from rkd.board.npu import SUPPORTED_SOCS, VISION_ONLY, npu_obstacle
from rkd.board.read import read_board
from rkd.board.soc import soc_of
from rkd.errors import Reason

LIBRARY = RuntimeLibrary(Path("/usr/lib/librkllmrt.so"), "1.3.0")

COMPATIBLE = {
    "xunlong,orangepi-5 rockchip,rk3588s": "rk3588",
    "rockchip,rk3588s-orangepi-5 rockchip,rk3588": "rk3588",
    "xunlong,orangepi-5-plus rockchip,rk3588": "rk3588",
    "rockchip,rk3588-orangepi-5-max rockchip,rk3588": "rk3588",
    "xunlong,orangepi-5-pro rockchip,rk3588s": "rk3588",
    "radxa,rock-5a rockchip,rk3588s": "rk3588",
    "radxa,rock-5b rockchip,rk3588": "rk3588",
    "radxa,rock-5b-plus rockchip,rk3588": "rk3588",
    "radxa,rock-5c rockchip,rk3588s": "rk3588",
    "radxa,rock-5c rockchip,rk3588s2": "rk3588",
    "radxa,rock-5t rockchip,rk3588": "rk3588",
    "radxa,rock-5-itx rockchip,rk3588": "rk3588",
    "radxa,cm5-io radxa,cm5 rockchip,rk3588s": "rk3588",
    "radxa,e52c rockchip,rk3582 rockchip,rk3588s": "rk3588",
    "friendlyarm,nanopc-t6 rockchip,rk3588": "rk3588",
    "friendlyelec,nanopi-r6s rockchip,rk3588": "rk3588",
    "friendlyarm,nanopi-m6 rockchip,rk3588s": "rk3588",
    "friendlyarm,cm3588-nas friendlyarm,cm3588 rockchip,rk3588": "rk3588",
    "khadas,edge2 rockchip,rk3588s": "rk3588",
    "turing,rk1 rockchip,rk3588": "rk3588",
    "bananapi,m7 rockchip,rk3588": "rk3588",
    "mixtile,blade3 rockchip,rk3588": "rk3588",
    "armsom,sige7 rockchip,rk3588": "rk3588",
    "firefly,itx-3588j firefly,core-3588j rockchip,rk3588": "rk3588",
    "maker,car rockchip,rk3588m": "rk3588",
    "maker,board rockchip,rk3583": "rk3588",
    "armsom,sige5 rockchip,rk3576": "rk3576",
    "radxa,rock-4d rockchip,rk3576": "rk3576",
    "maker,board rockchip,rk3576j": "rk3576",
    "rockchip,rk3562-evb1-lp4x-v10 rockchip,rk3562": "rk3562",
    "rockchip,rv1126b-evb1-v10 rockchip,rv1126b": "rv1126b",
    "radxa,zero-3w rockchip,rk3566": "rk3566",
    "radxa,rock-3a rockchip,rk3568": "rk3568",
    "maker,board rockchip,rk3568b2": "rk3568",
    "maker,board rockchip,rk3566t": "rk3566",
    "luckfox,pico-mini rockchip,rv1103": "rv1103",
    "pine64,rockpro64-v2.1 pine64,rockpro64 rockchip,rk3399": "rk3399",
    "rockchip,rk3399pro-evb rockchip,rk3399pro": "rk3399pro",
    "rockchip,rk1808-evb rockchip,rk1808": "rk1808",
    "raspberrypi,5-model-b brcm,bcm2712": "",
    "linux,dummy-virt": "",
    "": "",
}


def write(root: Path, path: str, text: str) -> Path:
    """Write one file below *root*."""
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return root


def read(root: Path) -> Board:
    """Read the board at *root*, which has Rockchip's library."""
    return read_board(root, (LIBRARY,), architecture="aarch64", access=lambda _: True)


@pytest.mark.parametrize(("compatible", "platform"), COMPATIBLE.items())
def test_the_chip_of_a_board(tmp_path: Path, compatible: str, platform: str) -> None:
    """By its device tree: grades and packages of a chip are that chip."""
    root = write(
        tmp_path,
        "proc/device-tree/compatible",
        "".join(f"{one}\0" for one in compatible.split()),
    )
    root = write(root, "dev/rknpu", "")
    found = read(root)

    assert found.platform == platform
    obstacle = npu_obstacle(found)
    if platform in SUPPORTED_SOCS:
        assert obstacle is None
        return
    assert obstacle is not None
    assert ("vision" in obstacle.message) is (platform in VISION_ONLY)
    assert (obstacle.reason is Reason.NPU_UNAVAILABLE) is (platform == "")


@pytest.mark.parametrize(
    "soc",
    ["rk3588", "rk3588s", "rk3588s2", "rk3588j", "rk3582", "rk3399pro", "rv1126b", "rk3568b2"],
)
def test_the_client_knows_chips_as_the_daemon_does(soc: str) -> None:
    """Both tables are one."""
    assert platform_of(soc) == replace(read_board(Path("/nowhere"), ()), soc=soc).platform


MAINLINE = {
    "sys/class/accel/accel0/device/uevent": "MODALIAS=platform:rknn\n",
    "sys/bus/platform/drivers/rocket/fdab0000.npu/uevent": (
        "DRIVER=rocket\nOF_NAME=npu\nOF_COMPATIBLE_0=rockchip,rk3588-rknn-core\n"
    ),
}


def test_the_mainline_driver_is_told(tmp_path: Path) -> None:
    """Its accel device hangs on one without a driver: the driver's own folder tells."""
    for path, text in MAINLINE.items():
        write(tmp_path, path, text)
    found = read(tmp_path)

    assert (found.soc, found.soc_source, found.npu_mainline) == ("rk3588", "drivers", True)
    obstacle = npu_obstacle(found)
    assert obstacle is not None
    assert "rocket" in obstacle.message


def test_both_drivers_at_once(tmp_path: Path) -> None:
    """A vendor kernel that has mainline's driver too runs Rockchip's library all the same."""
    for path, text in MAINLINE.items():
        write(tmp_path, path, text)
    write(tmp_path, "dev/rknpu", "")

    assert npu_obstacle(read(tmp_path)) is None


def cpuinfo(*parts: str) -> str:
    """What an Arm kernel says of cores of these kinds."""
    return "".join(f"processor\t: {at}\nCPU part\t: {part}\n\n" for at, part in enumerate(parts))


@pytest.mark.parametrize(
    ("parts", "soc"),
    [
        (["0xd05"] * 4 + ["0xd0b"] * 4, "rk3588"),
        (["0xd05"] * 4 + ["0xd0b"] * 2, "rk3588"),
        (["0xd0b"] * 4 + ["0xd05"], "rk3588"),
        (["0xd03"] * 4 + ["0xd08"] * 3, "rk3576"),
        (["0xd05"] * 4, "rk3568"),
        (["0xd03"] * 4, "rk3562"),
        (["0xd0b"] * 4, ""),
        (["0xd03"] * 2 + ["0xd09"] * 2, ""),
        ([], ""),
    ],
)
def test_kinds_of_cores_however_many_are_on(tmp_path: Path, parts: list[str], soc: str) -> None:
    """Cores that are off are not in /proc/cpuinfo; the NPU's driver has to be there."""
    write(tmp_path, "proc/cpuinfo", cpuinfo(*parts))
    assert soc_of(tmp_path) == ("", "")

    write(tmp_path, "sys/bus/platform/drivers/RKNPU/somewhere/uevent", "DRIVER=RKNPU\n")

    assert soc_of(tmp_path)[0] == soc


@pytest.mark.parametrize(
    ("line", "soc"),
    [
        ("Hardware\t: Rockchip RK3588J", "rk3588j"),
        ("Hardware\t: rockchip,rk3588s-orangepi-5", "rk3588s"),
        ("Model\t\t: Rockchip RK3566 T-Box", "rk3566"),
        ("model\t\t: 158", ""),
        ("model name\t: AMD Ryzen 9 RK3588", ""),
        ("Model\t\t: Raspberry Pi 4 Model B Rev 1.4", ""),
        ("Hardware\t: Rockchip (Device Tree)", ""),
        ("Hardware\t: RK35889", ""),
    ],
)
def test_processors_that_name_themselves(tmp_path: Path, line: str, soc: str) -> None:
    """Grades are read whole; what merely looks like a chip is none."""
    write(tmp_path, "proc/cpuinfo", f"processor\t: 0\n{line}\n")

    assert soc_of(tmp_path)[0] == soc


def test_a_driver_without_a_device_is_told_from_no_driver(tmp_path: Path) -> None:
    """The one is an overlay or a container, the other a kernel."""
    write(tmp_path, "proc/device-tree/compatible", "radxa,rock-5b\0rockchip,rk3588\0")
    without = npu_obstacle(read(tmp_path))
    write(tmp_path, "sys/module/rknpu/version", "0.9.8\n")
    with_driver = npu_obstacle(read(tmp_path))

    assert without is not None
    assert with_driver is not None
    assert "kernel" in without.remedy
    assert "--device /dev/dri" in with_driver.remedy
