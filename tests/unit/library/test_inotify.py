"""The kernel's events, as they are read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rkd.library import inotify
from rkd.library.inotify import Inotify

QUEUE = Path("/proc/sys/fs/inotify/max_queued_events")


@pytest.fixture
def kernel() -> Iterator[Inotify]:
    """An instance."""
    made = Inotify()
    yield made
    made.close()


def test_what_happens_in_a_folder_comes_in_order(kernel: Inotify, tmp_path: Path) -> None:
    """With names as the file system has them, UTF-8 or not."""
    watch = kernel.add(str(tmp_path))
    first = tmp_path / "caf\udce9.gguf"
    first.write_bytes(b"x")
    first.rename(tmp_path / "x")
    (tmp_path / "x").unlink()
    told = kernel.read()

    assert [(one.mask, one.name) for one in told] == [
        (inotify.CREATE, first.name),
        (inotify.MODIFY, first.name),
        (inotify.CLOSE_WRITE, first.name),
        (inotify.MOVED_FROM, first.name),
        (inotify.MOVED_TO, "x"),
        (inotify.DELETE, "x"),
    ]
    assert {one.watch for one in told} == {watch}
    assert kernel.read() == []


def test_what_is_left_for_the_next_read_is_said(
    kernel: Inotify, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So many events come at once, and the others after them."""
    monkeypatch.setattr(inotify, "_READS_AT_ONCE", 1)
    monkeypatch.setattr(inotify, "_READ_BYTES", 300)
    kernel.add(str(tmp_path))
    for number in range(10):
        (tmp_path / f"{number}").mkdir()
    some, more = kernel.read(), kernel.more
    while kernel.more:
        some += kernel.read()

    assert more
    assert [one.name for one in some] == [f"{number}" for number in range(10)]


def test_reading_and_opening_are_no_events(kernel: Inotify, tmp_path: Path) -> None:
    """Every load of a model would be one."""
    (tmp_path / "x").write_bytes(b"x")
    kernel.add(str(tmp_path))
    (tmp_path / "x").read_bytes()
    list(tmp_path.iterdir())

    assert kernel.read() == []


def test_one_folder_has_one_watch(kernel: Inotify, tmp_path: Path) -> None:
    """Under every name it has; one that goes says so."""
    folder, link = tmp_path / "m", tmp_path / "link"
    folder.mkdir()
    link.symlink_to(folder)
    watch = kernel.add(str(folder))
    again = kernel.add(str(link))
    folder.rmdir()

    assert again == watch
    assert [one.mask for one in kernel.read()] == [inotify.DELETE_SELF, inotify.IGNORED]


def test_a_queue_that_overflows_says_so(kernel: Inotify, tmp_path: Path) -> None:
    """Whoever does not read in time learns that he missed something."""
    kernel.add(str(tmp_path))
    one, two = tmp_path / "1", tmp_path / "2"
    one.write_bytes(b"x")
    for _ in range(int(QUEUE.read_text()) // 4 + 1):
        one.rename(two)
        two.rename(one)
    told = kernel.read()
    while more := kernel.read():
        told += more

    assert told[-1].mask == inotify.Q_OVERFLOW
    assert told[-1].watch == -1


def test_what_is_no_folder_cannot_be_watched(kernel: Inotify, tmp_path: Path) -> None:
    """The kernel's own error says why."""
    with pytest.raises(FileNotFoundError):
        kernel.add(str(tmp_path / "gone"))
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(NotADirectoryError):
        kernel.add(str(tmp_path / "file"))


def test_a_watch_that_is_taken_away_tells_nothing_more(kernel: Inotify, tmp_path: Path) -> None:
    """But that it is gone; taking it away twice is no error."""
    watch = kernel.add(str(tmp_path))
    kernel.remove(watch)
    kernel.remove(watch)
    (tmp_path / "x").write_bytes(b"x")

    assert [one.mask for one in kernel.read()] == [inotify.IGNORED]
