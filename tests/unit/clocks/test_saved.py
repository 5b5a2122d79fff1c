"""What governors were."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rkd.clocks.saved import Before, Saved


def test_there_and_back(tmp_path: Path) -> None:
    """With and without a speed; nothing saved is no file."""
    saved = Saved(tmp_path / "saved")
    clocks = {"sys/a": Before("ondemand"), "sys/b": Before("userspace", "1008000")}
    saved.write(clocks)

    assert saved.read() == clocks
    saved.write({})
    assert saved.read() == {}
    assert not (tmp_path / "saved").exists()


def test_lines_that_are_none_are_left_out(tmp_path: Path) -> None:
    """Whoever wrote them."""
    (tmp_path / "saved").write_bytes(b"one\n\na b c d\n\xff\xfe x\nsys/a ondemand\n")

    read = Saved(tmp_path / "saved").read()
    assert read["sys/a"] == Before("ondemand")
    assert len(read) == 2


@pytest.mark.parametrize("kind", ["missing", "folder", "fifo", "huge"])
def test_no_file_is_nothing_saved(tmp_path: Path, kind: str) -> None:
    """And is not waited for."""
    place = tmp_path / "saved"
    match kind:
        case "folder":
            place.mkdir()
        case "fifo":
            os.mkfifo(place)
        case "huge":
            place.write_text("sys/a ondemand\n" * 10000)

    assert Saved(place).read() == {}
