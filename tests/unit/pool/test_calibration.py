"""Measured memory outlives the daemon, and its loss harms nobody."""

from __future__ import annotations

from pathlib import Path

import pytest

from rkd.pool.calibration import MAX_ENTRIES, Calibration


def test_what_was_recorded_is_read_again(tmp_path: Path) -> None:
    """By the next one on the same file; the folder is made."""
    file = tmp_path / "state" / "memory.json"
    first = Calibration(file)
    assert first.record("a", 7)
    assert not first.record("a", 7)
    first.save()

    assert Calibration(file).measured("a") == 7
    assert Calibration(file).measured("b") is None
    assert [one.name for one in file.parent.iterdir()] == ["memory.json"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"format": 99, "bytes": {"a": 1}}',
        '{"format": 1, "bytes": 3}',
        '{"format": 1, "bytes": {"a": "x", "b": true, "c": -1}}',
    ],
)
def test_a_damaged_file_is_an_empty_one(tmp_path: Path, text: str) -> None:
    """Nothing raises, nothing of it is believed."""
    file = tmp_path / "memory.json"
    file.write_text(text)
    held = Calibration(file)
    assert [held.measured(key) for key in "abc"] == [None, None, None]


def test_the_file_does_not_grow_for_ever(tmp_path: Path) -> None:
    """The oldest entries leave."""
    held = Calibration(tmp_path / "memory.json")
    for number in range(MAX_ENTRIES + 1):
        held.record(str(number), 1)
    assert held.measured("0") is None
    assert held.measured(str(MAX_ENTRIES)) == 1


def test_a_place_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    """The half-written file is taken away."""
    file = tmp_path / "memory.json"
    file.mkdir()
    held = Calibration(file)
    held.record("a", 1)
    with pytest.raises(OSError, match="memory"):
        held.save()
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("damage", ['"x"', "true", "-1", "0", "1e99", str(1 << 63), "null", "{}"])
def test_a_damaged_entry_loses_itself_alone(tmp_path: Path, damage: str) -> None:
    """The others were measured well."""
    file = tmp_path / "memory.json"
    file.write_text(f'{{"format": 1, "bytes": {{"a": 1, "bad": {damage}, "c": 3}}}}')
    held = Calibration(file)

    assert [held.measured(key) for key in ("a", "bad", "c")] == [1, None, 3]
