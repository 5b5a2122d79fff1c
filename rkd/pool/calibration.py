"""
How much memory models really took: kept by (model, context, runtime) in one small file.

An estimate is a guess from a header; the second load of the same thing uses what the first one
was seen to take. Losing the file costs accuracy and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rkd.pool.notes import read_entries, sound, write_note

MAX_ENTRIES = 512
"""The oldest entries leave first; more models than this on one board are not kept in mind."""
MAX_BYTES = 4 << 20
LARGEST_BYTES = (1 << 63) - 1
"""More is no measurement, and cannot be told to anybody."""


@dataclass(frozen=True, slots=True)
class _Taken:
    bytes: dict[str, int]


class Calibration:
    """
    Measured bytes by key; one loop owns it.

    Args:
        path: the file, in the state directory; it and its folder need not exist.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        held = sound(read_entries(path, "bytes", most_bytes=MAX_BYTES), int)
        self._bytes = {key: taken for key, taken in held.items() if 0 < taken <= LARGEST_BYTES}

    def measured(self, key: str) -> int | None:
        """What *key* was last seen to take, or None."""
        return self._bytes.get(key)

    def record(self, key: str, taken_bytes: int) -> bool:
        """Remember what *key* took; True when that is news worth saving."""
        if taken_bytes <= 0 or self._bytes.get(key) == taken_bytes:
            return False
        self._bytes.pop(key, None)
        self._bytes[key] = taken_bytes
        while len(self._bytes) > MAX_ENTRIES:
            del self._bytes[next(iter(self._bytes))]
        return True

    def save(self) -> None:
        """
        Write the file, whole or not at all; call off the loop.

        Raises:
            OSError: the state directory cannot be written.
        """
        write_note(self._path, _Taken(dict(self._bytes)))
