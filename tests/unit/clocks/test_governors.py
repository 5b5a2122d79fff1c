"""Governors up, and back as they were."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.unit.clocks.board import (
    AS_THEY_WERE,
    DDR,
    NPU,
    POLICIES,
    RAISED,
    REFUSALS,
    Board,
    Kernel,
    Told,
    governors,
)

BIG = f"{POLICIES}/policy4"


@pytest.fixture
def board(tmp_path: Path) -> Board:
    """A ROCK 5B at rest."""
    return Board(tmp_path)


def test_up_and_back(board: Board) -> None:
    """Every clock, each to what it was."""
    one = governors(board)
    one.raise_all()
    assert board.governors() == RAISED

    assert one.restore()
    assert board.governors() == AS_THEY_WERE
    assert not board.saved.exists()


def test_what_was_is_saved_before_anything_is_touched(board: Board) -> None:
    """A kill between the two leaves the governor and its name."""
    seen: list[bool] = []

    def looks(_path: Path, _word: str) -> None:
        seen.append(board.saved.exists())

    governors(board, looks).raise_all()

    assert seen
    assert all(seen)


def test_a_crash_is_mended_by_the_next_start(board: Board) -> None:
    """Whoever it is that starts next."""
    governors(board).raise_all()

    assert governors(board).restore()
    assert board.governors() == AS_THEY_WERE


def test_raised_twice_what_was_first_is_kept(board: Board) -> None:
    """A crash, a start that raises at once, a stop: `performance` is nobody's choice."""
    governors(board).raise_all()
    two = governors(board)
    two.raise_all()

    assert two.restore()
    assert board.governors() == AS_THEY_WERE


def test_twice_is_once(board: Board) -> None:
    """Raising what is up writes nothing, and so does putting back what is back."""
    kernel = Kernel()
    one = governors(board, kernel)
    one.raise_all()
    count = len(kernel.written)
    one.raise_all()
    assert len(kernel.written) == count

    one.restore()
    count = len(kernel.written)
    assert one.restore()
    assert len(kernel.written) == count


def test_a_board_at_full_speed_by_choice_stays_there(board: Board) -> None:
    """It was `performance` before us, so it is after us."""
    board.put(f"{DDR}/governor", "performance")
    one = governors(board)
    one.raise_all()
    one.restore()

    assert board.governors() == AS_THEY_WERE | {f"{DDR}/governor": "performance"}


def test_what_somebody_chose_since_is_his(board: Board) -> None:
    """It is not put back over his choice, and not raised again."""
    one = governors(board)
    one.raise_all()
    board.put(f"{DDR}/governor", "powersave")
    one.raise_all()
    assert board.get(f"{DDR}/governor") == "powersave"

    assert one.restore()
    assert board.governors() == AS_THEY_WERE | {f"{DDR}/governor": "powersave"}


def test_a_kernel_without_performance(board: Board) -> None:
    """That clock stays as it is, said once; the others go up."""
    told = Told()
    board.put(f"{NPU}/available_governors", "rknpu_ondemand dmc_ondemand simple_ondemand")
    one = governors(board, told=told)
    one.raise_all()
    one.raise_all()

    assert board.governors() == RAISED | {f"{NPU}/governor": "rknpu_ondemand"}
    assert [text for text in told if "npu" in text] == [
        "npu: this kernel has no governor performance; it stays as it is"
    ]


@pytest.mark.parametrize("number", REFUSALS)
def test_a_kernel_that_refuses_the_way_up(board: Board, number: int) -> None:
    """By an error or in silence: said, forgotten, and the others go up."""
    kernel, told = Kernel(), Told()
    kernel.refuses = {DDR: number}
    one = governors(board, kernel, told)
    one.raise_all()

    assert board.governors() == RAISED | {f"{DDR}/governor": "dmc_ondemand"}
    assert any("ddr: performance is refused" in text for text in told)
    assert DDR not in board.saved.read_text()
    assert one.restore()
    assert board.governors() == AS_THEY_WERE


@pytest.mark.parametrize("number", REFUSALS)
def test_a_kernel_that_refuses_the_way_back(board: Board, number: int) -> None:
    """It is tried again until it is back: at the next stop, and at the next start."""
    kernel, told = Kernel(), Told()
    one = governors(board, kernel, told)
    one.raise_all()
    kernel.refuses = {DDR: number}

    assert not one.restore()
    assert board.governors() == AS_THEY_WERE | {f"{DDR}/governor": "performance"}
    assert "ddr: dmc_ondemand cannot be put back; it is at full speed" in told
    assert governors(board).restore()
    assert board.governors() == AS_THEY_WERE


