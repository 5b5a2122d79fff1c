"""
The kernel's inotify: which folders are watched, and what happened in them.

Declarations after inotify(7) and <sys/inotify.h>. No thread of its own: whoever has the file
descriptor waits for it to become readable.
"""

from __future__ import annotations

import ctypes
import os
import struct
from dataclasses import dataclass

MODIFY = 0x00000002
ATTRIB = 0x00000004
CLOSE_WRITE = 0x00000008
MOVED_FROM = 0x00000040
MOVED_TO = 0x00000080
CREATE = 0x00000100
DELETE = 0x00000200
DELETE_SELF = 0x00000400
MOVE_SELF = 0x00000800
UNMOUNT = 0x00002000
Q_OVERFLOW = 0x00004000
"""The kernel's queue was full: events are lost, and nobody can say of what."""
IGNORED = 0x00008000
"""The watch is gone, with its folder or because it was taken away."""
ONLYDIR = 0x01000000
EXCL_UNLINK = 0x04000000
ISDIR = 0x40000000

_WANTED = (
    (MODIFY | ATTRIB | CLOSE_WRITE | MOVED_FROM | MOVED_TO | CREATE | DELETE)
    | (DELETE_SELF | MOVE_SELF)
    | (ONLYDIR | EXCL_UNLINK)
)
"""Not the openings: every load of a model would be one."""

_HEAD = struct.Struct("iIII")
"""struct inotify_event: wd, mask, cookie, len; a name of len bytes follows, padded with NUL."""

_READ_BYTES = 64 << 10
_READS_AT_ONCE = 16
"""A megabyte of events is told at once, some ten thousand; what is left is told next."""


@dataclass(frozen=True, slots=True)
class Happening:
    """
    One event.

    Args:
        watch: the number `Inotify.add` gave; -1 for Q_OVERFLOW.
        mask: what it was, bits of this module.
        name: of the entry of the watched folder; "" for the folder itself.
    """

    watch: int
    mask: int
    name: str = ""


class Inotify:
    """
    One instance of inotify; `close` gives it back. Watches may be added from any thread.

    Raises:
        OSError: EMFILE, this user has no instance left.
    """

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor = self._called(self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
        self.more = False
        """The last `read` left something."""

    def fileno(self) -> int:
        """Return the descriptor, which is readable when something happened."""
        return self._descriptor

    def add(self, folder: str) -> int:
        """
        Watch *folder*; returns the number of its watch, the same for the same folder.

        Raises:
            OSError: ENOSPC or ENOMEM, no watch is left; else it is no folder one may read.
        """
        return self._called(
            self._libc.inotify_add_watch(self._descriptor, os.fsencode(folder), _WANTED)
        )

    def remove(self, watch: int) -> None:
        """Watch no longer; nothing happens when the watch is gone already."""
        self._libc.inotify_rm_watch(self._descriptor, watch)

    def read(self) -> list[Happening]:
        """Return what happened since, in order; nothing when nothing did."""
        told: list[Happening] = []
        self.more = True
        for _ in range(_READS_AT_ONCE):
            try:
                data = os.read(self._descriptor, _READ_BYTES)
            except BlockingIOError:
                self.more = False
                break
            told += _parsed(data)
        return told

    def close(self) -> None:
        """End every watch."""
        os.close(self._descriptor)

    def _called(self, result: int) -> int:
        if result < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        return result


def _parsed(data: bytes) -> list[Happening]:
    told, at = [], 0
    while at < len(data):
        watch, mask, _cookie, length = _HEAD.unpack_from(data, at)
        at += _HEAD.size
        name = data[at : at + length].rstrip(b"\0")
        told.append(Happening(watch, mask, os.fsdecode(name)))
        at += length
    return told
