"""What the tests' hub has: repositories, commits, large objects, and the order of its faults."""

from __future__ import annotations

import hashlib
import json
import threading
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

SMALL_BYTES = 4096
"""Files below this are git blobs, as on the real hub files below 10 MB are unless LFS says else."""


def git_sha1(content: bytes) -> str:
    """Name *content* as git does."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def sha256(content: bytes) -> str:
    """Name *content* as LFS does."""
    return hashlib.sha256(content).hexdigest()


@dataclass(frozen=True)
class Fault:
    """
    Something that goes wrong once.

    Args:
        where: which request it meets: `api`, `hub`, `resolve`, `cdn`, `create`, `preupload`,
            `put`, `batch`, `commit`.
        what: `drop`, `reset`, `stall`, `status`, `corrupt`, `short`, `no-range`, `captive`,
            `size`, `dead-port`, `close`, `silence`, `answer`; `pass` lets one request through.
        at_bytes: after how many bytes of this answer, for drop, reset, stall, short and corrupt.
        status: for `status`.
        headers: sent with it.
        path: only for this file; "" for any.
        body: for `answer`: exactly this comes, with *status* and *headers*.
    """

    where: str
    what: str
    at_bytes: int = 0
    status: int = 500
    headers: tuple[tuple[str, str], ...] = ()
    path: str = ""
    body: bytes = b""


@dataclass
class Served:
    """
    One request as it goes: it is listed from its start, and a byte is counted before it is sent.

    Whoever has received something finds it counted, however late the server's thread runs on.
    """

    where: str
    path: str
    status: int
    start_bytes: int
    sent_bytes: int
    token: str


@dataclass
class Repository:
    """A repository with every commit it ever had."""

    id: str
    gated: str = ""
    private: bool = False
    downloads: int = 0
    likes: int = 0
    license: str = "apache-2.0"
    base: str = ""
    gguf: dict[str, object] | None = None
    tags: list[str] = field(default_factory=list)
    commits: dict[str, dict[str, bytes | Path]] = field(default_factory=dict)
    head: str = ""
    branches: dict[str, str] = field(default_factory=dict)

    def commit(self, files: dict[str, bytes | Path], branch: str = "main") -> str:
        """Add a commit holding exactly *files* to a branch; returns its id."""
        named = sorted((path, str(len_of(content))) for path, content in files.items())
        text = json.dumps([named, len(self.commits), self.id])
        made = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
        self.commits[made] = dict(files)
        self.branches[branch] = made
        if branch == "main":
            self.head = made
        return made

    def at(self, revision: str) -> tuple[str, dict[str, bytes | Path]] | None:
        """Look up *revision*: a branch or a commit."""
        commit = self.branches.get(revision, revision)
        return (commit, self.commits[commit]) if commit in self.commits else None


def len_of(content: bytes | Path) -> int:
    """Count the bytes of a file given as bytes or as a path."""
    return content.stat().st_size if isinstance(content, Path) else len(content)


def bytes_of(content: bytes | Path) -> bytes:
    """Give the bytes of a file given as bytes or as a path."""
    return content.read_bytes() if isinstance(content, Path) else content


class Store:
    """Everything the hub knows; shared by its threads."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.repositories: dict[str, Repository] = {}
        self.objects: dict[str, bytes] = {}
        self.faults: deque[Fault] = deque()
        self.served: list[Served] = []
        self.queries: list[dict[str, list[str]]] = []
        self.tokens: dict[str, str] = {"hf_good": "tester"}
        self.signatures: dict[str, tuple[str, str, str]] = {}
        self.released = threading.Event()
        self._digests: dict[str, tuple[str, str]] = {}

    def fault(self, where: str, path: str = "") -> Fault | None:
        """Take the next fault if it is meant for this request: faults come in order."""
        with self.lock:
            for number, fault in enumerate(self.faults):
                if fault.where == where and fault.path in {"", path}:
                    del self.faults[number]
                    return fault
        return None

    def log(self, served: Served) -> None:
        """Write down a request."""
        with self.lock:
            self.served.append(served)

    def digests(self, content: bytes | Path) -> tuple[str, str]:
        """Give (git sha1, sha256) of a file; remembered for files on disk."""
        if isinstance(content, Path):
            known = self._digests.get(str(content))
            if known is None:
                data = content.read_bytes()
                known = self._digests[str(content)] = (git_sha1(data), sha256(data))
            return known
        return git_sha1(content), sha256(content)
