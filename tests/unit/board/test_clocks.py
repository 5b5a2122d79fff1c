"""Clocks out of devfreq and cpufreq."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from rkd.board.clocks import MOST_CLOCKS, MOST_GOVERNORS, read_clocks
from rkd.board.facts import Clock, ClockKind
from rkd.board.telemetry import read_telemetry

TREES = Path(__file__).resolve().parents[2] / "data" / "board"
NPU = "sys/class/devfreq/fdab0000.npu"
DDR = "sys/class/devfreq/dmc"
POLICY = "sys/devices/system/cpu/cpufreq/policy4"


def a_board(folder: Path) -> Path:
    """A copy of the ROCK 5B that a test may change."""
    shutil.copytree(TREES / "rock-5b", folder / "board")
    return folder / "board"


def put(root: Path, path: str, text: str) -> None:
    """Write *text* to *path* below *root*."""
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(f"{text}\n")


def named(root: Path, name: str) -> Clock:
    """Return the clock called *name*."""
    return next(one for one in read_clocks(root) if one.name == name)


def test_an_rk3588_has_five() -> None:
    """NPU and memory in Hz as they stand, three clusters out of kHz; each with its range."""
    told = [
        (one.name, one.kind, one.frequency_hz, one.limit_hz, one.highest_hz, one.governor)
        for one in read_clocks(TREES / "rock-5b")
    ]

    npu, cpu, ddr = ClockKind.NPU, ClockKind.CPU, ClockKind.DDR
    assert told == [
        ("npu", npu, 10**9, 10**9, 10**9, "rknpu_ondemand"),
        ("cpu0-3", cpu, 1_800_000_000, 1_800_000_000, 1_800_000_000, "schedutil"),
        ("cpu4-5", cpu, 2_352_000_000, 2_352_000_000, 2_352_000_000, "ondemand"),
        ("cpu6-7", cpu, 2_304_000_000, 2_304_000_000, 2_304_000_000, "ondemand"),
        ("ddr", ddr, 2_112_000_000, 2_112_000_000, 2_112_000_000, "dmc_ondemand"),
    ]


def test_governors_and_places_are_told() -> None:
    """What a clock may be given to, and below which folder."""
    clock = named(TREES / "rock-5b", "ddr")

    assert (clock.folder, clock.lowest_hz) == (DDR, 528_000_000)
    assert {"performance", "dmc_ondemand", "userspace"} <= set(clock.governors)


@pytest.mark.parametrize(
    ("tree", "names"),
    [
        ("container", ["npu", "cpu0-3", "cpu4-5", "cpu6-7", "ddr"]),
        ("mainline", ["cpu0-3", "cpu4-5", "cpu6-7"]),
        ("orange-pi-3b", ["npu", "cpu0-3", "ddr"]),
        ("orange-pi-5", ["cpu0-3", "cpu4-5", "cpu6-7"]),
        ("rk3562-evb", ["npu", "cpu0-3"]),
        ("rock-3a", ["npu", "cpu0-3", "ddr"]),
        ("rock-4d", ["npu", "cpu0-3", "cpu4-7", "ddr"]),
        ("rv1126b-evb", ["npu", "cpu0-3"]),
    ],
)
def test_every_board_has_its_own(tree: str, names: list[str]) -> None:
    """What a kernel does not have is not there, and nothing is made up."""
    assert [one.name for one in read_clocks(TREES / tree)] == names


def test_no_clocks_at_all(tmp_path: Path) -> None:
    """As in a virtual machine."""
    assert read_clocks(tmp_path) == ()


def test_half_a_clock_is_half_a_clock(tmp_path: Path) -> None:
    """A governor without a frequency, a frequency without a range; empty folders are none."""
    put(tmp_path, f"{NPU}/governor", "performance")
    put(tmp_path, f"{POLICY}/scaling_cur_freq", "408000")
    (tmp_path / DDR).mkdir(parents=True)

    npu, cpu = read_clocks(tmp_path)
    assert (npu.frequency_hz, npu.limit_hz, npu.highest_hz) == (None, None, None)
    assert (npu.governor, npu.governors) == ("performance", ())
    assert (cpu.name, cpu.frequency_hz, cpu.governor) == ("cpu4", 408_000_000, "")


@pytest.mark.parametrize(
    "text", ["", "0", "-1", "<unknown>", "9" * 18, "9" * 5000, "²", "1e9", "1000000000 Hz"]
)
def test_an_odd_number_is_none(tmp_path: Path, text: str) -> None:
    """Zero is `no limit` on old kernels; nothing else is guessed at."""
    root = a_board(tmp_path)
    put(root, f"{DDR}/cur_freq", text)
    put(root, f"{DDR}/max_freq", text)
    clock = named(root, "ddr")

    assert (clock.frequency_hz, clock.limit_hz) == (None, None)
    assert clock.highest_hz == 2_112_000_000


def test_odd_governors_are_cut(tmp_path: Path) -> None:
    """Long, many, no UTF-8, of several lines: bounded and sendable."""
    root = a_board(tmp_path)
    (root / f"{NPU}/governor").write_bytes(b"\xff" + b"g" * 5000 + b"\nsecond line\n")
    put(root, f"{NPU}/available_governors", " ".join(f"{'n' * 99}{at}" for at in range(1000)))
    clock = named(root, "npu")

    assert len(clock.governor) == 64
    assert len(clock.governors) == MOST_GOVERNORS
    assert max(map(len, clock.governors)) <= 64
    clock.governor.encode()


def test_files_that_are_none_cost_that_fact(tmp_path: Path) -> None:
    """A FIFO for a governor does not hold the daemon, a folder for a frequency ends nothing."""
    root = a_board(tmp_path)
    (root / f"{NPU}/governor").unlink()
    os.mkfifo(root / f"{NPU}/governor")
    (root / f"{DDR}/cur_freq").unlink()
    (root / f"{DDR}/cur_freq").mkdir()

    assert named(root, "npu").governor == ""
    assert named(root, "ddr").frequency_hz is None
    assert len(read_clocks(root)) == 5


def test_there_are_never_more_than_the_bound(tmp_path: Path) -> None:
    """However many policies somebody made."""
    for at in range(300):
        put(tmp_path, f"sys/devices/system/cpu/cpufreq/policy{at}/scaling_cur_freq", "408000")

    assert len(read_clocks(tmp_path)) == MOST_CLOCKS


def test_clusters_are_in_the_order_of_their_cores(tmp_path: Path) -> None:
    """Policy 10 comes after policy 2."""
    for at in (10, 2, 0):
        put(tmp_path, f"sys/devices/system/cpu/cpufreq/policy{at}/scaling_cur_freq", "408000")

    assert [one.name for one in read_clocks(tmp_path)] == ["cpu0", "cpu2", "cpu10"]


@pytest.mark.parametrize(
    ("cooler", "hot"),
    [
        ("thermal-devfreq-0", True),
        ("devfreq-fdab0000.npu", True),
        ("devfreq-fb000000.gpu", False),
        ("thermal-cpufreq-0", False),
        ("pwm-fan", False),
    ],
)
def test_a_limit_is_the_heats_where_its_cooler_works(
    tmp_path: Path, cooler: str, *, hot: bool
) -> None:
    """By the device's name on new kernels, by the framework's on old ones; a fan limits nothing."""
    root = a_board(tmp_path)
    put(root, f"{NPU}/max_freq", "700000000")
    put(root, "sys/class/thermal/cooling_device9/type", cooler)
    put(root, "sys/class/thermal/cooling_device9/cur_state", "3")

    assert named(root, "npu").cooled == hot


def test_a_cooler_at_rest_and_a_full_limit_are_no_heat(tmp_path: Path) -> None:
    """The limit is lowered by hand, or the cooler works at a clock that is not lowered."""
    root = a_board(tmp_path)
    put(root, f"{POLICY}/scaling_max_freq", "1800000")
    put(root, "sys/class/thermal/cooling_device3/cur_state", "2")

    assert not named(root, "cpu4-5").cooled
    assert not named(root, "npu").cooled


def test_the_governor_that_holds_low_is_the_cpus(tmp_path: Path) -> None:
    """Whichever cluster it is on."""
    root = a_board(tmp_path)
    put(root, f"{POLICY}/scaling_governor", "powersave")

    assert read_telemetry(root).cpu_governor == "powersave"


def test_odd_telemetry_ends_nothing(tmp_path: Path) -> None:
    """Loads and averages that are no numbers are none."""
    root = a_board(tmp_path)
    put(root, "proc/loadavg", "² 1 1")
    put(root, "sys/kernel/debug/rknpu/load", f"Core0: {'9' * 5000}%")
    put(root, f"{NPU}/load", "²@1000000000Hz")
    now = read_telemetry(root)

    assert (now.load_average, now.npu_load_percent) == (0.0, ())
