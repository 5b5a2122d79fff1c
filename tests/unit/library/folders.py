"""Model folders for the tests of the library."""

from __future__ import annotations

import os
from pathlib import Path

LONG_AGO = 1_700_000_000


def put(path: Path, content: bytes | str = b"weights", *, age: float = LONG_AGO) -> Path:
    """Write a file that has been quiet for long."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    os.utime(path, (age, age))
    return path


def tree(root: Path) -> dict[str, bytes]:
    """Every visible file below *root* by its path."""
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and not path.relative_to(root).parts[0].startswith(".")
    }


def entries(root: Path) -> list[str]:
    """Everything in *root*, hidden or not, by name."""
    return sorted(path.name for path in root.iterdir())
