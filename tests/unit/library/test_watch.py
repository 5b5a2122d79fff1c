"""The watch: names of what happened, by the kernel's events or by looking again."""

from __future__ import annotations

import asyncio
import errno
import os
from pathlib import Path

import pytest

from rkd.library.inotify import Q_OVERFLOW, Happening, Inotify
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

    async def test_a_crowd_of_events_is_told_at_once(self, tmp_path: Path) -> None:
        """Whoever needs to know now gets what the kernel knows now, without the loop's turn."""
        library = FakeLibrary()
        watch = Watch(tmp_path, library.changed)
        await watch.start()
        for number in range(300):
            write(tmp_path / f"{number}.gguf")
        watch.drain()
        names = set(library.names)
        await watch.close()

        assert names == {f"{number}.gguf" for number in range(300)}

    async def test_what_the_kernel_lost_makes_everything_doubtful(self, tmp_path: Path) -> None:
        """Any entry may have changed; what was told before it is told all the same."""
        library = FakeLibrary()
        watch = Watch(tmp_path, library.changed, kernel=ForgetfulKernel)
        await watch.start()
        before = library.anything
        await library_saw(library, write(tmp_path / "x.gguf"))
        await watch.close()

        assert library.anything > before
        assert library.names == {"x.gguf"}


class TestCovered:
    """Folders below, which the scan has watched before it lists them."""

    async def test_a_covered_folder_tells(self, tmp_path: Path) -> None:
        """Under the entry of the models folder it lies in, however deep."""
        deep = tmp_path / "m" / "tokenizer"
        deep.mkdir(parents=True)
        library = FakeLibrary()
        watch = Watch(tmp_path, library.changed)
        await watch.start()
        watch.cover(str(deep))
        await library_saw(library, write(deep / "vocab.json"))
        await watch.close()

        assert library.names == {"m"}

    async def test_folders_that_swap_names_tell_under_the_new_ones(self, tmp_path: Path) -> None:
        """The watch goes with the folder, and what it is called with the next look."""
        one, two, between = (tmp_path / name for name in ("one", "two", "between"))
        one.mkdir()
        two.mkdir()
        library = FakeLibrary()
        watch = Watch(tmp_path, library.changed)
        await watch.start()
        for folder in (one, two):
            watch.cover(str(folder))
        one.rename(between)
        two.rename(one)
        between.rename(two)
        watch.drain()
        for folder in (one, two):
            watch.cover(str(folder))
        swapped = set(library.names)
        library.names.clear()
        await library_saw(library, write(one / "x.gguf"))
        await watch.close()

        assert swapped == {"one", "two", "between"}
        assert library.names == {"one"}
        assert library.closed == {one / "x.gguf"}

    async def test_a_link_and_its_folder_both_tell(self, tmp_path: Path) -> None:
        """One folder under two names is one watch, and two entries."""
        real, link = tmp_path / "real", tmp_path / "link"
        real.mkdir()
        link.symlink_to(real)
        library = FakeLibrary()
        watch = Watch(tmp_path, library.changed)
        await watch.start()
        for folder in (real, link):
            watch.cover(str(folder))
        await library_saw(library, write(real / "x.gguf"))
        both = set(library.names)
        library.names.clear()
        link.unlink()
        watch.cover(str(link))
        watch.drain()
        library.names.clear()
        await library_saw(library, write(real / "y.gguf"))
        await watch.close()

        assert both == {"real", "link"}
        assert library.names == {"real"}

    async def test_a_folder_that_is_forgotten_tells_nothing(self, tmp_path: Path) -> None:
        """Moved out of the models folder it is nobody's, with what is below it."""
        root, away = tmp_path / "models", tmp_path / "away"
        (root / "m" / "sub").mkdir(parents=True)
        (root / "n").mkdir()
        library = FakeLibrary()
        watch = Watch(root, library.changed)
        await watch.start()
        for folder in ("m", "m/sub", "n"):
            watch.cover(str(root / folder))
        (root / "m").rename(away)
        watch.forget({"m"})
        watch.drain()
        library.names.clear()
        write(away / "x.gguf")
        write(away / "sub" / "x.gguf")
        await library_saw(library, write(root / "n" / "x.gguf"))
        await watch.close()

        assert library.names == {"n"}

    async def test_a_models_folder_that_goes_makes_everything_doubtful(
        self, tmp_path: Path
    ) -> None:
        """A stick pulled out, and another one put in its place, which is covered by the look."""
        root = tmp_path / "stick"
        root.mkdir()
        library = FakeLibrary()
        watch = Watch(root, library.changed)
        await watch.start()
        before = library.anything
        root.rename(tmp_path / "pulled")
        while library.anything == before:
            library.news.clear()
            await library.news.wait()
        root.mkdir()
        watch.cover(str(root))
        library.names.clear()
        await library_saw(library, write(root / "x.gguf"))
        write(tmp_path / "pulled" / "y.gguf")
        watch.drain()
        await watch.close()

        assert library.names == {"x.gguf"}

    async def test_a_folder_that_is_gone_is_none_to_watch(self, tmp_path: Path) -> None:
        """Nor is one that may not be read; nothing is polled for them."""
        library = FakeLibrary()
        watch = Watch(tmp_path, library.changed)
        await watch.start()
        watch.cover(str(tmp_path / "gone"))
        write(tmp_path / "file")
        watch.cover(str(tmp_path / "file"))
        await asyncio.sleep(0)
        polling = watch.polling
        await watch.close()

        assert not polling

    async def test_without_watches_left_for_one_folder_everything_is_polled(
        self, tmp_path: Path
    ) -> None:
        """The scan is not told, the log is; and from then on the folder is looked at."""
        (tmp_path / "m").mkdir()
        library = FakeLibrary()
        watch = Watch(tmp_path, library.changed, poll_s=0.001, kernel=SmallKernel)
        await watch.start()
        before = library.anything
        await asyncio.to_thread(watch.cover, str(tmp_path / "m"))
        while library.anything < before + 3:
            library.news.clear()
            await library.news.wait()
        polling = watch.polling
        await watch.close()

        assert polling


class ForgetfulKernel(Inotify):
    """Loses something every time."""

    def read(self) -> list[Happening]:
        """Say so."""
        return [*super().read(), Happening(-1, Q_OVERFLOW)]


class SmallKernel(Inotify):
    """Has one watch for every user."""

    def __init__(self) -> None:
        super().__init__()
        self._left = 1

    def add(self, folder: str) -> int:
        """Give the one watch."""
        self._left -= 1
        if self._left < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().add(folder)


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
