"""
What a repository holds at a commit: files with sizes and digests, licence, gate. One request.

Nothing the hub says is taken as it comes: a file whose name, size or digest cannot be believed is
left out; an answer that names no repository or no commit is none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from urllib.parse import quote

import msgspec

from rkd import shape
from rkd.errors import bad_field
from rkd.hub.connection import Connection
from rkd.hub.mover import Wanted
from rkd.hub.refusal import unlike
from rkd.modelfile.address import is_repository
from rkd.outside import quoted

MOST_FILES = 20_000
"""Of one repository; the largest have some thousands."""

LARGEST_FILE_BYTES = 1 << 48
"""No disk holds more; sums of as many as `MOST_FILES` still fit a field of the wire."""

MOST_TAGS = 500
LONGEST_PATH_BYTES = 1024
_LONGEST_NAME_BYTES = 255
_LONGEST_TEXT_BYTES = 300
_LARGEST_CONTEXT = 2**31 - 1
_COMMIT = re.compile(r"[0-9a-f]{40}")
_DIGESTS = {"sha256": re.compile(r"[0-9a-f]{64}"), "git-sha1": re.compile(r"[0-9a-f]{40}")}
_line = partial(shape.line, most_bytes=_LONGEST_TEXT_BYTES)


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
        branch: the one it is of, where `main` holds no weights; "" for what was asked for.
        branches: others that hold some perhaps.
    """

    repository: shape.Line
    commit: shape.Line
    files: tuple[RemoteFile, ...]
    license: shape.Line = ""
    gated: bool = False
    private: bool = False
    downloads: shape.Count = 0
    likes: shape.Count = 0
    updated: shape.Moment | None = None
    created: shape.Moment | None = None
    tags: tuple[shape.Line, ...] = ()
    base_models: tuple[shape.Line, ...] = ()
    parameters: shape.Count = 0
    context_tokens: shape.Count = 0
    architecture: shape.Line = ""
    branch: shape.Line = ""
    branches: tuple[shape.Line, ...] = ()

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
        InvalidInputError: INVALID_FIELD: that is no name of a repository.
        RkdError: OFFLINE, HUB_UNREACHABLE, HUB_GATED, HUB_NOT_FOUND.
    """
    if not is_repository(repository):
        raise bad_field(
            "repository", f"{quoted(repository)} is not user/repo", remedy="Write user/repo."
        )
    what = repository if revision == "main" else f"revision {revision}"
    answer = connection.document(
        f"/api/models/{repository}/revision/{quote(revision, safe='')}",
        {"blobs": True},
        what=what,
        repository=repository,
    )
    try:
        return listing_of(answer)
    except shape.UnlikeError as error:
        raise unlike(connection.shown, str(error), what=what) from error


def listing_of(answer: object, *, pinned: bool = True) -> Listing:
    """
    Take from the hub's answer about one repository what rkd uses.

    Args:
        answer: a JSON value.
        pinned: it tells of one commit, with sizes and digests; else of names alone.

    Raises:
        UnlikeError: it names no repository, or no commit though *pinned*.
    """
    info = shape.record(answer)
    repository = shape.line(info.get("id"), most_bytes=_LONGEST_TEXT_BYTES)
    if not is_repository(repository):
        raise shape.UnlikeError(f"{quoted(repository)} is no name of a repository")
    card = _record(info.get("cardData"))
    gguf = _record(info.get("gguf"))
    tags = shape.texts(info.get("tags"), most_items=MOST_TAGS, most_bytes=_LONGEST_TEXT_BYTES)
    context = shape.either(shape.count, gguf.get("context_length"), 0)
    return Listing(
        repository=repository,
        commit=_commit(info.get("sha")) if pinned else "",
        files=_files(info.get("siblings"), pinned=pinned),
        license=_license(card, tags),
        gated=bool(info.get("gated")),
        private=bool(info.get("private")),
        downloads=shape.either(shape.count, info.get("downloads"), 0),
        likes=shape.either(shape.count, info.get("likes"), 0),
        updated=shape.either(shape.moment, info.get("lastModified"), None),
        created=shape.either(shape.moment, info.get("createdAt"), None),
        tags=tags,
        base_models=_texts(card.get("base_model")),
        parameters=shape.either(shape.count, gguf.get("total"), 0),
        context_tokens=context if context <= _LARGEST_CONTEXT else 0,
        architecture=shape.either(_line, gguf.get("architecture"), ""),
    )


def path_of(value: object) -> str:
    """
    Take the path of a file in a repository: relative, of plain names a disk can hold.

    Raises:
        UnlikeError: it leads elsewhere, or cannot be a name here.
    """
    path = shape.line(value, most_bytes=LONGEST_PATH_BYTES)
    for name in path.split("/"):
        too_long = len(name.encode()) > _LONGEST_NAME_BYTES
        if name in {"", ".", ".."} or "\\" in name or too_long:
            raise shape.UnlikeError(f"{quoted(path)} is no path of a file")
    return path


def stored(listing: Listing) -> object:
    """Write *listing* as JSON values."""
    return msgspec.to_builtins(listing)


def restored(value: object) -> Listing:
    """
    Read what `stored` wrote.

    Raises:
        UnlikeError: it is something else.
    """
    listing = shape.typed(value, Listing)
    _commit(listing.commit)
    for file in listing.files:
        path_of(file.path)
        _size(file.size_bytes)
        _digest(file.algorithm, file.digest)
    return listing


def _record(value: object) -> Mapping[str, object]:
    nothing: Mapping[str, object] = {}
    return shape.either(shape.record, value, nothing)


def _items(value: object) -> list[object]:
    return shape.items(value, most=MOST_FILES)


def _commit(value: object) -> str:
    commit = _line(value).lower()
    if not _COMMIT.fullmatch(commit):
        raise shape.UnlikeError(f"{quoted(commit)} is no commit")
    return commit


def _files(value: object, *, pinned: bool) -> tuple[RemoteFile, ...]:
    """Take every file that can be believed; of two with one path the first."""
    if value is None:
        return ()
    read = _file if pinned else _named
    found: Iterable[RemoteFile] = shape.kept(_items(value), read)
    return tuple({file.path: file for file in reversed(tuple(found))}.values())[::-1]


def _named(value: object) -> RemoteFile:
    return RemoteFile(path_of(shape.record(value).get("rfilename")), 0, "", "")


def _file(value: object) -> RemoteFile:
    sibling = shape.record(value)
    path = path_of(sibling.get("rfilename"))
    size_bytes = _size(sibling.get("size"))
    lfs = sibling.get("lfs")
    if lfs is None:
        return RemoteFile(path, size_bytes, "git-sha1", _digest("git-sha1", sibling.get("blobId")))
    return RemoteFile(
        path, size_bytes, "sha256", _digest("sha256", shape.record(lfs).get("sha256"))
    )


def _size(value: object) -> int:
    size_bytes = shape.count(value)
    if size_bytes > LARGEST_FILE_BYTES:
        raise shape.UnlikeError(f"a file of {size_bytes} bytes")
    return size_bytes


def _digest(algorithm: str, value: object) -> str:
    digest = _line(value).lower()
    if algorithm not in _DIGESTS or not _DIGESTS[algorithm].fullmatch(digest):
        raise shape.UnlikeError(f"{quoted(digest)} is no {algorithm}")
    return digest


def _license(card: Mapping[str, object], tags: tuple[str, ...]) -> str:
    named = _texts(card.get("license")) or tuple(
        tag.removeprefix("license:") for tag in tags if tag.startswith("license:")
    )
    return named[0] if named else ""


def _texts(value: object) -> tuple[str, ...]:
    """Read a card's field that may be a text or a list of them."""
    listed = value if isinstance(value, list) else [value]
    return tuple(
        one
        for one in shape.texts(listed, most_items=MOST_TAGS, most_bytes=_LONGEST_TEXT_BYTES)
        if one
    )
