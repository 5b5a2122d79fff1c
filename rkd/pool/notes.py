"""
What the pool remembers, in small typed JSON files of the state directory.

All of it is cheap to lose: a file that is damaged, forged or of another format holds nothing.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypeVar

import msgspec

from rkd.durable import write_file
from rkd.outside import json_object, read_regular

FORMAT = 1
"""Written into every file; one of another format is not guessed at."""

_Note = TypeVar("_Note")


def read_note(path: Path, kind: type[_Note], *, most_bytes: int) -> _Note | None:
    """Read the dataclass *kind* from *path*; None when nothing of that kind is to be had there."""
    try:
        content = read_regular(path, most_bytes=most_bytes)
        held = json_object(content, most_items=most_bytes)
        return msgspec.convert(held, kind) if held.get("format") == FORMAT else None
    except (OSError, ValueError):
        return None


def write_note(path: Path, note: object) -> None:
    """
    Write the dataclass *note*, whole or not at all, for the daemon alone; call off the loop.

    Raises:
        OSError: the state directory cannot be written.
    """
    text = json.dumps({"format": FORMAT, **msgspec.to_builtins(note)}, indent=1)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_file(path, text.encode(), mode=0o600)
