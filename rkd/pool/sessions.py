"""
Named conversations on disk: what an engine has computed of them, kept beyond its process.

A cache and nothing else: what is lost, damaged, outdated or finds no room costs the time to read a
prompt again. Names and owners never become paths; files lie under a digest of both. Two callers
never share a conversation, whatever they call it.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import stat
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import structlog
from msgspec import Meta

from rkd.durable import free_bytes
from rkd.inference import LoadSpec, Run
from rkd.pool.notes import FORMAT, read_note, write_note
from rkd.session import Amount, Kept, SessionFile

MOST_SESSIONS = 1024
MAX_NOTE_BYTES = 4096
LATEST_S = 1e11
"""Times a note may name end here, in the year 5138."""
LEAST_BYTES = 1 << 20
"""Where less room is left, nothing is written."""
MOST_FILE_BYTES = 1 << 30
"""What a worker may write into one file."""


@dataclass(frozen=True, slots=True)
class Session:
    """A conversation as its owner calls it; *owner* is the identity of a caller."""

    owner: str
    name: str


@dataclass(frozen=True, slots=True)
class Conversation:
    """
    What is kept of one.

    Args:
        owner, name: whose it is and how it is called.
        model: its model's key.
        mark: of model, adapters, context and runtime it was computed with.
        tokens: how long it is.
        used_s: when it was last written or read, seconds since 1970.
        sha256, prefix: as of `SessionFile`.
    """

    owner: str
    name: str
    model: str
    mark: str
    size_bytes: Amount
    tokens: Amount
    used_s: Annotated[float, Meta(ge=0, lt=LATEST_S)]
    sha256: str
    prefix: str = ""

    @property
    def key(self) -> str:
        """Under which its files lie."""
        return key_of(Session(self.owner, self.name), self.model)


def key_of(session: Session, model: str) -> str:
    """The name of a conversation's files: no part of it is anybody's text."""
    facts = json.dumps([FORMAT, session.owner, session.name, model])
    return hashlib.sha256(facts.encode("utf-8", "surrogatepass")).hexdigest()[:40]


def mark_of(version: str, spec: LoadSpec, runtime: str, run: Run) -> str:
    """Digest of all that a cache depends on; *version* is of the model's folder."""
    facts = [FORMAT, version, spec.backend, spec.weights, spec.context_tokens, spec.kv_cache_type]
    facts += [spec.slots, spec.adapters, spec.template, runtime, sorted(run.lora), run.template]
    return hashlib.sha256(json.dumps(facts).encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True)
class SessionOffer:
    """What a run of a conversation is told, and what is remembered until it has ended."""

    session: Session
    model: str
    mark: str
    file: SessionFile


