"""
What the governors were before they were raised, on disk below /run: a crash keeps it, a reboot not.

One line a clock: folder, governor, and for `userspace` the frequency it was fixed at.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rkd.durable import write_file
from rkd.outside import read_regular

MOST_BYTES: Final = 64 << 10


@dataclass(frozen=True, slots=True)
class Before:
    """
    How a clock was.

    Args:
        governor: who chose.
        speed: in the unit of the clock's files what `userspace` was told to hold; else empty.
    """

    governor: str
    speed: str = ""


class Saved:
    """
    The file; blocking, written whole or not at all.

    Args:
        path: where; its folder must exist.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> dict[str, Before]:
        """Return what is saved, by folder; lines that are none are left out."""
        try:
            text = read_regular(self._path, most_bytes=MOST_BYTES).decode(errors="replace")
        except OSError:
            return {}
        words = [line.split() for line in text.splitlines()]
        return {one[0]: Before(*one[1:]) for one in words if len(one) in {2, 3}}

    def write(self, saved: dict[str, Before]) -> None:
        """
        Save *saved*; nothing to save leaves no file.

        Raises:
            OSError: it is as before.
        """
        if not saved:
            self._path.unlink(missing_ok=True)
            return
        lines = [f"{folder} {one.governor} {one.speed}\n" for folder, one in saved.items()]
        write_file(self._path, "".join(lines).encode(), mode=0o644)
