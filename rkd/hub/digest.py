"""
Hash bytes while they arrive, in a thread beside the one that receives and writes them.

Hashing in line halves the throughput on a fast link: measured on loopback 480 MB/s in line and
880 MB/s beside, curl 830-1170 MB/s, 2-core x86-64, 2026-11.
"""

from __future__ import annotations

import hashlib
import os
import queue
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Self

from rkd.outside import open_regular

_WAITING_CHUNKS = 64
"""Chunks between receiver and hasher; at 64 KiB each, 4 MiB."""

_READ_BYTES = 1 << 20


class Digest:
    """
    A sha256, or git's sha1 of a blob, fed from one thread; use as a context manager.

    Args:
        algorithm: `sha256`, or `git-sha1`: sha1 of `blob <size>` NUL and the bytes, which is how
            the hub names small files.
        size_bytes: of the whole file, for git's header.
    """

    def __init__(self, algorithm: str, size_bytes: int) -> None:
        if algorithm == "git-sha1":
            self._hash = hashlib.sha1(b"blob %d\0" % size_bytes, usedforsecurity=False)
        else:
            self._hash = hashlib.new(algorithm)
        self._chunks: queue.Queue[bytes | None] = queue.Queue(_WAITING_CHUNKS)
        self._thread = threading.Thread(target=self._run, name="rkd-digest", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def update(self, chunk: bytes) -> None:
        """Take the next bytes; waits while the hasher is behind."""
        self._chunks.put(chunk)

    def update_from(
        self, descriptor: int, size_bytes: int, check: Callable[[], None] = lambda: None
    ) -> None:
        """
        Take the first *size_bytes* of what an open file holds already.

        Args:
            descriptor: open for reading; where it stands is left as it is.
            size_bytes: how much to take; less where the file ends before.
            check: called before each piece; ends the reading by raising.
        """
        at_bytes = 0
        while at_bytes < size_bytes:
            check()
            chunk = os.pread(descriptor, min(_READ_BYTES, size_bytes - at_bytes), at_bytes)
            if not chunk:
                return
            self.update(chunk)
            at_bytes += len(chunk)

    def hexdigest(self) -> str:
        """End, and return the digest of everything taken."""
        self._end()
        return self._hash.hexdigest()

    def _end(self) -> None:
        if self._thread.is_alive():
            self._chunks.put(None)
            self._thread.join()

    def _run(self) -> None:
        while (chunk := self._chunks.get()) is not None:
            self._hash.update(chunk)


def digest_of(path: Path, algorithm: str) -> str:
    """Hash a whole regular file on disk, `sha256` or `git-sha1`."""
    with open_regular(path) as file:
        size_bytes = os.fstat(file.fileno()).st_size
        with Digest(algorithm, size_bytes) as digest:
            digest.update_from(file.fileno(), size_bytes)
            return digest.hexdigest()
