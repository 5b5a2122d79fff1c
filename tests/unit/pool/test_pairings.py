"""What came of libraries and files, kept on disk."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from rkd.board.facts import RuntimeLibrary
from rkd.pool.deciding.runtimes import Came, Pairing
from rkd.pool.pairings import MOST_FILES, Pairings


@pytest.fixture
def library(tmp_path: Path) -> RuntimeLibrary:
    """A library file."""
    path = tmp_path / "librkllmrt.so"
    path.write_bytes(b"one")
    return RuntimeLibrary(path, "1.3.1")


def came(it: Pairings, library: RuntimeLibrary, fingerprint: str = "f") -> Came | None:
    """What is remembered."""
    known = it.of(fingerprint, library)
    return known.came if known else None


def test_it_outlives_the_daemon(tmp_path: Path, library: RuntimeLibrary) -> None:
    """What was noted and saved is there in the next life; what nobody met is not."""
    it = Pairings(tmp_path / "state" / "runtimes.json", clock=lambda: 5.0)

    assert it.note("f", library, Came.ANSWERED)
    it.save()

    again = Pairings(tmp_path / "state" / "runtimes.json")
    assert again.of("f", library) == Pairing("1.3.1", Came.ANSWERED, 1, "", 5.0)
    assert again.of("g", library) is None


def test_another_library_in_its_place_is_a_new_one(library: RuntimeLibrary) -> None:
    """By size and time; the old one's doings are not its."""
    it = Pairings(None)
    it.note("f", library, Came.GARBAGE)

    library.path.write_bytes(b"another")
    assert came(it, library) is None

    it.note("f", library, Came.ANSWERED)
    os.utime(library.path, ns=(1, 1))
    assert came(it, library) is None


def test_what_went_wrong_counts_for_this_kernel_alone(
    tmp_path: Path, library: RuntimeLibrary
) -> None:
    """Under another one it is tried again; what went well stays."""
    path = tmp_path / "runtimes.json"
    before = Pairings(path, "6.1.43 0.9.7")
    before.note("bad", library, Came.REFUSED)
    before.note("good", library, Came.SERVED)
    before.save()
    after = Pairings(path, "6.1.75 0.9.8")

    assert (came(after, library, "bad"), came(after, library, "good")) == (None, Came.SERVED)


def test_deaths_are_counted(library: RuntimeLibrary) -> None:
    """One after the other; anything else begins anew."""
    it = Pairings(None)
    for _ in range(2):
        assert it.note("f", library, Came.CRASHED)
    known = it.of("f", library)

    assert known is not None
    assert (known.times, known.ruled_out) == (2, True)


@pytest.mark.parametrize(
    ("first", "then", "expected"),
    [
        (Came.SERVED, Came.CRASHED, Came.SERVED),
        (Came.GARBAGE, Came.SERVED, Came.GARBAGE),
        (Came.CRASHED, Came.SERVED, Came.SERVED),
        (Came.ANSWERED, Came.CRASHED, Came.CRASHED),
        (Came.REFUSED, Came.ANSWERED, Came.ANSWERED),
    ],
)
def test_what_changes_a_mind(
    library: RuntimeLibrary, first: Came, then: Came, expected: Came
) -> None:
    """Who served people is not blamed for one prompt; garbage stays garbage."""
    it = Pairings(None)
    it.note("f", library, first)
    it.note("f", library, then)

    assert came(it, library) is expected
    assert not it.note("f", library, expected) or expected is Came.CRASHED


def test_a_file_is_forgiven(library: RuntimeLibrary) -> None:
    """What went wrong is forgotten for whoever asks for the load, where nothing went well."""
    it = Pairings(None)
    it.note("f", library, Came.REFUSED)

    assert it.forgive("f")
    assert came(it, library) is None
    it.note("f", library, Came.SERVED)
    assert not it.forgive("f")
    assert came(it, library) is Came.SERVED


def test_it_does_not_grow_for_ever(library: RuntimeLibrary) -> None:
    """The oldest files leave."""
    it = Pairings(None)
    for at in range(MOST_FILES + 5):
        it.note(f"f{at}", library, Came.SERVED)

    assert came(it, library, "f4") is None
    assert came(it, library, f"f{MOST_FILES}") is Came.SERVED


@pytest.mark.parametrize(
    "content",
    [
        "", "[]", "{", '{"format": 2, "files": {}}', '{"format": 1, "files": {"f": {"s": 3}}}',
        "[" * 100_000, json.dumps({"format": 1, "files": {"f": {"s": {"came": "?"}}}}),
    ],
)  # fmt: skip
def test_a_file_that_is_none_costs_nothing_else(
    tmp_path: Path, library: RuntimeLibrary, content: str
) -> None:
    """Everything is learnt anew."""
    (tmp_path / "runtimes.json").write_text(content, encoding="utf-8")
    it = Pairings(tmp_path / "runtimes.json")

    assert it.of("f", library) is None
    assert it.note("f", library, Came.ANSWERED)


@pytest.mark.parametrize(
    "damage",
    [
        {"other": {"s": 3}}, {"other": 3}, {"other": {"s": {"version": "1", "came": "?"}}},
        {"other": {"s": {"version": "\ud800", "came": "served"}}}, {"\ud800": {}},
    ],
)  # fmt: skip
def test_a_damaged_entry_loses_itself_alone(
    tmp_path: Path, library: RuntimeLibrary, damage: dict[str, object]
) -> None:
    """What is known of the other files and libraries stays, also through the next save."""
    path = tmp_path / "runtimes.json"
    it = Pairings(path)
    it.note("f", library, Came.SERVED)
    it.save()
    held = json.loads(path.read_text())
    held["files"] = {**damage, "f": {"gone 1": {"came": 1}, **held["files"]["f"]}}
    path.write_text(json.dumps(held))

    again = Pairings(path)
    again.save()

    assert came(again, library) is Came.SERVED
    assert came(again, library, "other") is None
    assert [*json.loads(path.read_text())["files"]] == ["f"]
