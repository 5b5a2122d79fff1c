"""What the file system of the models folder cannot do, found out by trying."""

from __future__ import annotations

import errno
import os
import secrets
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_PREFIX = ".rkd-trash-probe-"
"""A killed start leaves a file that the next one sweeps."""
_NOT_WRITABLE = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})


@dataclass(frozen=True, slots=True)
class Filesystem:
    """
    What a models folder lies on.

    Args:
        writable: files can be made there.
        links: hard links work, so that copies of a model share their weights.
    """

    writable: bool = True
    links: bool = True

    def __str__(self) -> str:
        if not self.writable:
            return "read-only: models are served as they are, and nothing can be changed"
        if not self.links:
            return "no hard links: copies of a model do not share their weights"
        return ""


def probe(root: Path) -> Filesystem:
    """Try in *root* what the library would like to do; what cannot be tried is taken as good."""
    first = root / f"{_PREFIX}{secrets.token_hex(4)}"
    second = first.with_name(f"{first.name}-2")
    try:
        os.close(os.open(first, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except OSError as error:
        return Filesystem(writable=error.errno not in _NOT_WRITABLE)
    try:
        os.link(first, second)
    except OSError:
        return Filesystem(links=False)
    finally:
        for path in (second, first):
            with suppress(OSError):
                path.unlink(missing_ok=True)
    return Filesystem()
