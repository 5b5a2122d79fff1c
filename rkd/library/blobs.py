"""
Uploaded files by their digest, kept in `<models>/.rkd-blobs` until a create takes them.

The store lies on the models' file system, so that taking a blob is a hard link. An upload is
resumable: what was received is kept under `<digest>.partial`, and the next upload goes on there.
Blocking; calls for one digest come one at a time (see `Receiving`).
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import stat
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from rkd.durable import Step, disk_is_full, no_step, sync_folder
from rkd.errors import (
    DataLossError,
    InvalidInputError,
    Reason,
    RkdError,
    Violation,
    bad_field,
)
from rkd.library import refusals
from rkd.library.copying import link_or_copy
from rkd.library.integrity import sha256_of
from rkd.library.provenance import DIGEST
from rkd.outside import NotRegularError, quoted

FOLDER = ".rkd-blobs"
RESERVE_BYTES = 256 << 20
"""Disk space an upload leaves free, so that a board with one partition goes on living."""

KEEP_WHOLE_S = 24 * 3600.0
KEEP_PARTIAL_S = 7 * 24 * 3600.0
"""Unclaimed blobs are swept when older: a create follows its upload within minutes, an
interrupted upload may wait for a weekend to end."""

_OURS = re.compile(r"[0-9a-f]{1,64}(\.partial)?")
_PROVEN_FILES = 256
"""Of so many files of models it is remembered what they hash to."""
_SYNC_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class Standing:
    """How much of a blob is held and safe."""

    committed_bytes: int
    complete: bool


def check_digest(digest: str, *, field_name: str = "digest") -> str:
    """
    Return the 64 hex digits of `sha256:<hex>`.

    Raises:
        InvalidInputError: INVALID_FIELD.
    """
    if not DIGEST.fullmatch(digest):
        what = f"{quoted(digest)} is not `sha256:` and 64 lower-case hex digits"
        raise bad_field(field_name, what, what, remedy="Send the SHA-256 of the whole file.")
    return digest.removeprefix("sha256:")


class Blobs:
    """
    The upload store of one models folder.

    Args:
        root: the models folder.
        known: finds a file of a model by its recorded digest, None when there is none; so a file
            that a model already has is not sent again. A record may be anybody's, so the file is
            hashed before it counts.
        reserve_bytes: what an upload leaves free.
        free_bytes: free space of the file system; injectable for tests.
        check_writable: raises where nothing may be changed in the models folder.
    """

    def __init__(
        self,
        root: Path,
        *,
        known: Callable[[str], Path | None] = lambda _digest: None,
        reserve_bytes: int = RESERVE_BYTES,
        free_bytes: Callable[[Path], int] = lambda path: shutil.disk_usage(path).free,
        check_writable: Callable[[], None] = lambda: None,
        step: Step = no_step,
    ) -> None:
        self.root = root
        self._folder = root / FOLDER
        self._closed = threading.Event()
        self._proven: dict[tuple[int, int, int], str] = {}
        self._check_writable = check_writable
        self.reserve_bytes = reserve_bytes
        self._open: dict[str, Receiving] = {}
        self._known = known
        self._free_bytes = free_bytes
        self._step = step

    def close(self) -> None:
        """Hash no further: the daemon stops."""
        self._closed.set()

    def path_of(self, digest: str) -> Path | None:
        """
        Find the whole file of *digest*, in the store or among the models; None if not held.

        A model's file is read whole the first time. Call it off the event loop.
        """
        blob = self._folder / check_digest(digest)
        if _size(blob) is not None and not self._folder.is_symlink():
            return blob
        path = self._known(digest)
        return path if path is not None and self._proves(path, digest) else None

    def standing(self, digest: str) -> Standing:
        """Say how much of *digest* is held."""
        whole = self.path_of(digest)
        if whole is not None:
            return Standing(whole.stat().st_size, complete=True)
        return Standing(_size(self._partial(digest)) or 0, complete=False)

    def check_room(self, digest: str, size_bytes: int) -> None:
        """
        Check that what is missing of *digest* fits on the disk.

        Raises:
            InvalidInputError: INVALID_FIELD for an impossible size.
            ExhaustedError: DISK_FULL.
        """
        if size_bytes <= 0:
            what = f"size_bytes is {size_bytes}, a file has at least one byte"
            raise bad_field("size_bytes", what, what)
        self._check_writable()
        self._folder.mkdir(exist_ok=True)
        if self._folder.is_symlink():
            raise NotRegularError("it is a link, and uploads go nowhere else", self._folder)
        free = self._free_bytes(self._folder)
        wanted_bytes = size_bytes - self.standing(digest).committed_bytes
        if wanted_bytes + self.reserve_bytes > free:
            raise refusals.full(self._folder.parent, wanted_bytes, free)

    def receive(self, digest: str, size_bytes: int, offset_bytes: int) -> Receiving:
        """
        Begin or go on receiving *digest* at *offset_bytes*.

        The newest upload of a digest takes over: the older one is mostly a client that is gone
        already, and its next write is refused.

        Raises:
            InvalidInputError: UPLOAD_OFFSET when that is not where the store stands (metadata
                `committed_bytes` says where), INVALID_FIELD for an impossible size.
            ExhaustedError: DISK_FULL, before the first byte.
        """
        self.check_room(digest, size_bytes)
        partial = self._partial(digest)
        older = self._open.pop(digest, None)
        if older is not None:
            older.abandon()
        held = _size(partial) or 0
        if held > size_bytes or (held == 0 and os.path.lexists(partial)):
            partial.unlink()  # another size under the same digest, or no file at all
            held = 0
        if offset_bytes != held:
            raise wrong_offset(offset_bytes, held)
        self._step("receive")
        blob = self._folder / check_digest(digest)
        receiving = Receiving(_append_to(partial), partial, blob, size_bytes, self._step)
        self._open[digest] = receiving
        return receiving

    def take(self, digest: str, target: Path) -> None:
        """
        Put the file of *digest* at *target* without copying where the file system can.

        Raises:
            InvalidInputError: INVALID_FIELD when it was never uploaded.
        """
        source = self.path_of(digest)
        if source is None:
            what = f"{digest} was not uploaded"
            raise InvalidInputError(
                Reason.INVALID_FIELD,
                what,
                remedy="Upload it first, then create.",
                metadata={"digest": digest},
                violations=(Violation("files", what),),
            )
        link_or_copy(source, target)

    def drop(self, digests: Iterable[str]) -> None:
        """
        Forget blobs that a create has used.

        One that no model holds, because it was converted, stays until it is swept, so that another
        create of the same files sends nothing; but never more than half of what is free.
        """
        self._check_writable()
        blobs = {digest: self._folder / check_digest(digest) for digest in digests}
        spare = {d: size for d, blob in blobs.items() if (size := self._spare_bytes(d, blob))}
        if spare and sum(spare.values()) > self._free_bytes(self._folder) // 2:
            spare = {}
        for digest, blob in blobs.items():
            if digest in spare:
                os.utime(blob)
            else:
                blob.unlink(missing_ok=True)

    def _spare_bytes(self, digest: str, blob: Path) -> int:
        """Return the size of *blob* when nobody else holds it, else 0."""
        with contextlib.suppress(OSError):
            status = blob.lstat()
            if status.st_nlink == 1 and self._known(digest) is None:
                return status.st_size
        return 0

    def sweep(self, now_s: float | None = None) -> tuple[str, ...]:
        """Remove what nobody claimed for long; returns the names."""
        now_s = time.time() if now_s is None else now_s
        swept = []
        for path in sorted(self._folder.glob("*")) if not self._folder.is_symlink() else ():
            keep_s = KEEP_PARTIAL_S if path.suffix == ".partial" else KEEP_WHOLE_S
            with contextlib.suppress(OSError):
                if _OURS.fullmatch(path.name) and now_s - path.lstat().st_mtime > keep_s:
                    path.unlink()
                    swept.append(path.name)
        return tuple(swept)

    def _go_on(self, _bytes: int) -> None:
        if self._closed.is_set():
            raise InterruptedError("the daemon stops")

    def _proves(self, path: Path, digest: str) -> bool:
        """Hash *path*, once as long as nobody changes it, and compare."""
        try:
            status = path.stat()
            key = (status.st_ino, status.st_size, status.st_mtime_ns)
            if key not in self._proven:
                if len(self._proven) >= _PROVEN_FILES:
                    self._proven.clear()
                self._proven[key] = sha256_of(path, advance=self._go_on)
        except OSError:
            return False
        return self._proven[key] == digest

    def _partial(self, digest: str) -> Path:
        return self._folder / f"{check_digest(digest)}.partial"


class Receiving:
    """
    One upload under way; belongs to the stream that brings the bytes.

    Raises of all methods: ExhaustedError DISK_FULL when the disk fills up all the same; what was
    received stays for the next try.
    """

    def __init__(
        self, file: BinaryIO, partial: Path, blob: Path, size_bytes: int, step: Step
    ) -> None:
        self._file = file
        self._partial = partial
        self._blob = blob
        self._size_bytes = size_bytes
        self._step = step
        self._held_bytes = file.tell()
        self._unsynced_bytes = 0
        self._hash = hashlib.sha256() if self._held_bytes == 0 else None

    @property
    def held_bytes(self) -> int:
        """Where the next piece belongs."""
        return self._held_bytes

    def write(self, offset_bytes: int, data: bytes) -> None:
        """
        Append *data*, which belongs at *offset_bytes*.

        Raises:
            InvalidInputError: UPLOAD_OFFSET for a gap, an overlap or more than the size said.
        """
        if self._file.closed or offset_bytes != self._held_bytes:
            raise wrong_offset(offset_bytes, self._held_bytes)
        if self._held_bytes + len(data) > self._size_bytes:
            raise wrong_offset(
                offset_bytes + len(data), self._held_bytes, beyond_bytes=self._size_bytes
            )
        self._step("write")
        try:
            self._file.write(data)
        except OSError as error:
            raise _no_space(self._partial, error, len(data)) from error
        self._held_bytes += len(data)
        self._unsynced_bytes += len(data)
        if self._hash is not None:
            self._hash.update(data)
        if self._unsynced_bytes >= _SYNC_BYTES:
            self._sync()

    def abandon(self) -> None:
        """Give up in favour of a newer upload; what was received stays."""
        with contextlib.suppress(OSError):
            self._file.close()

    def close(self) -> Standing:
        """
        Make everything received safe; a file that is whole is checked and enters the store.

        Raises:
            DataLossError: DIGEST_MISMATCH; the bytes are thrown away.
        """
        if self._file.closed:
            return Standing(self._held_bytes, _size(self._blob) is not None)
        self._step("sync")
        self._sync()
        self._file.close()
        if self._held_bytes < self._size_bytes:
            return Standing(self._held_bytes, complete=False)
        digest = self._hash.hexdigest() if self._hash else sha256_of(self._partial)
        found = digest.removeprefix("sha256:")
        if found != self._blob.name:
            self._partial.unlink()
            raise DataLossError(
                Reason.DIGEST_MISMATCH,
                f"the uploaded file hashes to sha256:{found}, not to sha256:{self._blob.name}",
                remedy="Upload it again from the start; check the file at its source.",
                metadata={"expected": f"sha256:{self._blob.name}", "found": f"sha256:{found}"},
            )
        self._step("enter store")
        self._partial.replace(self._blob)
        sync_folder(self._blob.parent)
        return Standing(self._held_bytes, complete=True)

    def _sync(self) -> None:
        try:
            self._file.flush()
            os.fdatasync(self._file.fileno())
        except OSError as error:
            raise _no_space(self._partial, error, self._unsynced_bytes) from error
        self._unsynced_bytes = 0


def wrong_offset(
    offset_bytes: int, committed_bytes: int, *, beyond_bytes: int | None = None
) -> InvalidInputError:
    """Build UPLOAD_OFFSET, which tells the client where to go on."""
    what = (
        f"the upload stands at byte {committed_bytes}, not at {offset_bytes}"
        if beyond_bytes is None
        else f"the upload reaches byte {offset_bytes}, beyond its size of {beyond_bytes}"
    )
    return InvalidInputError(
        Reason.UPLOAD_OFFSET,
        what,
        remedy=f"Go on at byte {committed_bytes}.",
        metadata={"committed_bytes": str(committed_bytes)},
        violations=(Violation("offset_bytes", what),),
    )


def _no_space(partial: Path, error: OSError, wanted_bytes: int) -> RkdError | OSError:
    if not disk_is_full(error):
        return error
    free_bytes = shutil.disk_usage(partial.parent).free
    return refusals.full(partial.parent.parent, wanted_bytes, free_bytes)


def _size(path: Path) -> int | None:
    """Return the size of a regular file of the store; links are none."""
    try:
        status = path.lstat()
    except OSError:
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None


def _append_to(partial: Path) -> BinaryIO:
    """Open a file of the store for appending; never what a link leads to."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    return os.fdopen(os.open(partial, flags, 0o666), "ab")
