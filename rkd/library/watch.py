"""
Tells the library that something happened in the models folder.

The kernel's events where it sees every change; on network file systems, where other machines
write unseen, and where inotify has no watches left, the folder is looked at every POLL_S instead.
Which folders are watched the scan says, which comes by them anyway (`cover`), before it lists
them: so nothing is missed, and no folder is walked twice.
"""

from __future__ import annotations

import asyncio
import errno
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from rkd.library import inotify
from rkd.library.inotify import Happening, Inotify

_log = structlog.get_logger(__name__)

Changed = Callable[[frozenset[str] | None, frozenset[Path]], None]
"""Takes names in the models folder (None: any) and the files whose writer closed them."""

POLL_S = 2.0
"""How often a folder is looked at that cannot be watched; QUIET_S is no shorter."""

PAUSE_S = 0.05
"""So long events collect in the kernel, which joins equal ones: a copy makes thousands."""

NETWORK = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "fuse.sshfs"}
    | {"fuse.glusterfs", "fuse.rclone", "fuse.s3fs", "ncpfs", "virtiofs", "vboxsf"}
)
"""File systems whose changes may come from other machines, unseen by inotify."""

_NO_MORE = frozenset({errno.ENOSPC, errno.ENOMEM, errno.EMFILE, errno.ENFILE})
_ARRIVED = inotify.CLOSE_WRITE | inotify.MOVED_TO
_CAME = inotify.CREATE | inotify.MOVED_TO
_WENT = inotify.DELETE_SELF | inotify.MOVE_SELF | inotify.UNMOUNT | inotify.IGNORED


@dataclass(slots=True)
class _Heard:
    """
    What some events mean.

    Args:
        lost: events are missing, or the models folder itself went.
        made: folders that appeared in it.
    """

    names: set[str] = field(default_factory=set)
    closed: set[Path] = field(default_factory=set)
    made: list[str] = field(default_factory=list)
    lost: bool = False


