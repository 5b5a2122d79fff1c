"""
What comes from outside, made harmless where it is read: files, JSON, and text to be shown.

A file in a models folder may be anything: a FIFO, a device, a link to somebody's secrets, a name
that is no UTF-8. Every reader of such a file opens it with `open_regular`.
"""

from __future__ import annotations

import errno
import json
import os
import re
import stat
from pathlib import Path
from typing import BinaryIO

MAX_JSON_DEPTH = 64
"""Deepest JSON taken; `tokenizer.json` and `config.json` need ten."""

QUOTED_CHARACTERS = 200
"""Longest piece of foreign text an error repeats."""

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISLNK, "a link"),
)
_WHO_ASKS = re.compile(r"//[^/?#\\\s@]*(?:@[^/?#\\\s@]*)*@")
_PARAMETERS = re.compile(r"[?#].*", re.DOTALL)
_HALF_CHARACTER = re.compile(rb"\\[uU][dD][89a-fA-F]")


class NotRegularError(OSError):
    """A path leads to no regular file, or out of its folder; `what` says what it is."""

    def __init__(self, what: str, path: Path) -> None:
        super().__init__(errno.EINVAL, what, path.name)
        self.what = what


def open_regular(path: Path, *, within: Path | None = None) -> BinaryIO:
    """
    Open the regular file *path* for reading, without waiting and without touching anything else.

    What the path leads to is looked at before it is opened: opening a device can do something,
    opening a FIFO waits for a writer. The caller closes the file.

    Args:
        path: the file; a link is followed.
        within: the folder it has to lie in, all links resolved.

    Raises:
        NotRegularError: it is something else, or a link that leads out of *within*.
        OSError: it is not there, or may not be read.
    """
    try:
        held = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except ValueError as error:  # NUL, or half a character
        raise NotRegularError("it is no name a file can have", Path(quoted(str(path)))) from error
    try:
        kind = irregular(os.fstat(held).st_mode)
        if kind:
            raise NotRegularError(f"it is {kind}, not a regular file", path)
        place = f"/proc/self/fd/{held}"
        if within is not None and not Path(os.readlink(place)).is_relative_to(within.resolve()):  # noqa: PTH115 - no path, a link to what is held
            raise NotRegularError("it is a link that leads out of its folder", path)
        descriptor = os.open(place, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    finally:
        os.close(held)
    return os.fdopen(descriptor, "rb")


def read_regular(path: Path, *, most_bytes: int, within: Path | None = None) -> bytes:
    """
    Read the regular file *path* whole.

    Raises:
        NotRegularError: as `open_regular`.
        OSError: EFBIG for one longer than *most_bytes*; it is not there, or may not be read.
    """
    with open_regular(path, within=within) as file:
        content = read_most(file, most_bytes + 1)
    if len(content) > most_bytes:
        raise OSError(errno.EFBIG, f"it is longer than {most_bytes} bytes", path.name)
    return content


def read_most(file: BinaryIO, most_bytes: int) -> bytes:
    """
    Read *file* to its end, *most_bytes* at most.

    Into a buffer of its size: one of a bound of megabytes is mapped, cleared and given back each
    time, which takes longer than reading a small file.
    """
    size_bytes = os.fstat(file.fileno()).st_size
    content = file.read(min(size_bytes + 1, most_bytes))
    if len(content) > size_bytes:  # it grew, or is one of the kernel's, which tell no size
        content += file.read(most_bytes - len(content))
    return content


def place_of(file: BinaryIO) -> Path:
    """Return where the open *file* really lies, all links resolved."""
    return Path(_place(file))


def lies_at(file: BinaryIO, path: Path) -> bool:
    """Whether no part of the absolute *path*, by which *file* was opened, is a link."""
    return _place(file) == str(path)


def _place(file: BinaryIO) -> str:
    return os.readlink(f"/proc/self/fd/{file.fileno()}")  # noqa: PTH115 - no path


def irregular(mode: int) -> str:
    """Say what a file of *mode* is when it is no regular file, or ""."""
    if stat.S_ISREG(mode):
        return ""
    return next((kind for holds, kind in _KINDS if holds(mode)), "no file")


def json_object(content: bytes, *, most_items: int) -> dict[str, object]:
    """
    Read *content* as one JSON object of whole characters; see `json_value`.

    Raises:
        ValueError: it is none.
    """
    value = json_value(content, most_items=most_items)
    if not isinstance(value, dict):
        raise ValueError("no JSON object")  # noqa: TRY004 - a bad value, whatever its type
    if _HALF_CHARACTER.search(content):
        json.dumps(value, ensure_ascii=False).encode()  # UnicodeEncodeError is a ValueError
    return value


def json_value(content: bytes, *, most_items: int) -> object:
    """
    Read *content* as JSON of bounded depth and size; texts in it may hold halves of characters.

    The caller bounds the bytes. Numbers come as Python has them: NaN, infinite and huge ones too.

    Args:
        content: UTF-8.
        most_items: most values, counted by commas and brackets (those inside texts count too).

    Raises:
        ValueError: it is none.
    """
    if content.count(b",") + content.count(b"[") + content.count(b"{") > most_items:
        raise ValueError(f"more than {most_items} items")
    try:
        # Decoded here: the parser would also guess at UTF-16 and UTF-32.
        value: object = json.loads(content.decode("utf-8-sig"))
    except RecursionError as error:
        raise ValueError(f"nested deeper than {MAX_JSON_DEPTH}") from error
    if isinstance(value, dict | list):
        _check_depth(value)
    return value


def _check_depth(value: object) -> None:
    level = [value]
    for _ in range(MAX_JSON_DEPTH):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)  # type: ignore[attr-defined]
            if isinstance(inner, dict | list)
        ]
        if not level:
            return
    raise ValueError(f"nested deeper than {MAX_JSON_DEPTH}")


def escaped(text: str) -> str:
    r"""
    Return *text* as one that can be sent and stored as UTF-8.

    Bytes of a file name that are no UTF-8 become `\xe9`, halves of characters `\ud83d`.
    """
    if text.isascii():
        return text
    try:
        return os.fsencode(text).decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # a half that stands for no byte
        return text.encode("utf-8", "backslashreplace").decode()


def cut(text: str, most_bytes: int) -> str:
    """Return *text* as `escaped` does, in at most *most_bytes* bytes and an ellipsis."""
    data = escaped(text[: most_bytes + 1]).encode()
    if len(data) <= most_bytes:
        return data.decode()
    return data[:most_bytes].decode(errors="ignore") + "…"


def whole(text: str) -> str:
    """Return *text* in whole characters: half of a surrogate pair becomes U+FFFD."""
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def shown(text: str) -> str:
    """Return *text*, a name from outside, on one line: controls and marks of direction escaped."""
    clean = escaped(text)
    if clean.isprintable():
        return clean
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode() for one in clean
    )


def quoted(value: object) -> str:
    """Return a piece of foreign input as an error repeats it: on one line, not too long."""
    if isinstance(value, str):
        text = shown(value[:QUOTED_CHARACTERS])
        rest = "…" if len(value) > QUOTED_CHARACTERS or len(text) > QUOTED_CHARACTERS else ""
        return f"'{text[:QUOTED_CHARACTERS]}{rest}'"
    if value is None or isinstance(value, int | float):
        return str(value)[:QUOTED_CHARACTERS]
    return f"a {type(value).__name__}"


def shown_address(url: str) -> str:
    """Return *url* as it may be shown: without who asks, their password and signed parameters."""
    return shown(_PARAMETERS.sub("", _WHO_ASKS.sub("//***@", url)))
