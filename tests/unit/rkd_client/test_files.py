"""What a word leads to on this machine, whatever the word is."""

from __future__ import annotations

import errno
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from rkd_client.channel import credentials
from rkd_client.endpoint import Endpoint
from rkd_client.errors import InvalidInputError
from rkd_client.files import (
    FileKind,
    is_file,
    is_folder,
    look,
    named,
    open_regular,
    place_of,
    why_not,
    write_whole,
)
from rkd_client.parts import parts_of
from rkd_client.upload import digest_of
from rkd_client.where import Where

ODD = {
    "too long a name": "x" * 300,
    "too long a path": "y/" * 5_000,
    "a NUL": "a\0b",
    "half a character": "a\ud800b",
    "nobody's home": "~no-such-user-here/m.gguf",
    "a file as a folder": "/etc/hostname/inside",
    "nothing": "/nowhere/at/all",
}


@pytest.mark.parametrize("word", ODD.values(), ids=ODD)
class TestOddWords:
    """Words under which no file system has anything."""

    def test_looking_says_why_there_is_nothing(self, word: str) -> None:
        """In a few words, and without failing; what is just absent needs none."""
        found = look(place_of(word))

        assert found.kind is FileKind.NOTHING
        assert len(found.why) < 60
        assert bool(found.why) is (word not in {ODD["nobody's home"], ODD["nothing"]})
        assert not is_file(Path(word))
        assert not is_folder(Path(word))

    def test_opening_is_an_error_of_the_system(self, word: str) -> None:
        """So that who opens has one kind to catch."""
        with pytest.raises(OSError, match=r"\w"):
            open_regular(Path(word))

    def test_the_library_refuses_it_in_its_own_words(self, word: str) -> None:
        """An upload, a picture and an authority; none repeats the whole of it."""
        where = Where((Endpoint(host="x", port=1, tls=True),), ca=word)
        for ask in (
            lambda: digest_of(Path(word)),
            lambda: parts_of([Path(word)]),
            lambda: credentials(where),
        ):
            with pytest.raises(InvalidInputError, match="cannot be read") as refused:
                ask()
            assert len(refused.value.message) < 300
            refused.value.message.encode()


def test_a_folder_that_may_not_be_looked_into_is_told(tmp_path: Path) -> None:
    """What is behind it may be there: the system's own word says so."""
    (tmp_path / "loop").symlink_to(tmp_path / "loop")

    assert "symbolic links" in look(tmp_path / "loop" / "m.gguf").why


def test_each_kind_is_told_apart(tmp_path: Path) -> None:
    """A link counts as what it leads to."""
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "link").symlink_to("file")
    os.mkfifo(tmp_path / "pipe")
    kinds = {name: look(tmp_path / name).kind for name in ("file", "link", ".", "pipe")}

    assert kinds == {
        "file": FileKind.FILE,
        "link": FileKind.FILE,
        ".": FileKind.FOLDER,
        "pipe": FileKind.OTHER,
    }


def test_a_word_is_named_on_one_short_line() -> None:
    """Errors quote it: its controls escaped, its beginning where it is long."""
    assert named("a\nb\x1b") == "a\\nb\\x1b"
    assert named("x" * 200) == "x" * 200
    assert named("x" * 201) == "x" * 200 + "…"


@contextmanager
def files_of_at_most(limit_bytes: int) -> Iterator[None]:
    """No file grows beyond *limit_bytes*, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_file_is_written_whole_or_stays(tmp_path: Path) -> None:
    """No room for all of it: what was there before is there, and nothing beside it."""
    file = tmp_path / "report.md"
    write_whole(file, "before", mode=0o600)
    file.chmod(0o640)
    with files_of_at_most(16), pytest.raises(OSError, match="too large") as full:
        write_whole(file, "after, and far longer than there is room for")
    with files_of_at_most(16), pytest.raises(OSError, match="too large"):
        write_whole(tmp_path / "new.md", "far longer than there is room for")
    assert file.read_text(encoding="utf-8") == "before"

    write_whole(file, "short")

    assert full.value.errno == errno.EFBIG
    assert file.read_text(encoding="utf-8") == "short"
    assert file.stat().st_mode & 0o777 == 0o640
    assert list(tmp_path.iterdir()) == [file]


def test_a_link_stays_one_and_a_pipe_is_written_to(tmp_path: Path) -> None:
    """What a shell opened for us, or leads elsewhere, is not put aside by a new file."""
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to("there/report.md")
    write_whole(tmp_path / "link", "é")
    reading, writing = os.pipe()
    write_whole(Path(f"/dev/fd/{writing}"), "through")
    os.close(writing)

    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "there" / "report.md").read_bytes() == "é".encode()
    assert os.read(reading, 100) == b"through"
    os.close(reading)
    with pytest.raises(OSError, match="No space"):
        write_whole(Path("/dev/full"), "x")


@pytest.mark.parametrize("word", ODD.values(), ids=ODD)
def test_no_word_that_is_written_to_fails_otherwise(word: str, tmp_path: Path) -> None:
    """Only with what a verb tells."""
    with pytest.raises(OSError, match=r".") as refused:
        write_whole(tmp_path / word, "x")
    assert why_not(refused.value)
    assert list(tmp_path.iterdir()) == []
