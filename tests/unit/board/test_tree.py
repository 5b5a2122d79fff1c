"""Small kernel files, whatever somebody put in their place."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rkd.board import tree


@pytest.mark.parametrize("kind", ["folder", "fifo", "missing", "dangling link", "itself"])
def test_what_is_no_file_is_empty(tmp_path: Path, kind: str) -> None:
    """A folder, a FIFO nobody writes to, a link to nothing: nothing, at once."""
    place = tmp_path / "cur_freq"
    match kind:
        case "folder":
            place.mkdir()
        case "fifo":
            os.mkfifo(place)
        case "dangling link":
            place.symlink_to("nothing")
        case "itself":
            place.symlink_to(place)

    assert tree.read_bytes(tmp_path, "cur_freq") == b""
    assert tree.read_int(tmp_path, "cur_freq") is None


def test_no_more_is_read_than_the_bound(tmp_path: Path) -> None:
    """A file that never ends is cut."""
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(3 * tree.MOST_BYTES)

    assert len(tree.read_bytes(tmp_path, "huge")) == tree.MOST_BYTES


@pytest.mark.parametrize("text", ["", "²", "1" * 5000, "9" * 19, "1.5", "0x10", "<unknown>", "\0"])
def test_what_is_no_number_of_a_usual_size_is_none(text: str) -> None:
    """Superscripts are digits to Python, and long numbers an error."""
    assert tree.number(text) is None


def test_numbers_are_read() -> None:
    """Negative ones too: temperatures."""
    assert [tree.number(text) for text in ("0", "-12", "9" * 18)] == [0, -12, int("9" * 18)]


def test_cores_end_somewhere() -> None:
    """A list that names every core there could ever be takes no memory."""
    assert list(tree.core_numbers("0-2,6,²,x")) == [0, 1, 2, 6]
    assert len(list(tree.core_numbers("0-999999999999"))) == tree.MOST_CORES + 1
