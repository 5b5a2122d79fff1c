"""Reading small kernel files under a root that tests replace; absence is no error."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Final

from rkd.outside import open_regular

MOST_BYTES: Final = 1 << 20
"""Longest file taken; `/proc/cpuinfo` of 256 cores has a third of it."""

MOST_FOUND: Final = 256
"""Most entries of a folder looked at."""

MOST_CORES: Final = 4096
_MOST_DIGITS: Final = 18


def read_text(root: Path, relative: str) -> str:
    """Return the text of `root/relative`, stripped; empty when it cannot be read."""
    return read_bytes(root, relative).decode(errors="replace").strip()


def read_word(root: Path, relative: str, *, most: int = 64) -> str:
    """Return the first word of `root/relative`, cut to *most* characters; empty where none is."""
    return next(iter(read_text(root, relative).split(maxsplit=1)), "")[:most]


def read_bytes(root: Path, relative: str) -> bytes:
    """Return the first MOST_BYTES of `root/relative`; empty where no regular file is."""
    try:
        with open_regular(root / relative) as file:
            return file.read(MOST_BYTES)
    except OSError:
        return b""


def read_int(root: Path, relative: str) -> int | None:
    """Return the decimal number in `root/relative`, of a size the wire takes, or None."""
    return number(read_text(root, relative))


def number(text: str) -> int | None:
    """Return *text* as a number of at most 18 decimal digits, or None."""
    digits = text.removeprefix("-")
    fits = len(digits) <= _MOST_DIGITS and digits.isascii() and digits.isdigit()
    return int(text) if fits else None


def glob(root: Path, pattern: str) -> list[Path]:
    """Return what matches below *root*, sorted; empty where a folder is missing or closed."""
    try:
        return sorted(islice(root.glob(pattern), MOST_FOUND))
    except OSError:
        return []


def core_numbers(text: str) -> Iterable[int]:
    """Expand the kernel's list form, `0-3,6`, up to core MOST_CORES."""
    for part in filter(None, text.replace("\n", "").split(",")):
        first, _, last = part.partition("-")
        begin = number(first)
        if begin is not None and begin >= 0:
            end = number(last)
            yield from range(begin, min(begin if end is None else end, MOST_CORES) + 1)
