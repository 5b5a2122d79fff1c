"""What the pool remembers in files is read as it was written, or not at all."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pytest
from msgspec import Meta

from rkd.pool.notes import read_entries, read_note, sound, write_note

MOST_BYTES = 200


@dataclass(frozen=True, slots=True)
class Seen:
    """A note of the test's own."""

    name: str
    times: Annotated[int, Meta(ge=0)]


def test_a_note_comes_back(tmp_path: Path) -> None:
    """For the daemon alone, in a folder that is made."""
    file = tmp_path / "state" / "seen.json"
    write_note(file, Seen("é\n", 2))

    assert read_note(file, Seen, most_bytes=MOST_BYTES) == Seen("é\n", 2)
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "content",
    [
        '{"name": "a", "times": 2}', '{"format": 2, "name": "a", "times": 2}',
        '{"format": 1, "name": "a", "times": -1}', '{"format": 1, "name": "a", "times": true}',
        '{"format": 1, "name": "a"}', '{"format": 1, "name": "\\ud800", "times": 2}',
        f'{{"format": 1, "name": "{"a" * MOST_BYTES}", "times": 2}}', "[" * 100, "\0",
    ],
)  # fmt: skip
def test_what_is_no_note_holds_nothing(tmp_path: Path, content: str) -> None:
    """Of another format or type, too long, too deep."""
    (tmp_path / "seen.json").write_text(content, encoding="utf-8")

    assert read_note(tmp_path / "seen.json", Seen, most_bytes=MOST_BYTES) is None


def test_only_a_file_is_read(tmp_path: Path) -> None:
    """A pipe is not waited for; what is not there is no error."""
    os.mkfifo(tmp_path / "seen.json")

    assert read_note(tmp_path / "seen.json", Seen, most_bytes=MOST_BYTES) is None
    assert read_note(tmp_path / "other.json", Seen, most_bytes=MOST_BYTES) is None


def test_a_bad_entry_is_left_out_alone(tmp_path: Path) -> None:
    """Of another type, incomplete, no object, or half a character in name or value."""
    good = '"one": {"name": "a", "times": 1}, "two": {"name": "b", "times": 2}'
    bad = (
        '"x": {"name": "a", "times": -1}, "y": {"name": "a"}, "z": [], "n": null, '
        '"h": {"name": "\\ud800", "times": 2}, "\\ud800": {"name": "a", "times": 2}'
    )
    file = tmp_path / "seen.json"
    file.write_text(f'{{"format": 1, "seen": {{{bad}, {good}}}, "other": 3}}')

    held = sound(read_entries(file, "seen", most_bytes=1_000), Seen)

    assert held == {"one": Seen("a", 1), "two": Seen("b", 2)}


@pytest.mark.parametrize(
    "content",
    [
        "", "[]", "{", '{"format": 2, "seen": {"a": 1}}', '{"format": 1}',
        '{"format": 1, "seen": [1]}', '{"format": 1, "seen": null}', "[" * 100, "\0",
        '{"format": 1, "seen": {"a": "' + "a" * MOST_BYTES + '"}}',
    ],
)  # fmt: skip
def test_where_no_entries_are_none_are_read(tmp_path: Path, content: str) -> None:
    """A file that is none of ours has none."""
    (tmp_path / "seen.json").write_text(content, encoding="utf-8")

    assert read_entries(tmp_path / "seen.json", "seen", most_bytes=MOST_BYTES) == {}
    assert sound(content, Seen) == {}
