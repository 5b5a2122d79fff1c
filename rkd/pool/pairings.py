"""
What came of NPU libraries and files together, in one small file of the state directory.

A library is known by its file's size and time, so that another one put in its place is a new one;
weights are known by their fingerprint, so that a copy or a new name makes no difference. Losing
the file costs every model one more first answer and nothing else; a damaged entry costs its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rkd.board.facts import RuntimeLibrary
from rkd.pool.deciding.runtimes import Came, Pairing
from rkd.pool.notes import read_entries, sound, write_note

MOST_FILES = 512
MOST_LIBRARIES = 16
"""Of each file; the oldest leave first."""
MAX_BYTES = 4 << 20
DETAIL_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class _Met:
    files: dict[str, dict[str, Pairing]]


class Pairings:
    """
    Pairings by fingerprint and library; one loop owns it.

    Args:
        path: the file; it and its folder need not exist. None keeps nothing on disk.
        board: kernel and driver: what went wrong under another one may go well under this.
        clock: seconds since 1970.
    """

    def __init__(
        self, path: Path | None, board: str = "", *, clock: Callable[[], float] = time.time
    ) -> None:
        self._path = path
        self._board = board
        self._clock = clock
        self._files = _read(path) if path else {}

    def of(self, fingerprint: str, library: RuntimeLibrary) -> Pairing | None:
        """What is known of the file with *library* as it now lies on disk."""
        here = self._files.get(fingerprint)
        if not here:
            return None
        stamp = stamp_of(library.path)
        known = here.get(stamp)
        if known is None or not known.good:
            return here.get(f"{stamp} {self._board}")
        return known

    def note(self, fingerprint: str, library: RuntimeLibrary, came: Came, detail: str = "") -> bool:
        """Remember what came of it; True when that is news worth saving."""
        if not fingerprint:
            return False
        before = self.of(fingerprint, library)
        if before is not None and not _is_news(before, came):
            return False
        times = before.times + 1 if before and before.came is came is Came.CRASHED else 1
        said = detail[:DETAIL_CHARACTERS]
        pairing = Pairing(library.version, came, times, said, self._clock())
        here = self._files.pop(fingerprint, {})
        stamp = stamp_of(library.path)
        for old in (stamp, f"{stamp} {self._board}"):
            here.pop(old, None)
        here[stamp if pairing.good else f"{stamp} {self._board}"] = pairing
        while len(here) > MOST_LIBRARIES:
            del here[next(iter(here))]
        self._files[fingerprint] = here
        while len(self._files) > MOST_FILES:
            del self._files[next(iter(self._files))]
        return True

    def forgive(self, fingerprint: str) -> bool:
        """
        Forget what went wrong with a file nothing gets on with; True when that is news.

        Somebody wants it tried. Where a library serves it, there is nothing to be tried for.
        """
        here = self._files.get(fingerprint, {})
        if not here or any(known.good for known in here.values()):
            return False
        del self._files[fingerprint]
        return True

    def save(self) -> None:
        """
        Write the file, whole or not at all; call off the loop.

        Raises:
            OSError: the state directory cannot be written.
        """
        if self._path is not None:
            known = {fingerprint: dict(here) for fingerprint, here in list(self._files.items())}
            write_note(self._path, _Met(known))


def _read(path: Path) -> dict[str, dict[str, Pairing]]:
    held = read_entries(path, "files", most_bytes=MAX_BYTES)
    files = {fingerprint: sound(here, Pairing) for fingerprint, here in sound(held, dict).items()}
    return {fingerprint: here for fingerprint, here in files.items() if here}


def stamp_of(path: Path) -> str:
    """Tell a library file from another that is put in its place; "gone" where there is none."""
    try:
        status = path.stat()
    except OSError:
        return "gone"
    return f"{status.st_size}-{status.st_mtime_ns}"


def _is_news(before: Pairing, came: Came) -> bool:
    """
    Whether to change what is known.

    A bad end after answers to people is a matter of what they asked, not of the library; and what
    is no text does not become one by being served.
    """
    if before.came is Came.SERVED or (before.came is Came.GARBAGE and came is Came.SERVED):
        return False
    return before.came is not came or came is Came.CRASHED
