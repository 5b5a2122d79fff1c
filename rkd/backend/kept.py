"""Files of conversations: whether one is still what was written."""

from __future__ import annotations

import hashlib
from pathlib import Path

from rkd.session import SessionFile

LEAST_TOKENS = 32
"""A shorter conversation is read again as fast."""


def is_whole(file: SessionFile) -> bool:
    """Whether there is a file, with the content it was written with."""
    if not file.path:
        return False
    try:
        return digest_of(Path(file.path)) == file.sha256
    except OSError:
        return False


def digest_of(path: Path) -> str:
    """
    SHA-256 of a file, in hexadecimal.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
