"""Files, JSON and text from outside, made harmless where they are read."""

from __future__ import annotations

import errno
import io
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from rkd.outside import (
    MAX_JSON_DEPTH,
    QUOTED_CHARACTERS,
    NotRegularError,
    escaped,
    json_object,
    lies_at,
    open_regular,
    place_of,
    quoted,
    read_most,
    read_regular,
    shown,
    whole,
)
from tests.growth import assert_linear


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))


KINDS: dict[str, tuple[Callable[[Path], None], str]] = {
    "fifo": (os.mkfifo, "a FIFO"),
    "folder": (Path.mkdir, "a folder"),
    "socket": (_socket, "a socket"),
    "device": (lambda path: path.symlink_to("/dev/zero"), "a device"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_only_regular_files_are_opened(tmp_path: Path, kind: str) -> None:
    """Anything else is named at once, without waiting for a writer and without its effects."""
    make, word = KINDS[kind]
    make(tmp_path / "x")
    with pytest.raises(NotRegularError, match=word):
        open_regular(tmp_path / "x")


def test_links_inside_their_folder_are_followed_and_others_not(tmp_path: Path) -> None:
    """`within` is compared after all links, its own among them."""
    (tmp_path / "real").mkdir()
    (tmp_path / "model").symlink_to("real")
    (tmp_path / "secret").write_bytes(b"s")
    (tmp_path / "real" / "a").write_bytes(b"a")
    (tmp_path / "real" / "inner").symlink_to("a")
    (tmp_path / "real" / "outer").symlink_to(tmp_path / "secret")
    (tmp_path / "real" / "sub").symlink_to("..")
    folder = tmp_path / "model"

    assert read_regular(folder / "inner", most_bytes=9, within=folder) == b"a"
    for name in ("outer", "sub/secret", "../secret"):
        with pytest.raises(NotRegularError, match="leads out of its folder"):
            open_regular(folder / name, within=folder)


def test_a_link_to_itself_and_an_odd_name_are_errors_of_the_disk(tmp_path: Path) -> None:
    """Readers that expect OSError need no other case."""
    (tmp_path / "loop").symlink_to("loop")
    for name in ("loop", "a\0b", "half \ud800", "n" * 300):
        with pytest.raises(OSError, match=r"."):
            open_regular(tmp_path / name)


def test_where_an_open_file_lies(tmp_path: Path) -> None:
    """The end of all links, whatever the path said."""
    (tmp_path / "a").write_bytes(b"")
    (tmp_path / "b").symlink_to("a")
    with open_regular(tmp_path / "b") as file:
        assert place_of(file) == tmp_path / "a"
        assert lies_at(file, tmp_path / "a")
        assert not lies_at(file, tmp_path / "b")


def test_a_file_that_is_too_long_is_refused(tmp_path: Path) -> None:
    """One byte more than allowed is enough, and no more is read."""
    (tmp_path / "x").write_bytes(b"12345")

    assert read_regular(tmp_path / "x", most_bytes=5) == b"12345"
    with pytest.raises(OSError, match="longer than 4 bytes") as caught:
        read_regular(tmp_path / "x", most_bytes=4)
    assert caught.value.errno == errno.EFBIG


class GrownFile(io.BytesIO):
    """Holds *content* where the descriptor still tells of fewer bytes."""

    def __init__(self, descriptor: int, content: bytes) -> None:
        super().__init__(content)
        self.asked: list[int] = []
        self._descriptor = descriptor

    def fileno(self) -> int:
        """Return that of the shorter file."""
        return self._descriptor

    def read(self, size: int | None = -1, /) -> bytes:
        """Take down how much is wanted."""
        self.asked.append(size or 0)
        return super().read(size)


def test_what_a_file_has_grown_by_is_read_too(tmp_path: Path) -> None:
    """Up to the bound; the kernel's own files say that they are empty."""
    (tmp_path / "x").write_bytes(b"12345")
    with (tmp_path / "x").open("rb") as file:
        grown = GrownFile(file.fileno(), b"1234567890")

        assert read_most(grown, 9) == b"123456789"
    assert grown.asked == [6, 3]
    assert b"pid" in read_regular(Path("/proc/self/status"), most_bytes=1 << 16).lower()


@pytest.mark.parametrize(
    "content",
    [
        b"[" * 200_000,
        b'{"a":' * 200_000,
        b'{"a":' + b"[" * MAX_JSON_DEPTH + b"]" * MAX_JSON_DEPTH + b"}",
        b'{"a":[' + b"0," * 1000 + b"0]}",
        b'{"a":"\\ud800"}',
        b'{"\\udfff":1}',
        b'{"a":' + b"9" * 5000 + b"}",
        b"[]",
        b"null",
        b"",
        b'{"a":1',
        b'{"a":"\xff"}',
    ],
)
def test_json_that_is_none_or_out_of_bounds_is_one_error(content: bytes) -> None:
    """Depth, items, halves of characters, huge numbers: ValueError and nothing else."""
    with pytest.raises(ValueError, match=r"."):
        json_object(content, most_items=500)


def test_json_within_bounds_is_read() -> None:
    """Down to the last level, and with characters written as two halves."""
    depth = MAX_JSON_DEPTH - 1
    assert json_object(b'{"a":' + b"[" * depth + b"]" * depth + b"}", most_items=100)
    assert json_object(b'{"a":"\\ud83d\\ude00"}', most_items=9) == {"a": "😀"}


@pytest.mark.parametrize("unit", [b"[],", b"0,", b'"\\ud83d\\ude00",', b'{"a":[[[]]]},'], ids=repr)
def test_json_is_read_in_linear_time(unit: bytes) -> None:
    """Whatever the items are."""
    assert_linear(
        lambda size: b'{"a":[' + unit * (size // len(unit)) + b"0]}",
        lambda content: json_object(content, most_items=1 << 30),
        most=4 << 20,
    )


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("é", "é"),
        (os.fsdecode(b"caf\xe9.gguf"), "caf\\xe9.gguf"),
        ("a\ud83db", "a\\ud83db"),
        (os.fsdecode(b"\xe9") + "\ud83d", "\\udce9\\ud83d"),
    ],
)
def test_text_that_is_no_utf8_is_escaped(text: str, clean: str) -> None:
    """What came of it can be sent, and says what was there."""
    assert escaped(text) == clean
    assert escaped(text).encode()


def test_names_are_shown_on_one_line() -> None:
    """No control and no mark of direction reaches a terminal."""
    assert shown("a\nb\x1b[2J\u202egnp\x7f") == "a\\nb\\x1b[2J\\u202egnp\\x7f"
    assert shown("größe") == "größe"


def test_what_an_error_quotes_is_short() -> None:
    """However long, however odd, of whatever type."""
    for value in ("\ud800" * 10_000, "x" * 10_000, 10**4000, [1] * 10_000, "\u202e" * 500):
        assert len(quoted(value)) <= QUOTED_CHARACTERS + 3
        assert quoted(value).encode()
    assert quoted("a b") == "'a b'"
    assert quoted(float("nan")) == "nan"
    assert quoted({}) == "a dict"


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("plain", "plain"),
        ("größe 🙂", "größe 🙂"),
        ("a\ud83db", "a\ufffdb"),
        ("\ud83d\ude42", "🙂"),
    ],
)
def test_half_a_character_becomes_a_whole_one(text: str, made: str) -> None:
    """U+FFFD for a half, the character itself for two that belong together."""
    assert whole(text) == made
    assert whole(text).encode()
