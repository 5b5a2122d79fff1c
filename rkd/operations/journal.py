"""
The operations on disk: one JSON file each, written whole or not at all.

Progress is not kept here: what is safe is in the parts themselves. What is read is believed as
little as anything else from outside: whoever can write the folder must not stop the daemon.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import msgspec
import structlog

from rkd import shape
from rkd.durable import disk_is_full, write_file
from rkd.errors import ExhaustedError, PreconditionError, Reason, RkdError
from rkd.operations.operation import Operation, Progress
from rkd.outside import escaped, json_object, read_regular

_log = structlog.get_logger(__name__)

_FORMAT = 1
"""Written into every file; a file of another format is set aside, not guessed at."""

LARGEST_BYTES = 16 << 20
"""Of one file: a create keeps its Modelfile and the names of 2,000 files, escaped."""

MOST_FILES = 1_000
"""Read at start, newest first; the daemon itself keeps some hundreds."""

MOST_BYTES = 64 << 20
"""Of all files read at start."""

_MOST_KEYS = 200
_ID = re.compile(r"(?:pull|create|push)-[0-9a-f]{8}")
_Result = TypeVar("_Result")


class Journal:
    """
    Keeps operations in a folder of the daemon's state; owns one thread, so writes keep order.

    Args:
        folder: made when missing; `<state>/operations`.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="rkd-journal")

    async def load(self) -> tuple[Operation, ...]:
        """Read every operation, oldest first; a damaged file is set aside and logged."""
        return await self._in_thread(self._load)

    async def save(self, operation: Operation) -> None:
        """
        Write *operation*; returns when it would survive a power cut.

        Raises:
            ExhaustedError: DISK_FULL; what was there before is unchanged.
            PreconditionError: CAPABILITY_UNSUPPORTED: the folder cannot be written at all.
        """
        await self._in_thread(partial(self._save, operation))

    async def settle(self, operation: Operation) -> None:
        """
        Write down how *operation* ended; where that cannot be done, leave nothing of it.

        What stayed behind as unfinished would begin anew at the next start. Never fails: an
        operation ends whatever the disk says.
        """
        await self._in_thread(partial(self._settle, operation))

    async def forget(self, operation_id: str) -> None:
        """Remove an operation nobody asks for any more; a folder that forbids it is logged."""
        await self._in_thread(partial(self._forget, operation_id))

    def close(self) -> None:
        """Finish what was begun and let the thread go."""
        self._thread.shutdown(wait=True)

    async def _in_thread(self, act: Callable[[], _Result]) -> _Result:
        # Shielded: a cancelled waiter must not take a write that is still queued with it.
        return await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._thread, act))

    def _path(self, operation_id: str) -> Path:
        return self._folder / f"{operation_id}.json"

    def _load(self) -> tuple[Operation, ...]:
        found = []
        for path in self._files():
            try:
                operation = from_json(
                    read_regular(path, most_bytes=LARGEST_BYTES, within=self._folder)
                )
                if f"{operation.id}.json" != path.name:
                    raise shape.UnlikeError(f"it holds {operation.id}")
                found.append(operation)
            except (OSError, ValueError) as error:
                self._set_aside(path, error)
        return tuple(sorted(found, key=lambda operation: (operation.created, operation.id)))

    def _files(self) -> Iterator[Path]:
        """Give what to read, newest first, as far as the bounds go."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with os.scandir(self._folder) as entries:
                known = [
                    (entry.stat(follow_symlinks=False), Path(entry.path))
                    for entry in entries
                    if entry.name.endswith(".json")
                ]
        except OSError as error:
            _log.warning("operations.unreadable", path=str(self._folder), error=error.strerror)
            return
        known.sort(key=lambda one: (-one[0].st_mtime_ns, one[1].name))
        total_bytes = 0
        for number, (status, path) in enumerate(known):
            total_bytes += min(status.st_size, LARGEST_BYTES)
            if number >= MOST_FILES or total_bytes > MOST_BYTES:
                _log.warning("operations.left", files=len(known) - number, after=path.name)
                return
            yield path

    def _set_aside(self, path: Path, error: Exception) -> None:
        aside = path.with_suffix(".json.damaged")
        try:
            path.replace(aside)
        except OSError:
            aside = path
        _log.warning(
            "operations.damaged", path=escaped(str(aside)), error=escaped(str(error))[:200]
        )

    def _save(self, operation: Operation) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            write_file(self._path(operation.id), to_json(operation).encode())
        except OSError as error:
            raise _unwritable(self._folder, error) from error

    def _settle(self, operation: Operation) -> None:
        try:
            self._save(operation)
        except RkdError:
            self._forget(operation.id)  # which gives its room back, perhaps enough for the end
            try:
                self._save(operation)
            except RkdError as error:
                _log.warning("operations.unsaved", id=operation.id, error=error.message)

    def _forget(self, operation_id: str) -> None:
        try:
            self._path(operation_id).unlink(missing_ok=True)
        except OSError as error:
            _log.warning("operations.not_forgotten", id=operation_id, error=error.strerror)


def to_json(operation: Operation) -> str:
    """Write *operation* as JSON text, without its progress."""
    document = msgspec.to_builtins(replace(operation, progress=Progress()))
    del document["progress"]
    if operation.failure is not None:
        document["failure"]["metadata"] = dict(operation.failure.metadata)
    return json.dumps({"format": _FORMAT, **document}, indent=1)


def from_json(text: str | bytes) -> Operation:
    """
    Read what `to_json` wrote.

    Raises:
        ValueError: the text is damaged, forged or of another format.
    """
    data = text.encode() if isinstance(text, str) else text
    document = json_object(data, most_items=shape.MOST_VALUES)
    if (found := document.pop("format", None)) != _FORMAT:
        raise shape.UnlikeError(f"format {ascii(found)[:20]}, not {_FORMAT}")
    document.pop("progress", None)
    for name in ("created", "started", "finished"):
        if document.get(name) is not None:
            document[name] = shape.moment(document[name])
    if document.get("failure") is not None:
        failure = shape.record(document["failure"])
        metadata = tuple(_few(failure.get("metadata")).items())
        document["failure"] = {**failure, "metadata": metadata}
    operation = msgspec.convert(document, Operation)
    if not _ID.fullmatch(operation.id):
        raise shape.UnlikeError(f"{ascii(operation.id)[:60]} is no id of an operation")
    _few(operation.request)
    _few(operation.detail)
    return operation


def _few(value: object) -> Mapping[str, object]:
    mapping = shape.record(value)
    if len(mapping) > _MOST_KEYS:
        raise shape.UnlikeError(f"{len(mapping)} keys, {_MOST_KEYS} is the most")
    return mapping


def _unwritable(folder: Path, error: OSError) -> RkdError:
    metadata = {"folder": str(folder)}
    if disk_is_full(error):
        return ExhaustedError(
            Reason.DISK_FULL,
            f"the disk is full: no operation can be written down in {folder}",
            remedy="Make room there (rkctl rm MODEL, if models lie on the same disk).",
            metadata=metadata,
        )
    return PreconditionError(
        Reason.CAPABILITY_UNSUPPORTED,
        f"no operation can be written down in {folder}: {error.strerror or type(error).__name__}",
        remedy="Make the state folder (RKD_STATE_DIR) writable for the user rkd runs as.",
        metadata=metadata,
    )
