"""
Send files to the hub: repository, large files, commit; what the hub has is not sent again.

Blocking. The work is huggingface_hub's; progress, the retried commit and our errors are added.
"""

from __future__ import annotations

import contextlib
import functools
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rkd import shape
from rkd.hub.connection import Connection
from rkd.hub.stop import StopSign
from rkd.outside import shown_address

if TYPE_CHECKING:
    from huggingface_hub import CommitOperationAdd


_address = functools.partial(shape.line, most_bytes=1000)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A file to send: its path there, and its content here, as a file or as bytes."""

    path: str
    content: Path | bytes

    @property
    def size_bytes(self) -> int:
        """How much there is to send."""
        return len(self.content) if isinstance(self.content, bytes) else self.content.stat().st_size


class _Counted(io.BufferedReader):
    """
    Reads a file and tells how much of it was sent.

    The library reads every byte once to hash it before it reads to send: the first pass is not
    told. **Source**: huggingface_hub 2.4.0, measured 2026-08.
    """

    def __init__(self, path: Path, progress: Callable[[int], None], stop: StopSign) -> None:
        super().__init__(path.open("rb", buffering=0))
        self._size_bytes = path.stat().st_size
        self._read_bytes = 0
        self._progress = progress
        self._stop = stop

    def read(self, size: int | None = -1, /) -> bytes:
        """Read on, unless a stop was asked for."""
        self._stop.check()
        data = super().read(-1 if size is None else size)
        self._read_bytes += len(data)
        if self._read_bytes > self._size_bytes:
            self._progress(min(self._read_bytes - self._size_bytes, self._size_bytes))
        return data


def upload(
    connection: Connection,
    repository: str,
    files: Sequence[Outgoing],
    *,
    private: bool,
    message: str,
    progress: Callable[[str, int], None],
    stop: StopSign,
) -> str:
    """
    Send *files* as one commit; returns the commit's address.

    The repository is made when it is missing. Large files the hub has already are not sent; called
    again after a failure, it goes on with the first file that is not there.

    Args:
        connection: with a token that may write.
        repository: `user/repo`.
        files: what to send.
        private: how a new repository is made.
        message: of the commit.
        progress: told path and bytes that are there.
        stop: ends the call early.

    Raises:
        StoppedError: *stop* was set.
        RkdError: OFFLINE, HUB_UNREACHABLE, HUB_GATED, HUB_NOT_FOUND.
    """
    what = f"an upload to {repository}"
    connection.ask(
        lambda api: api.create_repo(repository, private=private, exist_ok=True),
        what=what,
        repository=repository,
    )
    operations: list[CommitOperationAdd] = []
    with contextlib.ExitStack() as opened:
        for file in files:
            stop.check()
            operations.append(_addition(file, progress, stop, opened))
            _send(connection, repository, operations[-1])
            progress(file.path, file.size_bytes)
        info = connection.ask(
            lambda api: api.create_commit(repository, operations, commit_message=message),
            what=what,
            repository=repository,
        )
    # The hub's own words: an address to be shown, or nothing.
    return shown_address(shape.either(_address, str(info.commit_url), ""))


def _addition(
    file: Outgoing,
    progress: Callable[[str, int], None],
    stop: StopSign,
    opened: contextlib.ExitStack,
) -> CommitOperationAdd:
    from huggingface_hub import CommitOperationAdd  # noqa: PLC0415 - 33 MB

    if isinstance(file.content, bytes):
        return CommitOperationAdd(path_in_repo=file.path, path_or_fileobj=file.content)
    told = functools.partial(progress, file.path)
    reader = opened.enter_context(_Counted(file.content, told, stop))
    return CommitOperationAdd(path_in_repo=file.path, path_or_fileobj=reader)


def _send(connection: Connection, repository: str, addition: CommitOperationAdd) -> None:
    """Send one file's content, if it is large; small ones travel with the commit."""
    connection.ask(
        lambda api: api.preupload_lfs_files(repository, [addition], free_memory=False),
        what=f"an upload to {repository}",
        repository=repository,
    )