class SessionShelf:
    """
    The conversations on disk; one loop owns it.

    Args:
        folder: theirs alone; made when first needed.
        most_bytes: what all may take together; 0 keeps none.
        reserve_bytes: disk space that is never filled.
        clock: seconds since 1970.
        free: bytes free where a folder is.
    """

    def __init__(
        self,
        folder: Path,
        most_bytes: int,
        *,
        reserve_bytes: int = 0,
        clock: Callable[[], float] = time.time,
        free: Callable[[Path], int] | None = None,
    ) -> None:
        self.most_bytes = most_bytes
        self.reserve_bytes = reserve_bytes
        self._folder = folder
        self._clock = clock
        self._free = free or _free
        self._log = structlog.get_logger("rkd.pool")
        self._writing = asyncio.Lock()
        self._kept: dict[str, Conversation] = {one.key: one for one in _read(folder)}
        """The one used last comes last."""

    def offer(self, session: Session, model: str, mark: str, token_bytes: int) -> SessionOffer:
        """Offer what is kept of *session* to a run; what was computed otherwise is not offered."""
        key = key_of(session, model)
        room = min(self.most_bytes, MOST_FILE_BYTES)
        if room:
            room = min(room, self._free(self._folder) - self.reserve_bytes)
        most_tokens = room // max(token_bytes, 1) if room >= LEAST_BYTES else 0
        name = f"session-{os.urandom(8).hex()}" if most_tokens else ""
        file = SessionFile(key, name, most_tokens)
        known = self._kept.get(key)
        if known is not None and known.mark == mark and self.most_bytes:
            data = str(self._data(key))
            file = replace(
                file, path=data, sha256=known.sha256, tokens=known.tokens, prefix=known.prefix
            )
        return SessionOffer(session, model, mark, file)

    async def keep(self, offer: SessionOffer, folder: Path, kept: Kept) -> None:
        """Take over what a worker wrote into its *folder*, and make room; never raises."""
        file = offer.file
        source = folder / file.name
        if not kept.size_bytes or not self.most_bytes:
            if kept.size_bytes:
                await asyncio.to_thread(_unlink, (source,))
            self._touch(file)
            return
        conversation = Conversation(
            owner=offer.session.owner,
            name=offer.session.name,
            model=offer.model,
            mark=offer.mark,
            size_bytes=kept.size_bytes,
            tokens=kept.tokens,
            used_s=self._clock(),
            sha256=kept.sha256,
            prefix=kept.prefix,
        )
        async with self._writing:
            try:
                await asyncio.to_thread(self._adopt, source, conversation)
            except OSError as error:
                self._log.warning("session.lost", model=offer.model, message=str(error))
                await asyncio.to_thread(_unlink, (source,))
                return
            self._kept.pop(file.key, None)
            self._kept[file.key] = conversation
            await self._make_room()

    def kept(self, owner: str | None = None) -> tuple[Conversation, ...]:
        """What is kept of *owner*, or of everybody; the one used last first."""
        found = [one for one in self._kept.values() if owner in {None, one.owner}]
        return tuple(reversed(found))

    async def remove(self, chosen: Callable[[Conversation], bool]) -> int:
        """Forget those *chosen*; how many there were."""
        gone = [key for key, one in self._kept.items() if chosen(one)]
        await self._forget(gone)
        return len(gone)

    async def forget(self, model: str) -> None:
        """Forget all with *model*."""
        await self.remove(lambda one: one.model == model)

    async def limit(self, most_bytes: int, reserve_bytes: int) -> None:
        """Take new bounds over."""
        self.most_bytes, self.reserve_bytes = most_bytes, reserve_bytes
        async with self._writing:
            await self._make_room()

    def _touch(self, file: SessionFile) -> None:
        """Note that a conversation was used, though nothing was written."""
        if file.path and (known := self._kept.pop(file.key, None)) is not None:
            self._kept[file.key] = known

    def _data(self, key: str) -> Path:
        return self._folder / f"{key}.cache"

    def _note(self, key: str) -> Path:
        return self._folder / f"{key}.json"

    def _adopt(self, source: Path, conversation: Conversation) -> None:
        """Move *source* here; its note comes last, so that no note speaks of another's file."""
        found = source.lstat()
        if not stat.S_ISREG(found.st_mode) or found.st_size != conversation.size_bytes:
            raise OSError(f"{source.name} is not what was told of it")
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        key = conversation.key
        source.chmod(0o600)
        source.replace(self._data(key))
        write_note(self._note(key), conversation)

    async def _make_room(self) -> None:
        """
        Forget the oldest until all is within bounds.

        Of those who have kept most: nobody pushes out what others have by asking much.
        """
        going: list[str] = []
        left = dict(self._kept)
        total = sum(one.size_bytes for one in left.values())
        short = self.reserve_bytes - self._free(self._folder) if left else 0
        while left and (total > self.most_bytes or len(left) > MOST_SESSIONS or short > 0):
            taken: dict[str, int] = {}
            for one in left.values():
                taken[one.owner] = taken.get(one.owner, 0) + one.size_bytes
            most = max(taken, key=lambda owner: taken[owner])
            key = next(key for key, one in left.items() if one.owner == most)
            size_bytes = left.pop(key).size_bytes
            total -= size_bytes
            short -= size_bytes
            going.append(key)
        await self._forget(going)

    async def _forget(self, keys: list[str]) -> None:
        for key in keys:
            self._kept.pop(key, None)
        paths = [path for key in keys for path in (self._note(key), self._data(key))]
        if paths:
            await asyncio.to_thread(_unlink, paths)


def _read(folder: Path) -> list[Conversation]:
    """What lies in *folder*, oldest first; what is no note, or has no file, is removed."""
    found: list[Conversation] = []
    with suppress(OSError):
        for path in sorted(folder.iterdir()):
            if path.suffix == ".json":
                note = read_note(path, Conversation, most_bytes=MAX_NOTE_BYTES)
                if note and _is_whole(note, path):
                    found.append(note)
        known = {f"{one.key}{suffix}" for one in found for suffix in (".json", ".cache")}
        _unlink([path for path in folder.iterdir() if path.name not in known])
    return sorted(found, key=lambda one: one.used_s)


def _is_whole(conversation: Conversation, path: Path) -> bool:
    """Whether *path*, its note, lies where it should, beside the file it speaks of."""
    try:
        data = path.with_suffix(".cache").lstat()
    except OSError:
        return False
    right = stat.S_ISREG(data.st_mode) and data.st_size == conversation.size_bytes
    return right and path.stem == conversation.key


def _unlink(paths: Iterable[Path]) -> None:
    for path in paths:
        with suppress(OSError):
            path.unlink(missing_ok=True)


def _free(folder: Path) -> int:
    """Bytes free where *folder* is or will be; 0 when that cannot be known."""
    return next((free_bytes(one) for one in (folder, *folder.parents) if one.exists()), 0)
