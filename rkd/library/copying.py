"""
The same bytes under a second name: hard links, reflinks, and copies as the last resort.

Content is what matters: a file system that has no hard links, or refuses modes and times (exFAT,
NTFS, CIFS), gets a copy, and keeps of the rest what it can.
"""

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from rkd.library.belonging import open_own
from rkd.library.integrity import Advance, no_advance
from rkd.library.layout import format_of
from rkd.outside import NotRegularError, open_regular

_FICLONE = 0x40049409
"""Share all blocks of a file, copy on write. Source: linux/fs.h, _IOW(0x94, 9, int)."""
_COPY_BYTES = 4 << 20


def link_or_copy(source: Path, target: Path) -> None:
    """
    Make *target* have the bytes of *source*: a hard link, else shared blocks, else a copy.

    Raises:
        FileExistsError: *target* is there.
        NotRegularError: *source* is no regular file.
        OSError: reading or writing failed.
    """
    with open_regular(source) as whole:
        _link_or_copy(whole, source, target)


def clone_or_copy(source: Path, target: Path) -> None:
    """Make *target* a file of its own with the bytes of *source*, sharing blocks if possible."""
    with open_regular(source) as whole:
        _clone_or_copy(whole, target)


def copy_folder(source: Path, target: Path, advance: Advance = no_advance) -> None:
    """
    Fill the folder *target* with what the model in *source* consists of.

    Weights are linked; small files, which people edit in place, become files of their own. Hidden
    files other than the provenance stay behind, and so does what is no file of the model: links to
    nowhere and out of the folder, FIFOs, devices. *advance* gets the bytes of each piece that has
    to be copied; what it raises ends the work.
    """
    real = source.resolve()
    for parent, folders, files in os.walk(real):
        inside = target / Path(parent).relative_to(real)
        inside.mkdir(exist_ok=True)
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            if name.startswith(".") and name != ".rkd.json":
                continue
            path = Path(parent) / name
            try:
                whole = open_own(path, real)
            except OSError as error:
                if _is_nothing(error):
                    continue
                raise
            with whole:
                if format_of(name):
                    _link_or_copy(whole, path, inside / name, advance)
                else:
                    _clone_or_copy(whole, inside / name, advance)


def own_bytes(folder: Path) -> int:
    """Count the bytes that go when *folder* goes: what other folders share stays."""
    if folder.is_symlink():
        return 0
    total = 0
    for parent, _, files in os.walk(folder):
        for name in files:
            with suppress(FileNotFoundError):  # gone meanwhile
                status = os.lstat(os.path.join(parent, name))  # noqa: PTH118 - os.walk speaks strings
                total += status.st_size if status.st_nlink == 1 else 0
    return total


def _is_nothing(error: OSError) -> bool:
    """Whether what was to be opened is no file of the model, or went meanwhile."""
    return isinstance(error, NotRegularError) or error.errno in {errno.ENOENT, errno.ELOOP}


def _link_or_copy(
    whole: BinaryIO, source: Path, target: Path, advance: Advance = no_advance
) -> None:
    try:
        os.link(source.resolve(), target)
    except FileExistsError:
        raise
    except OSError:  # no hard links here, or not to other people's files, or another device
        _clone_or_copy(whole, target, advance)


def _clone_or_copy(whole: BinaryIO, target: Path, advance: Advance = no_advance) -> None:
    with target.open("xb") as fresh:
        try:
            fcntl.ioctl(fresh.fileno(), _FICLONE, whole.fileno())
        except OSError:
            while piece := whole.read(_COPY_BYTES):
                fresh.write(piece)
                advance(len(piece))
    status = os.fstat(whole.fileno())
    with suppress(OSError):
        target.chmod(status.st_mode & 0o777)
    with suppress(OSError):
        os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))
