"""The NPU's runtime library on disk: where it is and which version it says it is."""

from __future__ import annotations

import mmap
import re
from pathlib import Path
from typing import Final

from rkd.board.facts import RuntimeLibrary

LIBRARY_NAME: Final = "librkllmrt.so"

USUAL_FOLDERS: Final = (
    Path("/opt/rkd/lib"),
    Path("/usr/lib"),
    Path("/usr/local/lib"),
    Path("/usr/lib/aarch64-linux-gnu"),
)
"""Where vendors' images and their users put it."""

_VERSION = re.compile(rb"RKLLM SDK \(version: ([0-9][0-9A-Za-z.]{0,15})")
"""
The mark in the library's read-only data. There is no call that returns a version, and the
`rknn llm lib version` beside it is another component's. **Source:** the file of 1.2.1b1, and
published dumps of 1.2.0 and 1.3.1.
"""


def library_version(path: Path) -> str:
    """Return the version written in the library at *path* without loading it; empty if none."""
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            found = _VERSION.search(data)
            return found.group(1).decode() if found else ""
    except (OSError, ValueError):
        return ""  # absent, not readable, or an empty file


def find_libraries(
    configured: tuple[Path, ...], folders: tuple[Path, ...] = USUAL_FOLDERS
) -> tuple[RuntimeLibrary, ...]:
    """
    Return the libraries to offer: the configured ones as given, else what the usual folders hold.

    The same file reached by two names counts once.
    """
    if configured:
        return tuple(RuntimeLibrary(path, library_version(path)) for path in configured)
    found: dict[Path, RuntimeLibrary] = {}
    for path in (folder / LIBRARY_NAME for folder in folders):
        try:
            real = path.resolve(strict=True)
        except (OSError, RuntimeError):
            continue  # absent, or a loop of links
        found.setdefault(real, RuntimeLibrary(path, library_version(path)))
    return tuple(found.values())
