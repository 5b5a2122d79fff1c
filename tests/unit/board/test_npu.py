"""What keeps an NPU from being used."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from rkd.board.facts import Board, RuntimeLibrary
from rkd.board.npu import npu_obstacle, version_numbers
from rkd.board.read import read_board
from rkd.errors import PreconditionError, Reason

TREES = Path(__file__).resolve().parents[2] / "data" / "board"
BROKEN = PreconditionError(Reason.RUNTIME_MISMATCH, "/usr/lib is broken", remedy="Mend it.")
LIBRARY = RuntimeLibrary(Path("/usr/lib/librkllmrt.so"), "1.2.3")


def board(name: str) -> Board:
    """Read a tree on which every device may be used and the library is there."""
    return read_board(TREES / name, (LIBRARY,), architecture="aarch64", access=lambda _: True)


def test_a_good_board_has_no_obstacle() -> None:
    """Node, driver, permission and library are there."""
    assert npu_obstacle(board("rock-5b")) is None


def test_an_unknown_driver_version_is_no_obstacle() -> None:
    """Many kernels tell the version to root alone."""
    assert npu_obstacle(replace(board("rock-5b"), npu_driver="")) is None


@pytest.mark.parametrize("version", ["0.9.0", "0.9.2", "0.9.6", "0.9.8", "0.10.0", "1.0.0"])
def test_a_driver_the_runtime_only_warns_of_is_no_obstacle(version: str) -> None:
    """Vendors' kernels with 0.9.2 to 0.9.6 are common, and models answer on them."""
    assert npu_obstacle(replace(board("rock-5b"), npu_driver=version)) is None


good = board("rock-5b")
closed = tuple(replace(node, accessible=False) for node in good.npu_nodes)


@pytest.mark.parametrize(
    ("found", "reason", "words"),
    [
        (replace(good, soc=""), Reason.NPU_UNAVAILABLE, "device tree"),
        (replace(good, soc="rk3399"), Reason.PLATFORM_MISMATCH, "rk3399"),
        (board("mainline"), Reason.NPU_UNAVAILABLE, "rocket"),
        (replace(good, npu_nodes=()), Reason.NPU_UNAVAILABLE, "/dev/rknpu"),
        (board("orange-pi-5"), Reason.NPU_UNAVAILABLE, "0.8.2"),
        (replace(good, npu_nodes=closed), Reason.NPU_UNAVAILABLE, "renderD129"),
        (replace(good, runtimes=()), Reason.NPU_UNAVAILABLE, "not found"),
        (
            replace(good, runtimes=(RuntimeLibrary(LIBRARY.path, "", BROKEN),)),
            Reason.RUNTIME_MISMATCH,
            "/usr/lib",
        ),
    ],
)
def test_each_obstacle_is_named_with_its_remedy(found: Board, reason: Reason, words: str) -> None:
    """The error says what is wrong, to what, and what to do."""
    obstacle = npu_obstacle(found)

    assert obstacle is not None
    assert obstacle.reason is reason
    assert words in obstacle.message
    assert obstacle.remedy


def test_one_good_library_is_enough() -> None:
    """A broken one beside it does not matter."""
    two = (RuntimeLibrary(LIBRARY.path, "", BROKEN), LIBRARY)

    assert npu_obstacle(replace(good, runtimes=two)) is None


def test_versions_compare_as_numbers() -> None:
    """0.9.10 is newer than 0.9.8; what is no version is empty."""
    assert version_numbers("0.9.10") > version_numbers("0.9.8")
    assert version_numbers("") == version_numbers("unknown") == ()
