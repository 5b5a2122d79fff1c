"""
Files that a user names: what a word leads to on this machine, and what is in it.

A word is longer than any path, holds a NUL, begins with nobody's home, leads into a folder that
may not be looked into, to a pipe nobody writes to or to a device without an end: who asks the file
system about it asks here, and is told instead of failing.
"""

from __future__ import annotations

import enum
import errno
import os
import secrets
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from rkd.outside import QUOTED_CHARACTERS, shown

_HANDED: Final = frozenset({Path("/dev/fd"), Path("/proc/self/fd")})
"""Where a shell puts what it hands over as a file: `<(command)`."""

_STDIN: Final = Path("/dev/stdin")


class FileKind(enum.Enum):
    """What there is under a path."""

    NOTHING = "nothing"
    FILE = "file"
    FOLDER = "folder"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Looked:
    """What there is, links followed; of nothing, *why*, where it is not just absent."""

    kind: FileKind
    why: str = ""


def place_of(word: str) -> Path:
    """Return where *word* leads: `~` is a home, and stays where it is nobody's."""
    return Path(os.path.expanduser(word))  # noqa: PTH111 - Path.expanduser fails for nobody's


def look(path: Path) -> Looked:
    """Tell what there is under *path*, whatever it is called; never fails."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return Looked(FileKind.NOTHING)
    except (OSError, ValueError) as error:
        return Looked(FileKind.NOTHING, why_not(error))
    if stat.S_ISREG(mode):
        return Looked(FileKind.FILE)
    return Looked(FileKind.FOLDER if stat.S_ISDIR(mode) else FileKind.OTHER)


def is_file(path: Path) -> bool:
    """Tell whether there is a regular file under *path*."""
    return look(path).kind is FileKind.FILE


def is_folder(path: Path) -> bool:
    """Tell whether there is a folder under *path*."""
    return look(path).kind is FileKind.FOLDER


def named(word: str | Path) -> str:
    """Return *word* as an error names it: on one line, its beginning where it is long."""
    text = shown(str(word)[: QUOTED_CHARACTERS + 1])
    return text if len(text) <= QUOTED_CHARACTERS else f"{text[:QUOTED_CHARACTERS]}…"


def why_not(error: OSError | ValueError) -> str:
    """Say in a few words why a file cannot be had."""
    if isinstance(error, UnicodeDecodeError):
        return "it is no UTF-8"
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return "no file has such a name"


def open_regular(path: Path) -> BinaryIO:
    """
    Open *path* to read it, if it is a file: a pipe would hold us for ever, a device has no end.

    Raises:
        OSError: it cannot be opened, or is something else.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except ValueError as error:  # NUL, or half a character
        raise OSError(errno.EINVAL, why_not(error), named(path)) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is no regular file", str(path))
    return os.fdopen(descriptor, "rb")


def read_bounded(path: Path, most_bytes: int) -> bytes:
    """
    Read the file at *path*, or one byte more than *most_bytes* of it; raises as `open_regular`.

    What a shell hands over as a file is a pipe of this process and is read as well.
    """
    handed = path.parent in _HANDED or path == _STDIN
    with path.open("rb") if handed else open_regular(path) as stream:
        return stream.read(most_bytes + 1)


def read_whole(path: Path, most_bytes: int) -> bytes:
    """
    Read the file at *path*, all of it.

    Raises:
        OSError: as `open_regular`; EFBIG, it is longer than *most_bytes*.
    """
    content = read_bounded(path, most_bytes)
    if len(content) > most_bytes:
        raise OSError(errno.EFBIG, f"it is longer than {most_bytes} bytes", str(path))
    return content


def write_whole(path: Path, text: str, *, mode: int = 0o666) -> None:
    """
    Write *text* as UTF-8 to *path*, whole or not at all; what was there before stays until then.

    A link is followed; a pipe or a device is written to as it is. *mode* (less the umask) is for a
    new file, one that exists keeps its own.

    Raises:
        OSError: nothing was changed; of a pipe or a device, the rest did not go.
    """
    content = text.encode("utf-8", "replace")
    try:
        if look(path).kind is FileKind.OTHER:
            path.write_bytes(content)
        else:
            _replace(Path(os.path.realpath(path)), content, mode)
    except ValueError as error:  # NUL, or half a character
        raise OSError(errno.EINVAL, why_not(error), named(path)) from error


def _replace(path: Path, content: bytes, mode: int) -> None:
    draft = path.with_name(f".{secrets.token_hex(8)}.new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            if is_file(path):
                os.fchmod(descriptor, stat.S_IMODE(path.stat().st_mode))
            file.write(content)
            file.flush()
            os.fsync(descriptor)  # some file systems tell only here that there is no room
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
