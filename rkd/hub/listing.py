"""What a repository holds at a commit: files with sizes and digests, licence, gate. One request."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from rkd.hub.connection import Connection
from rkd.hub.mover import Wanted

if TYPE_CHECKING:
    from huggingface_hub.hf_api import ModelInfo, RepoSibling


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file of a repository; *algorithm* and *digest* as `Wanted` has them."""

    path: str
    size_bytes: int
    algorithm: str
    digest: str


@dataclass(frozen=True, slots=True)
class Listing:
    """
    A repository at a commit.

    Args:
        gated: access has to be asked for on its page.
        base_models: what it was made from, as its card says.
        parameters, context_tokens, architecture: of its GGUF, where the hub read one; 0 or "".
    """

    repository: str
    commit: str
    files: tuple[RemoteFile, ...]
    license: str = ""
    gated: bool = False
    private: bool = False
    downloads: int = 0
    likes: int = 0
    updated: datetime | None = None
    created: datetime | None = None
    tags: tuple[str, ...] = ()
    base_models: tuple[str, ...] = ()
    parameters: int = 0
    context_tokens: int = 0
    architecture: str = ""

    def file(self, path: str) -> RemoteFile | None:
        """Find the file at *path*."""
        return next((file for file in self.files if file.path == path), None)

    def wanted(self, file: RemoteFile) -> Wanted:
        """Say what to fetch for *file*."""
        return Wanted(
            self.repository, self.commit, file.path, file.size_bytes, file.algorithm, file.digest
        )


def look_up(connection: Connection, repository: str, revision: str = "main") -> Listing:
    """
    Ask the hub for *repository* at *revision*; blocking.

    Raises:
        RkdError: OFFLINE, HUB_UNREACHABLE, HUB_GATED, HUB_NOT_FOUND.
    """
    what = repository if revision == "main" else f"revision {revision}"
    info = connection.ask(
        lambda api: api.model_info(repository, revision=revision, files_metadata=True),
        what=what,
        repository=repository,
    )
    return listing_of(info)


def listing_of(info: ModelInfo) -> Listing:
    """Take from the library's answer what rkd uses."""
    card: dict[str, object] = dict(vars(info.card_data)) if info.card_data else {}
    gguf = info.gguf or {}
    return Listing(
        repository=info.id,
        commit=info.sha or "",
        files=tuple(_file(sibling) for sibling in info.siblings or ()),
        license=_license(card, tuple(info.tags or ())),
        gated=bool(info.gated),
        private=bool(info.private),
        downloads=info.downloads or 0,
        likes=info.likes or 0,
        updated=info.last_modified,
        created=info.created_at,
        tags=tuple(info.tags or ()),
        base_models=_texts(card.get("base_model")),
        parameters=int(gguf.get("total") or 0),
        context_tokens=int(gguf.get("context_length") or 0),
        architecture=str(gguf.get("architecture") or ""),
    )


def _file(sibling: RepoSibling) -> RemoteFile:
    size_bytes = sibling.size or 0
    if sibling.lfs is not None:
        return RemoteFile(sibling.rfilename, size_bytes, "sha256", sibling.lfs.sha256.lower())
    return RemoteFile(sibling.rfilename, size_bytes, "git-sha1", (sibling.blob_id or "").lower())


def _license(card: dict[str, object], tags: tuple[str, ...]) -> str:
    named = _texts(card.get("license")) or tuple(
        tag.removeprefix("license:") for tag in tags if tag.startswith("license:")
    )
    return named[0] if named else ""


def _texts(value: object) -> tuple[str, ...]:
    """Read a card's field that may be a text or a list of them."""
    items = value if isinstance(value, list) else [value]
    return tuple(str(item) for item in items if item)
