"""
Tells the library that something happened in the models folder.

inotify through watchdog where the kernel sees every change; on network file systems, where other
machines write unseen, and where inotify has no watches left, the folder is looked at every
POLL_S instead. The observer's threads only hand names over to the loop.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from pathlib import Path

import structlog
from watchdog.events import (
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver

_log = structlog.get_logger(__name__)

Changed = Callable[[frozenset[str] | None, frozenset[Path]], None]
"""Takes names in the models folder (None: any) and the files whose writer closed them."""

POLL_S = 2.0
"""How often a folder is looked at that cannot be watched; QUIET_S is no shorter."""

NETWORK = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "fuse.sshfs"}
    | {"fuse.glusterfs", "fuse.rclone", "fuse.s3fs", "ncpfs", "virtiofs", "vboxsf"}
)
"""File systems whose changes may come from other machines, unseen by inotify."""

_WANTED: list[type[FileSystemEvent]] = [
    FileCreatedEvent,
    FileModifiedEvent,
    FileClosedEvent,
    FileMovedEvent,
    FileDeletedEvent,
    DirCreatedEvent,
    DirMovedEvent,
    DirDeletedEvent,
]
"""Not the openings: every load of a model would be one."""


class Watch:
    """
    One watched models folder.

    Args:
        root: the folder, which exists.
        changed: called on the event loop, soon after something happened.
        poll: do not trust the kernel's events.
        poll_s: how often to look then.
    """

    def __init__(
        self, root: Path, changed: Changed, *, poll: bool = False, poll_s: float = POLL_S
    ) -> None:
        self._root = root
        self._changed = changed
        self._poll = poll
        self._poll_s = poll_s
        self._observer: BaseObserver | None = None
        self._poller: asyncio.Task[None] | None = None

    @property
    def polling(self) -> bool:
        """True when the folder is looked at again and again instead of being watched."""
        return self._poller is not None

    async def start(self) -> None:
        """Begin, and have everything looked at once: from here on nothing is missed."""
        loop = asyncio.get_running_loop()
        if not self._poll:
            try:
                self._observer = await asyncio.to_thread(self._observe, loop)
            except OSError as error:  # no inotify instance or no watches left
                _log.warning("watch.polling", folder=str(self._root), why=str(error))
        if self._observer is None:
            self._poller = asyncio.create_task(self._look_again(), name="rkd-library-poll")
        self._changed(None, frozenset())

    async def close(self) -> None:
        """Stop; nothing is called afterwards."""
        observer, self._observer = self._observer, None
        if observer is not None:
            observer.stop()
            await asyncio.to_thread(observer.join)
        if self._poller is not None:
            self._poller.cancel()
            await asyncio.wait({self._poller})

    def _observe(self, loop: asyncio.AbstractEventLoop) -> BaseObserver:
        # Says ERROR of an event that arrives while it is being stopped (watchdog 6.0).
        logging.getLogger("watchdog.observers.inotify").setLevel(logging.CRITICAL)
        observer = Observer()
        observer.name = "rkd-library-watch"
        handler = _Handler(self._root, loop, self._changed)
        observer.schedule(handler, str(self._root), recursive=True, event_filter=_WANTED)
        observer.start()
        return observer

    async def _look_again(self) -> None:
        while True:
            await asyncio.sleep(self._poll_s)
            self._changed(None, frozenset())


class _Handler(FileSystemEventHandler):
    """Turns watchdog's events into names; runs in the observer's thread."""

    def __init__(self, root: Path, loop: asyncio.AbstractEventLoop, changed: Changed) -> None:
        self._root = str(root)
        self._loop = loop
        self._changed = changed

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Hand over what *event* touched."""
        paths = [os.fsdecode(path) for path in (event.src_path, event.dest_path) if path]
        names = frozenset(name for name in map(self._entry, paths) if name)
        arrived = isinstance(event, FileClosedEvent | FileMovedEvent)
        closed = frozenset({Path(paths[-1])}) if arrived and paths else frozenset()
        if names and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._changed, names, closed)

    def _entry(self, path: str) -> str:
        """Return the entry of the models folder *path* lies in; "" for hidden ones and itself."""
        name = os.path.relpath(path, self._root).split(os.sep, 1)[0]
        return "" if name.startswith(".") else name


def is_network(root: Path, mounts: str) -> bool:
    """
    Whether *root* lies on a network file system.

    Args:
        root: absolute, links resolved.
        mounts: the text of /proc/self/mounts.
    """
    best, kind = "", ""
    for line in mounts.splitlines():
        fields = line.split(" ")
        if len(fields) < 3:  # noqa: PLR2004 - device, place, kind; see proc(5)
            continue
        place = fields[1].replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\")
        inside = root.is_relative_to(place)
        if inside and len(place) >= len(best):
            best, kind = place, fields[2]
    return kind in NETWORK
