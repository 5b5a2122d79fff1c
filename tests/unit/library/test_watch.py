"""The watch: names of what happened, by the kernel's events or by looking again."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from rkd.library.watch import Watch, is_network


class FakeLibrary:
    """Collects what it is told."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.closed: set[Path] = set()
        self.anything = 0
        self.news = asyncio.Event()

    def changed(self, names: frozenset[str] | None, closed: frozenset[Path]) -> None:
        """Take it down."""
        if names is None:
            self.anything += 1
        else:
            self.names |= names
        self.closed |= closed
        self.news.set()

    async def until_closed(self, path: Path) -> None:
        """Wait until *path* was told of as closed."""
        while path not in self.closed:
            self.news.clear()
            await self.news.wait()


def write(path: Path) -> Path:
    """Write a file as cp does."""
    path.write_bytes(b"x")
    return path


class TestInotify:
    """The kernel's events."""

    async def test_a_written_file_is_told_as_closed(self, tmp_path: Path) -> None:
        """Also in a folder made a moment before."""
        library = FakeLibrary()
        watch = Watch(tmp_path, library.changed)
        await watch.start()
        await library_saw(library, write(tmp_path / "x.gguf"))
        (tmp_path / "m").mkdir()
        path = tmp_path / "m" / "x.gguf"
        while path not in library.closed:
            write(path)
            await asyncio.sleep(0)
        await watch.close()

        assert {"x.gguf", "m"} <= library.names
        assert not watch.polling

    async def test_a_renamed_file_is_told_under_its_new_name(self, tmp_path: Path) -> None:
        """As rsync and browsers finish theirs; the hidden name is nobody's business."""
        hidden = write(tmp_path / ".x.gguf.Ab12")
        library = FakeLibrary()
        watch = Watch(tmp_path, library.changed)
        await watch.start()
        path = hidden.rename(tmp_path / "x.gguf")
        await library_saw(library, path)
        await watch.close()

        assert library.names == {"x.gguf"}

    async def test_nothing_is_told_after_the_end(self, tmp_path: Path) -> None:
        """Close means close."""
        library = FakeLibrary()
        watch = Watch(tmp_path, library.changed)
        await watch.start()
        await watch.close()
        write(tmp_path / "x.gguf")
        await asyncio.sleep(0)

        assert library.names == set()


async def library_saw(library: FakeLibrary, path: Path) -> None:
    """Wait for the close of *path*."""
    await library.until_closed(path)


async def test_polling_looks_again_and_again(tmp_path: Path) -> None:
    """Where the kernel does not see who writes."""
    library = FakeLibrary()
    watch = Watch(tmp_path, library.changed, poll=True, poll_s=0.001)
    await watch.start()
    while library.anything < 2:
        library.news.clear()
        await library.news.wait()
    polling = watch.polling
    await watch.close()

    assert polling


async def test_without_watches_left_it_polls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit of inotify is a warning, not the end."""

    def full(*_args: object) -> None:
        raise OSError(28, "inotify watch limit reached")

    monkeypatch.setattr(Watch, "_observe", full)
    watch = Watch(tmp_path, FakeLibrary().changed)
    await watch.start()
    polling = watch.polling
    await watch.close()

    assert polling


MOUNTS = r"""
/dev/root / ext4 rw 0 0
nas:/models /home/pi/RKLLAMA nfs4 rw 0 0
//nas/a\040b /mnt/a\040b cifs rw 0 0
/dev/sda1 /home/pi/RKLLAMA/models/local ext4 rw 0 0
"""


@pytest.mark.parametrize(
    ("root", "expected"),
    [
        ("/home/pi/RKLLAMA/models", True),
        ("/home/pi/RKLLAMA/models/local", False),
        ("/home/pi/other", False),
        ("/mnt/a b/models", True),
    ],
)
def test_network_file_systems_are_known(root: str, *, expected: bool) -> None:
    """By the longest mount that holds the folder."""
    assert is_network(Path(root), MOUNTS) is expected