class Watch:
    """
    One watched models folder.

    Args:
        root: the folder, which exists.
        changed: called on the event loop, soon after something happened.
        poll: do not trust the kernel's events.
        poll_s: how often to look then.
        kernel: makes the instance of inotify.
    """

    def __init__(
        self,
        root: Path,
        changed: Changed,
        *,
        poll: bool = False,
        poll_s: float = POLL_S,
        kernel: Callable[[], Inotify] = Inotify,
    ) -> None:
        self._root = str(root)
        self._changed = changed
        self._poll = poll
        self._poll_s = poll_s
        self._make = kernel
        self._kernel: Inotify | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pause: asyncio.TimerHandle | None = None
        self._poller: asyncio.Task[None] | None = None
        self._tables = threading.Lock()
        self._watches: dict[str, int] = {}
        self._folders: dict[int, tuple[str, ...]] = {}
        """Several where a link leads to a folder that is here, too, or a folder was renamed."""

    @property
    def tells_all(self) -> bool:
        """True when every change is told that is not told yet."""
        return self._kernel is not None and not self._kernel.more

    @property
    def polling(self) -> bool:
        """True when the folder is looked at again and again instead of being watched."""
        return self._poller is not None

    async def start(self) -> None:
        """Begin, and have everything looked at once: from here on nothing is missed."""
        self._loop = asyncio.get_running_loop()
        if not self._poll:
            try:
                self._kernel = await asyncio.to_thread(self._observe)
            except OSError as error:  # no inotify instance or no watches left
                self._say(error)
        if self._kernel is None:
            self._begin_polling()
        else:
            self._loop.add_reader(self._kernel.fileno(), self._woken)
        self._changed(None, frozenset())

    async def close(self) -> None:
        """Stop; nothing is called afterwards."""
        self._give_up()
        if self._poller is not None:
            self._poller.cancel()
            await asyncio.wait({self._poller})

    def cover(self, folder: str) -> None:
        """
        Watch *folder*, the models folder or one below, from before it is listed; from any thread.

        One that went meanwhile, or may not be read, is none to watch. Where no watch is left,
        the whole models folder is polled from now on.
        """
        kernel = self._kernel
        if kernel is None:
            return
        watch = None
        try:
            # Outside of the lock, since a slow disk is asked. What the loop reads of this watch
            # before it is in the tables happened before the folder is listed.
            watch = kernel.add(folder)
        except OSError as error:
            if error.errno in _NO_MORE and self._loop is not None:
                self._loop.call_soon_threadsafe(self._fall_back, error)
        with self._tables:
            if self._watches.get(folder) == watch:
                return
            self._uncover(folder)
            if watch is not None:
                self._watches[folder] = watch
                self._folders[watch] = (*self._folders.get(watch, ()), folder)

    def forget(self, entries: Iterable[str]) -> None:
        """
        Watch no longer what is below these *entries* of the models folder; from any thread.

        The watches of a folder that was deleted have gone with it, those of one that was moved
        elsewhere have not.
        """
        with self._tables:
            moved = {name for name in entries if f"{self._root}/{name}" in self._watches}
            if moved:
                for folder in [one for one in self._watches if self._entry(one) in moved]:
                    self._uncover(folder)

    def drain(self) -> None:
        """Tell now what happened until now; on the event loop."""
        if self._kernel is None:
            return
        told = self._kernel.read()
        with self._tables:
            heard = self._meaning(told)
        for folder in heard.made:
            self.cover(folder)
        if heard.lost:
            self._changed(None, frozenset())
        if heard.names:
            self._changed(frozenset(heard.names), frozenset(heard.closed))

    def _observe(self) -> Inotify:
        kernel = self._make()
        try:
            watch = kernel.add(self._root)
        except BaseException:
            kernel.close()
            raise
        self._watches[self._root] = watch
        self._folders[watch] = (self._root,)
        return kernel

    def _woken(self) -> None:
        """Tell, and let the next events collect for a moment: a copy makes a crowd of them."""
        if self._kernel is None or self._loop is None:
            return
        self._loop.remove_reader(self._kernel.fileno())
        self.drain()
        self._pause = self._loop.call_later(PAUSE_S, self._listen)

    def _listen(self) -> None:
        if self._kernel is not None and self._loop is not None:
            self._loop.add_reader(self._kernel.fileno(), self._woken)

    def _meaning(self, told: list[Happening]) -> _Heard:
        """Turn events into entries of the models folder, and files that arrived."""
        heard = _Heard()
        for one in told:
            if one.mask & inotify.Q_OVERFLOW:
                heard.lost = True
            for folder in self._folders.get(one.watch, ()):
                self._take_down(heard, one, folder)
            if one.mask & inotify.IGNORED:
                for folder in self._folders.pop(one.watch, ()):
                    self._watches.pop(folder, None)
        return heard

    def _take_down(self, heard: _Heard, one: Happening, folder: str) -> None:
        at_root = folder == self._root
        if at_root and one.mask & _WENT:
            heard.lost = True
        name = one.name if at_root else self._entry(folder)
        if not name or name.startswith("."):  # hidden ones are staging
            return
        heard.names.add(name)
        if one.mask & inotify.ISDIR:
            if at_root and one.mask & _CAME:
                heard.made.append(f"{folder}/{name}")
        elif one.mask & _ARRIVED:
            heard.closed.add(Path(folder, one.name))

    def _entry(self, folder: str) -> str:
        """Return the entry of the models folder *folder* lies in; "" for itself."""
        return folder[len(self._root) + 1 :].split("/", 1)[0]

    def _uncover(self, folder: str) -> None:
        """Take *folder* from the tables; its watch goes with the last folder of it."""
        watch = self._watches.pop(folder, None)
        if watch is None:
            return
        others = tuple(one for one in self._folders.get(watch, ()) if one != folder)
        if others:
            self._folders[watch] = others
        elif self._folders.pop(watch, None) and self._kernel is not None:
            self._kernel.remove(watch)

    def _give_up(self) -> None:
        if self._pause is not None:
            self._pause.cancel()
        with self._tables:
            kernel, self._kernel = self._kernel, None
            self._watches.clear()
            self._folders.clear()
        if kernel is not None and self._loop is not None:
            self._loop.remove_reader(kernel.fileno())
            kernel.close()

    def _fall_back(self, error: OSError) -> None:
        """Poll from now on: what cannot be watched whole is not watched."""
        if self._kernel is None:
            return
        self._say(error)
        self._give_up()
        self._begin_polling()
        self._changed(None, frozenset())

    def _begin_polling(self) -> None:
        self._poller = asyncio.create_task(self._look_again(), name="rkd-library-poll")

    def _say(self, error: OSError) -> None:
        _log.warning("watch.polling", folder=self._root, why=str(error))

    async def _look_again(self) -> None:
        while True:
            await asyncio.sleep(self._poll_s)
            self._changed(None, frozenset())


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
