"""Facts of boards, read from trees."""

from __future__ import annotations

from pathlib import Path

import pytest

from rkd.board import read
from rkd.board.facts import Board

TREES = Path(__file__).resolve().parents[2] / "data" / "board"


def board(name: str, *, denied: tuple[str, ...] = ()) -> Board:
    """Read the tree *name*; device files whose name is in *denied* may not be used."""
    return read.read_board(
        TREES / name, (), architecture="aarch64", access=lambda path: path.name not in denied
    )


def test_a_vendor_kernel_with_drm() -> None:
    """Model, SoC, driver and the NPU's own DRM nodes are found, render node first."""
    found = board("rock-5b", denied=("card1",))

    assert (found.model, found.soc, found.platform) == ("Radxa ROCK 5B", "rk3588", "rk3588")
    assert found.kernel == "6.1.115-vendor-rk35xx"
    assert found.npu_driver == "0.9.8"
    assert [str(node.path) for node in found.npu_nodes] == ["/dev/dri/renderD129", "/dev/dri/card1"]
    assert [node.accessible for node in found.npu_nodes] == [True, False]
    assert [node.path.name for node in found.heap_nodes] == ["cma", "system"]
    assert found.memory_total_bytes == 16213580 * 1024


def test_an_old_kernel_with_the_misc_device() -> None:
    """The device tree's other place, /dev/rknpu and the driver's proc file are understood."""
    found = board("orange-pi-5")

    assert (found.model, found.soc) == ("Orange Pi 5", "rk3588")
    assert found.npu_driver == "0.8.2"
    assert [str(node.path) for node in found.npu_nodes] == ["/dev/rknpu"]


def test_a_mainline_kernel() -> None:
    """The rocket driver is recognised, and no node of Rockchip's driver claimed."""
    found = board("mainline")

    assert (found.npu_mainline, found.npu_nodes) == (True, ())


def test_nothing_there(tmp_path: Path) -> None:
    """An empty root gives unknowns; memory and cores are the running machine's."""
    found = read.read_board(tmp_path, ())

    assert (found.model, found.soc, found.npu_driver) == ("", "", "")
    assert found.npu_nodes == found.heap_nodes == ()
    assert found.memory_total_bytes > 0
    assert found.cpu.cores
    assert found.architecture


class TestSoc:
    """The SoC's name comes from a NUL-separated list."""

    @pytest.mark.parametrize(
        ("compatible", "soc"),
        [
            (b"xunlong,orangepi-5\0rockchip,rk3588s\0", "rk3588s"),
            (b"rockchip,rk3588s-orangepi-5\0rockchip,rk3588\0", "rk3588"),
            (b"radxa,e52c\0rockchip,rk3582\0rockchip,rk3588s\0", "rk3582"),
            (b"raspberrypi,5-model-b\0brcm,bcm2712\0", ""),
        ],
    )
    def test_the_first_rockchip_name_counts(
        self, tmp_path: Path, compatible: bytes, soc: str
    ) -> None:
        """A board's own name before it, or one that only begins like it, is no SoC."""
        (tmp_path / "proc/device-tree").mkdir(parents=True)
        (tmp_path / "proc/device-tree/compatible").write_bytes(compatible)

        assert read.read_board(tmp_path, ()).soc == soc


class TestCores:
    """Fast cores are told from slow ones, and only usable ones counted."""

    def test_by_capacity(self) -> None:
        """Clusters that differ by a percent are one kind."""
        cpu = board("rock-5b").cpu

        assert (cpu.cores, cpu.big_cores, cpu.big_mask) == (tuple(range(8)), (4, 5, 6, 7), 0xF0)
        assert "asimddp" in cpu.features

    def test_by_frequency_and_affinity(self) -> None:
        """Without capacities the highest clock decides; cores we may not use are left out."""
        cpu = board("orange-pi-5").cpu

        assert (cpu.cores, cpu.big_cores) == ((3, 4, 5, 6, 7), (4, 5, 6, 7))

    def test_by_the_soc(self) -> None:
        """Where the kernel tells nothing, the SoC's manual does."""
        assert board("mainline").cpu.big_mask == 0xF0

    def test_one_kind_only(self, tmp_path: Path) -> None:
        """With equal cores every core is big."""
        (tmp_path / "sys/devices/system/cpu").mkdir(parents=True)
        (tmp_path / "sys/devices/system/cpu/online").write_text("0-1,3\n")
        for core in (0, 1, 3):
            folder = tmp_path / f"sys/devices/system/cpu/cpu{core}"
            folder.mkdir()
            (folder / "cpu_capacity").write_text("1024\n")

        cpu = read.read_board(tmp_path, ()).cpu

        assert cpu.big_cores == cpu.cores


def test_may_use_asks_the_kernel(tmp_path: Path) -> None:
    """A file one owns may be used, one that is not there may not."""
    (tmp_path / "node").touch(0o600)

    assert read.may_use(tmp_path / "node")
    assert not read.may_use(tmp_path / "absent")
