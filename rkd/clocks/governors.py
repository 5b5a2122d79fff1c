"""
Raising governors, and putting them back as they were, whatever happens in between.

What a governor was is saved before it is touched; what somebody else chose since is left alone.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from rkd.board import tree
from rkd.board.clocks import FASTEST, NEARLY, layout_of, read_clocks
from rkd.board.facts import Clock, ClockKind
from rkd.clocks.saved import Before, Saved
from rkd.outside import irregular

FIXED: Final = "userspace"

INSTEAD: Final = (
    "rknpu_ondemand",
    "dmc_ondemand",
    "schedutil",
    "ondemand",
    "simple_ondemand",
    "conservative",
)
"""Where the one before cannot be had any more: what kernels begin with, better than full speed."""

Say = Callable[[str], None]
Write = Callable[[Path, str], None]


def write_word(path: Path, word: str) -> None:
    """
    Write *word* into the file *path*, which is there.

    Raises:
        OSError: it is not, may not be written, is no file, or the kernel refuses the word.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_TRUNC | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if kind := irregular(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, f"it is {kind}")
        os.write(descriptor, f"{word}\n".encode())
    finally:
        os.close(descriptor)


class Governors:
    """
    The governors below a root; one process at a time may use them, see `lock` in `__main__`.

    Args:
        root: `/`, but for tests and RKD_SYSROOT.
        saved: what they were.
        say: told once what cannot be done.
        write: writes a word into a file of the kernel's, or raises OSError.
    """

    def __init__(self, root: Path, saved: Saved, say: Say, write: Write | None = None) -> None:
        self._root = root
        self._saved = saved
        self._say = say
        self._write = write or write_word
        self._said: set[str] = set()

    def raise_all(self) -> None:
        """Save and raise every clock that is not saved yet and can gain; never raises an error."""
        before = self._saved.read()
        gaining = [
            one
            for one in read_clocks(self._root)
            if one.folder not in before and self._can_gain(one)
        ]
        if not gaining:
            return
        now = before | {one.folder: self._as_it_is(one) for one in gaining}
        if not self._save(now):
            return  # what cannot be put back is not touched
        refused = [one.folder for one in gaining if not self._set(one, FASTEST)]
        if refused:
            self._save({folder: one for folder, one in now.items() if folder not in refused})

    def restore(self) -> bool:
        """Put back what is saved; False when some of it is still at full speed against our will."""
        saved = self._saved.read()
        if not saved:
            return True
        clocks = {one.folder: one for one in read_clocks(self._root)}
        left = {
            folder: before
            for folder, before in saved.items()
            if not self._is_back(clocks.get(folder), before, folder)
        }
        return self._save(left) and not left

    def _is_back(self, clock: Clock | None, before: Before, folder: str) -> bool:
        if clock is None:  # gone with its driver; or it is there and tells nothing at the moment
            return not (self._root / folder).is_dir()
        return self._put_back(clock, before)

    def _can_gain(self, clock: Clock) -> bool:
        if not clock.governor or clock.governor == FASTEST:
            return False
        if clock.governors and FASTEST not in clock.governors:
            self._once(f"{clock.name}: this kernel has no governor {FASTEST}; it stays as it is")
            return False
        if clock.governor != FIXED or not clock.frequency_hz or not clock.limit_hz:
            return True
        return clock.frequency_hz < clock.limit_hz * NEARLY

    def _as_it_is(self, clock: Clock) -> Before:
        if clock.governor != FIXED or not clock.frequency_hz:
            return Before(clock.governor)
        return Before(clock.governor, str(clock.frequency_hz // layout_of(clock.kind).unit_hz))

    def _put_back(self, clock: Clock, before: Before) -> bool:
        if clock.governor not in {FASTEST, ""}:
            return True  # somebody chose since: it is his
        for governor in (before.governor, *INSTEAD):
            offered = governor in clock.governors or not clock.governors
            if offered and self._set(clock, governor):
                if before.speed and governor == FIXED:
                    self._fix(clock, before.speed)
                return True
        self._once(f"{clock.name}: {before.governor} cannot be put back; it is at full speed")
        return False

    def _set(self, clock: Clock, governor: str) -> bool:
        name = layout_of(clock.kind).governor
        trouble = self._told(f"{clock.folder}/{name}", governor)
        took = tree.read_word(self._root, f"{clock.folder}/{name}")
        if trouble or took != governor:
            self._once(f"{clock.name}: {governor} is refused ({trouble or f'it is {took}'})")
        return took == governor

    def _fix(self, clock: Clock, speed: str) -> None:
        """`userspace` begins at the speed it finds, which is the full one."""
        name = "scaling_setspeed" if clock.kind is ClockKind.CPU else "userspace/set_freq"
        if trouble := self._told(f"{clock.folder}/{name}", speed):
            self._once(f"{clock.name}: {speed} is refused ({trouble})")

    def _told(self, path: str, word: str) -> str:
        """Write *word*; return what went wrong, or ""."""
        try:
            self._write(self._root / path, word)
        except OSError as error:
            return error.strerror or str(error)
        return ""

    def _save(self, saved: dict[str, Before]) -> bool:
        try:
            self._saved.write(saved)
        except OSError as error:
            self._once(f"what the governors were cannot be saved: {error.strerror}")
            return False
        return True

    def _once(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            self._say(text)
