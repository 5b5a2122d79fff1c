"""Which SoC a board has, told by the device tree or by what a container leaves to see."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from rkd.board.facts import RuntimeLibrary
from rkd.board.npu import QUANTIZATIONS, npu_obstacle
from rkd.board.read import read_board
from rkd.board.soc import NPU_AT, soc_of
from rkd.errors import Reason

TREES = Path(__file__).resolve().parents[2] / "data" / "board"
LIBRARY = RuntimeLibrary(Path("/usr/lib/librkllmrt.so"), "1.3.0")
DOCS = Path(__file__).resolve().parents[3] / "docs" / "npu.md"

BOARDS = {
    "rock-5b": "rk3588",
    "orange-pi-5": "rk3588",
    "rock-4d": "rk3576",
    "rk3562-evb": "rk3562",
    "rv1126b-evb": "rv1126b",
    "rock-3a": "rk3568",
    "orange-pi-3b": "rk3566",
}


@pytest.mark.parametrize(("name", "soc"), BOARDS.items())
def test_by_the_device_tree(name: str, soc: str) -> None:
    """Each board by its own name."""
    assert soc_of(TREES / name) == (soc, "device tree")


@pytest.fixture
def masked(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """The tree of a board without its device tree."""
    root = tmp_path / "root"
    shutil.copytree(TREES / str(request.param), root)
    shutil.rmtree(root / "proc/device-tree", ignore_errors=True)
    shutil.rmtree(root / "sys/firmware", ignore_errors=True)
    return root


@pytest.mark.parametrize(
    ("masked", "soc", "source"),
    [
        ("container", "rk3588", "drivers"),
        ("rock-4d", "rk3576", "drivers"),
        ("rk3562-evb", "rk3562", "drivers"),
        ("rock-3a", "rk3568", "drivers"),
        ("rv1126b-evb", "rv1126b", "the NPU's clock"),
        ("orange-pi-3b", "rk3568", "the NPU's clock"),
    ],
    indirect=["masked"],
)
def test_without_the_device_tree(masked: Path, soc: str, source: str) -> None:
    """By the names of drivers, then by where the NPU's clock is."""
    assert soc_of(masked) == (soc, source)
    assert read_board(masked, (), access=lambda _: True).soc == soc


@pytest.mark.parametrize(
    ("masked", "soc"),
    [
        ("container", "rk3588"),
        ("rock-4d", "rk3576"),
        ("rk3562-evb", "rk3562"),
        ("rock-3a", "rk3568"),
    ],
    indirect=["masked"],
)
def test_by_the_cores_where_the_driver_is(masked: Path, soc: str) -> None:
    """A driver that does not say what it drives, and no clock: the kinds of cores tell."""
    shutil.rmtree(masked / "sys/class/devfreq")
    for file in masked.glob("sys/class/drm/*/device/uevent"):
        kept = [line for line in file.read_text().splitlines() if "COMPATIBLE" not in line]
        file.write_text("\n".join(kept))
    assert soc_of(masked) == (soc, "its cores and the NPU's driver")

    shutil.rmtree(masked / "sys/class/drm")
    assert soc_of(masked) == ("", "")


@pytest.mark.parametrize(
    ("clock", "soc"),
    [
        ("fdab0000.npu", "rk3588"),
        ("27700000.npu", "rk3576"),
        ("ff300000.npu", "rk3562"),
        ("22000000.npu", "rv1126b"),
        ("fde40000.npu", "rk3568"),
        ("12340000.npu", ""),
    ],
)
def test_by_where_the_npus_clock_is(tmp_path: Path, clock: str, soc: str) -> None:
    """Each chip has it at an address of its own."""
    (tmp_path / "sys/class/devfreq" / clock).mkdir(parents=True)

    assert soc_of(tmp_path)[0] == soc


@pytest.mark.parametrize(
    ("line", "soc"),
    [
        ("Hardware\t: Rockchip RK3588S OPi 5", "rk3588s"),
        ("Model\t\t: Rockchip RV1126B EVB", "rv1126b"),
        ("Hardware\t: BCM2835", ""),
        ("model name\t: rk3588 in a name", ""),
        ("Hardware\t: MARK3588", ""),
    ],
)
def test_by_cpuinfo(tmp_path: Path, line: str, soc: str) -> None:
    """Vendors' kernels write it there."""
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/cpuinfo").write_text(f"processor\t: 0\n\n{line}\n", encoding="utf-8")

    assert soc_of(tmp_path)[0] == soc


def test_nothing_and_nonsense(tmp_path: Path) -> None:
    """Files that are folders, or no text, say nothing."""
    assert soc_of(tmp_path) == ("", "")
    (tmp_path / "proc/cpuinfo").mkdir(parents=True)
    drm = tmp_path / "sys/class/drm/card0/device"
    drm.mkdir(parents=True)
    (drm / "uevent").write_bytes(b"\xff\x00OF_COMPATIBLE_0=rockchip,rk3588-rknpux")
    assert soc_of(tmp_path) == ("", "")


@pytest.mark.parametrize("name", ["rock-5b", "rock-4d", "rk3562-evb", "rv1126b-evb", "container"])
def test_the_vendors_runtime_runs_on_it(name: str) -> None:
    """With a node, a driver, a library."""
    assert npu_obstacle(read_board(TREES / name, (LIBRARY,), access=lambda _: True)) is None


@pytest.mark.parametrize("name", ["rock-3a", "orange-pi-3b"])
def test_it_does_not_on_these(name: str) -> None:
    """Whatever is installed: they go to the CPU, and it is said why."""
    found = npu_obstacle(read_board(TREES / name, (LIBRARY,), access=lambda _: True))

    assert found is not None
    assert found.reason is Reason.PLATFORM_MISMATCH
    assert "vision" in found.message
    assert "GGUF" in found.remedy


@pytest.mark.parametrize(
    ("name", "big"),
    [("rock-4d", (4, 5, 6, 7)), ("rk3562-evb", (0, 1, 2, 3)), ("rock-3a", (0, 1, 2, 3))],
)
def test_their_fast_cores(name: str, big: tuple[int, ...]) -> None:
    """Of one kind all are; never fewer than the runtime wants."""
    cpu = read_board(TREES / name, (), access=lambda _: True).cpu
    assert cpu.big_cores == tuple(core for core in big if core in cpu.cores)


def test_the_page_names_every_chip() -> None:
    """docs/npu.md has the table."""
    text = DOCS.read_text(encoding="utf-8")
    for soc in (*QUANTIZATIONS, *NPU_AT.values(), "rk3566"):
        assert soc.upper() in text
    for kinds in QUANTIZATIONS.values():
        assert kinds[0] in text
