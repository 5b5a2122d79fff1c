"""
What the pool remembers, in small typed JSON files of the state directory.

All of it is cheap to lose: a file that is damaged, forged or of another format holds nothing. Of
a file of many entries, a bad one is left out alone.
"""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import msgspec

from rkd.durable import write_file
from rkd.outside import json_object, json_value, read_regular

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


def read_entries(path: Path, field: str, *, most_bytes: int) -> dict[str, object]:
    """Read the entries *path* keeps under *field*, for `sound` to judge; empty where none are."""
    try:
        held = json_value(read_regular(path, most_bytes=most_bytes), most_items=most_bytes)
    except (OSError, ValueError):
        return {}
    if not isinstance(held, dict) or held.get("format") != FORMAT:
        return {}
    entries = held.get(field)
    return entries if isinstance(entries, dict) else {}


def sound(entries: object, kind: type[_Note]) -> dict[str, _Note]:
    """Return those of *entries* that are a *kind* in whole characters; others are left out."""
    found: dict[str, _Note] = {}
    for key, value in entries.items() if isinstance(entries, dict) else ():
        with suppress(ValueError):
            json.dumps([key, value], ensure_ascii=False).encode()  # half a character is no text
            found[key] = msgspec.convert(value, kind)
    return found


def write_note(path: Path, note: object) -> None:
    """
    Write the dataclass *note*, whole or not at all, for the daemon alone; call off the loop.

    Raises:
        OSError: the state directory cannot be written.
    """
    text = json.dumps({"format": FORMAT, **msgspec.to_builtins(note)}, indent=1)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_file(path, text.encode(), mode=0o600)
