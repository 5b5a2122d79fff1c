"""Reading small kernel files under a root that tests replace; absence is no error."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path


def read_text(root: Path, relative: str) -> str:
    """Return the text of `root/relative`, stripped; empty when it cannot be read."""
    return read_bytes(root, relative).decode(errors="replace").strip()


def read_bytes(root: Path, relative: str) -> bytes:
    """Return the bytes of `root/relative`; empty when it cannot be read."""
    try:
        return (root / relative).read_bytes()
    except OSError:
        return b""


def read_int(root: Path, relative: str) -> int | None:
    """Return the decimal number in `root/relative`, or None."""
    text = read_text(root, relative)
    return int(text) if text.removeprefix("-").isdigit() else None


def glob(root: Path, pattern: str) -> list[Path]:
    """Return what matches below *root*, sorted; empty where a folder is missing or closed."""
    try:
        return sorted(root.glob(pattern))
    except OSError:
        return []


def core_numbers(text: str) -> Iterable[int]:
    """Expand the kernel's list form, `0-3,6`."""
    for part in filter(None, text.replace("\n", "").split(",")):
        first, _, last = part.partition("-")
        if first.isdigit():
            yield from range(int(first), int(last if last.isdigit() else first) + 1)
