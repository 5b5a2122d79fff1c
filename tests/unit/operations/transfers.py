"""A hub in memory, and what a runner is given: the fakes of pulls, pushes and creates."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rkd.errors import NotFoundError, Reason, RkdError
from rkd.hub.mover import Wanted
from rkd.library.library import Library
from rkd.library.snapshot import Snapshot
from rkd.model import ModelName
from rkd.operations.operation import Operation, OperationKind, OperationState
from rkd.operations.report import Report

CREATED = datetime(2026, 1, 1, tzinfo=UTC)


def sha256(content: bytes) -> str:
    """As hex."""
    return hashlib.sha256(content).hexdigest()


def git_sha1(content: bytes) -> str:
    """As git names a small file."""
    named = b"blob %d\0" % len(content) + content
    return hashlib.sha1(named, usedforsecurity=False).hexdigest()


class FakeHub:
    """
    Repositories in memory: the connection that asks for them, and what fetches their files.

    Args:
        failures: what the next questions are answered with, before it answers.
    """

    shown = "https://hub.test"
    token: str | None = "hf_good"

    def __init__(self) -> None:
        self.failures: list[RkdError] = []
        self.asked: list[str] = []
        self.askers: set[str] = set()
        self.fetched: list[str] = []
        self.offline_for: list[str] = []
        self.fetch_error: RkdError | None = None
        self._answers: dict[str, dict[str, Any]] = {}
        self._contents: dict[str, bytes] = {}

    def add(
        self,
        repository: str,
        files: Mapping[str, bytes],
        *,
        branch: str = "main",
        commit: str = "",
        card: Mapping[str, object] | None = None,
    ) -> str:
        """Hold *files* on *branch*; returns the commit."""
        commit = commit or git_sha1(repr((repository, branch, sorted(files))).encode())
        siblings = []
        for path, content in files.items():
            sibling: dict[str, object] = {"rfilename": path, "size": len(content)}
            if path.endswith((".gguf", ".rkllm")):
                digest = sha256(content)
                sibling["lfs"] = {"sha256": digest}
            else:
                digest = sibling["blobId"] = git_sha1(content)
            self._contents[digest] = content
            siblings.append(sibling)
        self._answers[f"/api/models/{repository}/revision/{branch}"] = {
            "id": repository,
            "sha": commit,
            "siblings": siblings,
            "cardData": dict(card or {}),
        }
        refs = self._answers.setdefault(f"/api/models/{repository}/refs", {"branches": []})
        refs["branches"].append({"name": branch})
        return commit

    def document(
        self, path: str, _parameters: object, *, what: str, repository: str
    ) -> dict[str, Any]:
        """Answer as the hub does."""
        del what
        self.asked.append(path)
        self.askers.add(threading.current_thread().name)
        if self.failures:
            raise self.failures.pop(0)
        if path not in self._answers:
            raise NotFoundError(Reason.HUB_NOT_FOUND, f"no {repository}")
        return self._answers[path]

    def require_online(self, what: str) -> None:
        """Note what it was for."""
        self.offline_for.append(what)

    async def fetch_all(
        self, files: Sequence[tuple[Wanted, Path]], *, progress: Callable[[str, int], None]
    ) -> None:
        """Write what is wanted, half of it first."""
        for wanted, target in files:
            content = self._contents[wanted.digest]
            self.fetched.append(wanted.path)
            progress(wanted.path, len(content) // 2)
            if self.fetch_error is not None:
                raise self.fetch_error
            target.write_bytes(content)
            progress(wanted.path, len(content))


class FakeReport(Report):
    """A report that remembers every stage it was told."""

    def __init__(self) -> None:
        super().__init__(asyncio.get_running_loop(), lambda: None)
        self.stages: list[str] = []
        self.begun: list[tuple[str, int, int]] = []
        self.advanced: list[tuple[str, int]] = []

    def stage(self, text: str) -> None:
        """Remember it."""
        self.stages.append(text)
        super().stage(text)

    def begin(self, name: str, total_bytes: int, *, resumed_bytes: int = 0) -> None:
        """Remember it."""
        self.begun.append((name, total_bytes, resumed_bytes))
        super().begin(name, total_bytes, resumed_bytes=resumed_bytes)

    def advance(self, name: str, completed_bytes: int) -> None:
        """Remember it."""
        self.advanced.append((name, completed_bytes))
        super().advance(name, completed_bytes)


class RememberingLibrary(Library):
    """A library that remembers what it staged; `unread` until it is asked for a name."""

    def __init__(self, root: Path) -> None:
        super().__init__(root, publish=lambda _event: None, reserve_bytes=0)
        self.staged: list[str] = []
        self.discarded: list[str] = []
        self.unread = False
        self.slow = False

    async def current(self) -> Snapshot:
        """Look at the disk; while `slow`, tell what is known and leave the look to `learn`."""
        if self.slow:
            self.unread = True
            return self.snapshot
        return await super().current()

    async def learn(self, name: ModelName) -> None:
        """Look at the disk, as after a start that has not come so far yet."""
        if self.unread:
            self.unread = False
            await self.refresh()
        await super().learn(name)

    async def stage(self, identity: str) -> Path:
        """Remember it."""
        self.staged.append(identity)
        return await super().stage(identity)

    async def discard(self, stage: Path) -> None:
        """Remember it."""
        self.discarded.append(stage.name)
        await super().discard(stage)


@asynccontextmanager
async def library(tmp_path: Path) -> AsyncIterator[RememberingLibrary]:
    """A library over an empty folder, closed in the end."""
    root = tmp_path / "models"
    root.mkdir(exist_ok=True)
    made = RememberingLibrary(root)
    await made.start()
    try:
        yield made
    finally:
        await made.close()


def operation(kind: OperationKind, request: Mapping[str, str], **fields: Any) -> Operation:
    """An operation at work."""
    made = Operation(
        id=f"{kind}-0000000a",
        kind=kind,
        key="key",
        subject="subject",
        request=dict(request),
        state=OperationState.RUNNING,
        created=CREATED,
    )
    return replace(made, **fields)


def hidden(root: Path) -> list[str]:
    """Name what stands in *root* that nobody sees."""
    return sorted(path.name for path in root.iterdir() if path.name.startswith(".rkd-stage"))
