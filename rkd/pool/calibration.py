"""
How much memory models really took: kept by (model, context, runtime) in one small file.

An estimate is a guess from a header; the second load of the same thing uses what the first one
was seen to take. Losing the file costs accuracy and nothing else.
"""

from __future__ import annotations

import json
from pathlib import Path

from rkd.durable import write_file

FORMAT = 1
MAX_ENTRIES = 512
"""The oldest entries leave first; more models than this on one board are not kept in mind."""


class Calibration:
    """
    Measured bytes by key; one loop owns it.

    Args:
        path: the file, in the state directory; it and its folder need not exist.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._bytes: dict[str, int] = _read(path)

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
        text = json.dumps({"format": FORMAT, "bytes": dict(self._bytes)}, indent=1)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        write_file(self._path, text.encode(), mode=0o600)


def _read(path: Path) -> dict[str, int]:
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(held, dict) or held.get("format") != FORMAT:
        return {}
    entries = held.get("bytes")
    if not isinstance(entries, dict):
        return {}
    return {
        key: value
        for key, value in entries.items()
        if isinstance(value, int) and not isinstance(value, bool) and value > 0
    }
