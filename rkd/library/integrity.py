"""Digests of files: computed in pieces, with progress, and compared with what is recorded."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rkd.library.belonging import open_own
from rkd.library.layout import format_of
from rkd.outside import NotRegularError, open_regular, shown

_PIECE_BYTES = 4 << 20

Advance = Callable[[int], None]
"""Called with the number of bytes of each piece; raising ends the work."""


def no_advance(_bytes: int) -> None:
    """Go on, whoever waits."""


@dataclass(frozen=True, slots=True)
class FileFinding:
    """
    What verifying one file found.

    Args:
        digest: `sha256:<hex>` of what is on disk, "" when it cannot be read.
        recorded: the digest it should have, "" when none was recorded.
    """

    file: str
    digest: str
    recorded: str
    problem: str = ""

    @property
    def holds(self) -> bool:
        """True unless something is wrong; a file without a record has nothing to break."""
        return not self.problem

    def __str__(self) -> str:
        return f"{shown(self.file)}: {self.problem or ('ok' if self.recorded else 'recorded now')}"


def sha256_of(
    path: Path,
    *,
    folder: Path | None = None,
    advance: Advance = no_advance,
) -> str:
    """
    Hash the regular file *path* and return `sha256:<hex>`.

    Args:
        path: the file.
        folder: the model's folder it has to belong to.
        advance: called with the number of bytes of each piece; raising stops the work.
    """
    state = hashlib.sha256()
    with open_own(path, folder) if folder else open_regular(path) as file:
        while piece := file.read(_PIECE_BYTES):
            state.update(piece)
            advance(len(piece))
    return f"sha256:{state.hexdigest()}"


def verify(
    folder: Path,
    recorded: dict[str, str],
    *,
    advance: Advance = no_advance,
) -> Iterator[FileFinding]:
    """Read every weights file and every recorded file of *folder*, one finding each."""
    weights = {path.name for path in folder.iterdir() if format_of(path.name) and not path.is_dir()}
    for name in sorted(weights | set(recorded)):
        expected = recorded.get(name, "")
        try:
            found = sha256_of(folder / name, folder=folder, advance=advance)
        except FileNotFoundError:
            yield FileFinding(name, "", expected, "missing")
        except NotRegularError as error:
            yield FileFinding(name, "", expected, error.what)
        except InterruptedError:
            raise
        except OSError as error:
            yield FileFinding(name, "", expected, f"cannot be read: {error.strerror}")
        else:
            wrong = bool(expected) and found != expected
            yield FileFinding(name, found, expected, f"is {found}, not {expected}" if wrong else "")
