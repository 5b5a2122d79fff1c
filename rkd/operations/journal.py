"""
The operations on disk: one JSON file each, written whole or not at all.

Progress is not kept here: what is safe is in the parts themselves.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import structlog

from rkd.errors import Reason
from rkd.operations.operation import Failure, Operation, OperationKind, OperationState

_log = structlog.get_logger(__name__)

_FORMAT = 1
"""Written into every file; a file of another format is set aside, not guessed at."""

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
        """Write *operation*; returns when it would survive a power cut."""
        await self._in_thread(lambda: self._save(operation))

    async def forget(self, operation_id: str) -> None:
        """Remove an operation nobody asks for any more."""
        await self._in_thread(lambda: self._path(operation_id).unlink(missing_ok=True))

    def close(self) -> None:
        """Finish what was begun and let the thread go."""
        self._thread.shutdown(wait=True)

    async def _in_thread(self, act: Callable[[], _Result]) -> _Result:
        # Shielded: a cancelled waiter must not take a write that is still queued with it.
        return await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._thread, act))

    def _path(self, operation_id: str) -> Path:
        return self._folder / f"{operation_id}.json"

    def _load(self) -> tuple[Operation, ...]:
        self._folder.mkdir(parents=True, exist_ok=True)
        found = []
        for path in sorted(self._folder.glob("*.json")):
            try:
                found.append(from_json(path.read_text(encoding="utf-8")))
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                aside = path.with_suffix(".json.damaged")
                path.replace(aside)
                _log.warning("operations.damaged", path=str(aside), error=repr(error))
        return tuple(sorted(found, key=lambda operation: operation.created))

    def _save(self, operation: Operation) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._path(operation.id)
        # Not *.json: what a crash leaves here is never read as an operation.
        scratch = path.with_suffix(".new")
        with scratch.open("w", encoding="utf-8") as file:
            file.write(to_json(operation))
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(path)
        folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def to_json(operation: Operation) -> str:
    """Write *operation* as JSON text, without its progress."""
    failure = operation.failure
    document = {
        "format": _FORMAT,
        "id": operation.id,
        "kind": operation.kind,
        "key": operation.key,
        "subject": operation.subject,
        "request": dict(operation.request),
        "state": operation.state,
        "created": operation.created.isoformat(),
        "started": operation.started.isoformat() if operation.started else None,
        "finished": operation.finished.isoformat() if operation.finished else None,
        "detail": dict(operation.detail),
        "failure": failure
        and {
            "reason": failure.reason,
            "message": failure.message,
            "remedy": failure.remedy,
            "metadata": dict(failure.metadata),
        },
    }
    return json.dumps(document, indent=1)


def from_json(text: str) -> Operation:
    """
    Read what `to_json` wrote.

    Raises:
        ValueError, KeyError, TypeError, AttributeError: the text is damaged or of another format.
    """
    document = json.loads(text)
    if document["format"] != _FORMAT:
        raise ValueError(f"format {document['format']!r}, not {_FORMAT}")
    failure = document["failure"]
    return Operation(
        id=str(document["id"]),
        kind=OperationKind(document["kind"]),
        key=str(document["key"]),
        subject=str(document["subject"]),
        request=_strings(document["request"]),
        state=OperationState(document["state"]),
        created=datetime.fromisoformat(document["created"]),
        started=_moment(document["started"]),
        finished=_moment(document["finished"]),
        detail=_strings(document["detail"]),
        failure=failure
        and Failure(
            Reason(failure["reason"]),
            str(failure["message"]),
            str(failure["remedy"]),
            tuple(_strings(failure["metadata"]).items()),
        ),
    )


def _strings(mapping: Mapping[str, str]) -> dict[str, str]:
    return {str(key): str(value) for key, value in mapping.items()}


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