def test_a_governor_that_is_gone_is_replaced_by_one_that_rests(board: Board) -> None:
    """Its module was unloaded: never is a board left at full speed for it."""
    one = governors(board)
    one.raise_all()
    board.put(f"{BIG}/scaling_available_governors", "performance powersave schedutil")

    assert one.restore()
    assert board.get(f"{BIG}/scaling_governor") == "schedutil"


def test_what_cannot_be_saved_is_not_raised(board: Board) -> None:
    """A full or read-only /run."""
    told = Told()
    board.saved.parent.rmdir()
    governors(board, told=told).raise_all()

    assert board.governors() == AS_THEY_WERE
    assert any("cannot be saved" in text for text in told)


def test_a_clock_that_is_gone_is_forgotten(board: Board) -> None:
    """Its driver was unloaded; when it is back it begins anew."""
    one = governors(board)
    one.raise_all()
    (board.root / NPU).rename(board.root / "npu")

    assert one.restore()
    assert not board.saved.exists()


def test_a_clock_that_tells_nothing_for_a_while_is_kept(board: Board) -> None:
    """Files that cannot be read now may be later."""
    one = governors(board)
    one.raise_all()
    (board.root / NPU).rename(board.root / "npu")
    (board.root / NPU).mkdir()
    assert not one.restore()

    (board.root / NPU).rmdir()
    (board.root / "npu").rename(board.root / NPU)
    assert one.restore()
    assert board.governors() == AS_THEY_WERE


def test_a_clock_that_comes_later_is_raised_with_the_next_look(board: Board) -> None:
    """The NPU's driver is often a module."""
    (board.root / NPU).rename(board.root / "npu")
    one = governors(board)
    one.raise_all()
    (board.root / "npu").rename(board.root / NPU)
    one.raise_all()

    assert board.governors() == RAISED
    assert one.restore()
    assert board.governors() == AS_THEY_WERE


def test_a_fixed_clock_is_fixed_again(board: Board) -> None:
    """`userspace` would begin at full speed: what it was fixed at is written after it."""
    kernel = Kernel()
    board.put(f"{BIG}/scaling_governor", "userspace")
    board.put(f"{BIG}/scaling_cur_freq", "1008000")
    board.put(f"{BIG}/scaling_setspeed", "1008000")
    board.put(f"{DDR}/governor", "userspace")
    board.put(f"{DDR}/cur_freq", "528000000")
    board.put(f"{DDR}/userspace/set_freq", "528000000")
    one = governors(board, kernel)
    one.raise_all()
    assert board.governors() == RAISED
    one.restore()

    assert board.get(f"{BIG}/scaling_governor") == "userspace"
    assert board.get(f"{DDR}/governor") == "userspace"
    assert {("scaling_setspeed", "1008000"), ("set_freq", "528000000")} <= set(kernel.written)


def test_a_clock_fixed_at_its_top_has_nothing_to_gain(board: Board) -> None:
    """As the vendor's own script leaves it."""
    board.put(f"{DDR}/governor", "userspace")
    one = governors(board)
    one.raise_all()

    assert board.get(f"{DDR}/governor") == "userspace"


def test_a_file_of_ours_that_names_other_files_writes_none(board: Board, tmp_path: Path) -> None:
    """Only governors of clocks are ever written, whatever is saved."""
    victim = tmp_path / "victim/governor"
    victim.parent.mkdir()
    victim.write_text("mine\n")
    board.saved.write_text(f"../victim ondemand\n{victim.parent} ondemand\n")
    governors(board).restore()

    assert victim.read_text() == "mine\n"


def test_no_clocks_are_no_error(tmp_path: Path) -> None:
    """A machine without any."""
    board = Board(tmp_path)
    (board.root / "sys").rename(board.root / "gone")
    one = governors(board)
    one.raise_all()

    assert one.restore()


def test_a_governor_that_is_no_file_costs_itself(board: Board) -> None:
    """A FIFO is neither waited for nor written."""
    (board.root / DDR / "governor").unlink()
    os.mkfifo(board.root / DDR / "governor")
    one = governors(board)
    one.raise_all()

    assert board.get(f"{NPU}/governor") == "performance"
    assert one.restore()
    assert board.get(f"{NPU}/governor") == "rknpu_ondemand"
