"""Whole-file writes: all or nothing, nothing left beside them."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from rkd.durable import disk_is_full, sync_folder, sync_tree, write_file


def test_a_written_file_is_whole_and_alone(tmp_path: Path) -> None:
    """What was written is there under its name, with no draft beside it."""
    write_file(tmp_path / "state.json", b"new", mode=0o600)

    assert [path.name for path in tmp_path.iterdir()] == ["state.json"]
    assert (tmp_path / "state.json").read_bytes() == b"new"
    assert (tmp_path / "state.json").stat().st_mode & 0o777 == 0o600


def test_a_replaced_file_keeps_its_mode(tmp_path: Path) -> None:
    """Who may read a file is not changed by writing it anew."""
    path = tmp_path / "tokens"
    path.write_bytes(b"old")
    path.chmod(0o640)

    write_file(path, b"new", mode=0o600)

    assert path.stat().st_mode & 0o777 == 0o640


def test_a_failed_write_leaves_what_was_there(tmp_path: Path) -> None:
    """When the draft cannot take the name, the old file stays and no draft is left."""
    path = tmp_path / "state"
    path.mkdir()
    (path / "inside").write_bytes(b"")

    with pytest.raises(OSError, match="state"):
        write_file(path, b"new")

    assert [one.name for one in tmp_path.iterdir()] == ["state"]


def test_a_tree_is_synced_past_dangling_links(tmp_path: Path) -> None:
    """Links are not followed, so one that leads nowhere stops nothing."""
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "file").write_bytes(b"x")
    (tmp_path / "inner" / "gone").symlink_to(tmp_path / "nowhere")

    sync_tree(tmp_path)
    sync_folder(tmp_path)

    assert (tmp_path / "inner" / "file").read_bytes() == b"x"


def test_every_file_and_folder_of_a_tree_is_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once each, and closed again; what is no file is not opened: a pipe would wait for ever."""
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "file").write_bytes(b"x")
    os.mkfifo(tmp_path / "inner" / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "inner" / "file")
    synced: list[str] = []
    fsync = os.fsync

    def noted(descriptor: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    before = len(list(Path("/proc/self/fd").iterdir()))
    sync_tree(tmp_path)
    after = len(list(Path("/proc/self/fd").iterdir()))

    assert sorted(synced) == [
        str(one) for one in (tmp_path, tmp_path / "inner", tmp_path / "inner" / "file")
    ]
    assert before == after


@pytest.mark.parametrize(
    ("number", "full"), [(errno.ENOSPC, True), (errno.EDQUOT, True), (errno.EACCES, False)]
)
def test_a_full_disk_is_told_from_others(number: int, *, full: bool) -> None:
    """A full disk and a full quota are one thing; no permission is another."""
    assert full == disk_is_full(OSError(number, ""))
