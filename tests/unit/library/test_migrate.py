"""Migration on a real folder, killed at every step."""

from __future__ import annotations

import os
from itertools import count
from pathlib import Path

import pytest

from rkd.library.layout import Cause, Move
from rkd.library.migrate import migrate
from tests.unit.library.killing import Step, killed_at


def whole(_path: Path, _status: os.stat_result) -> float:
    """Every file is whole."""
    return 0.0


def content(root: Path) -> dict[str, bytes]:
    """Every file below *root* by its path."""
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A models folder of version 0.0.1."""
    (tmp_path / "a.rkllm").write_bytes(b"npu")
    (tmp_path / "a.gguf").write_bytes(b"cpu")
    (tmp_path / "b.gguf").write_bytes(b"b")
    (tmp_path / "Modelfile").write_text('FROM="b.gguf"\n')
    return tmp_path


MIGRATED = {
    "a/a.gguf": b"cpu",
    "a/a.rkllm": b"npu",
    "b/Modelfile": b'FROM="b.gguf"\n',
    "b/b.gguf": b"b",
}


def test_flat_files_move_into_folders(root: Path) -> None:
    """Everything arrives, nothing is lost, and the next run has nothing to do."""
    outcome = migrate(root, judge=whole)

    assert content(root) == MIGRATED
    assert len(outcome.moved) == 4
    assert migrate(root, judge=whole).moved == ()


def test_a_dry_run_changes_nothing(root: Path) -> None:
    """It says what would be done."""
    before = content(root)
    outcome = migrate(root, judge=whole, dry_run=True)

    assert Move("b.gguf", "b") in outcome.moved
    assert content(root) == before


def test_killed_anywhere_it_can_be_run_again(tmp_path: Path) -> None:
    """SIGKILL at every step: no byte is lost, and the next run finishes."""
    for victim in count():
        root = tmp_path / str(victim)
        root.mkdir()
        for name, data in (("a.rkllm", b"npu"), ("a.gguf", b"cpu"), ("b.gguf", b"b")):
            (root / name).write_bytes(data)
        (root / "Modelfile").write_text('FROM="b.gguf"\n')

        def work(step: Step, root: Path = root) -> None:
            migrate(root, judge=whole, step=step)

        was_killed = killed_at(work, victim)
        assert sorted(content(root).values()) == sorted(MIGRATED.values())
        migrate(root, judge=whole)
        assert content(root) == MIGRATED
        if not was_killed:
            assert victim >= 12
            return


def test_a_file_still_being_written_stays(root: Path) -> None:
    """It is named as incoming, with the time to look again."""
    outcome = migrate(root, judge=lambda path, _s: 0.3 if path.name == "b.gguf" else 0.0)

    assert (root / "b.gguf").exists()
    assert outcome.recheck_s == 0.3
    assert {left.name: left.cause for left in outcome.left}["b.gguf"] is Cause.INCOMING


def test_a_file_that_appears_at_the_last_instant_is_not_overwritten(root: Path) -> None:
    """Somebody copies the same file into the folder between plan and rename."""

    def step(name: str) -> None:
        if name == "rename b.gguf":
            (root / "b" / "b.gguf").write_bytes(b"somebody else's")

    outcome = migrate(root, judge=whole, step=step)

    assert (root / "b" / "b.gguf").read_bytes() == b"somebody else's"
    assert (root / "b.gguf").read_bytes() == b"b"
    assert {left.name: left.cause for left in outcome.left} == {"b.gguf": Cause.NAME_TAKEN}


def test_a_folder_that_cannot_be_written_is_said(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A read-only file system: every file is left with that reason, no folder stays behind."""

    def refuse(*_args: object, **_kwargs: object) -> None:
        raise OSError(30, os.strerror(30))

    monkeypatch.setattr(Path, "mkdir", refuse)
    outcome = migrate(root, judge=whole)

    assert outcome.moved == ()
    assert {left.cause for left in outcome.left} == {Cause.READ_ONLY}


def test_a_rename_across_file_systems_is_said(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """EXDEV: the file stays, and the folder made for it goes again."""

    def refuse(*_args: object) -> None:
        raise OSError(18, os.strerror(18))

    monkeypatch.setattr(Path, "rename", refuse)
    outcome = migrate(root, judge=whole)

    assert {left.cause for left in outcome.left} == {Cause.OTHER_FILESYSTEM}
    assert not (root / "a").exists()
