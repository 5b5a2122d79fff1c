"""
What is wrong with the listing of a models folder, as a pure plan: no file is touched here.

The flat layout of version 0.0.1 kept `x.rkllm` and `x.gguf` in the models folder itself, a
`Modelfile` beside them. Today every model has a folder of its own. `migrate.py` takes the listing
and carries the plan out; running it again on what is left yields the same answer.
"""

from __future__ import annotations

import enum
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from rkd.model import Format
from rkd.outside import shown
from rkd.weights import shards
from rkd.weights.company import companion

MODELFILE = "Modelfile"
WEIGHTS_SUFFIXES = {".rkllm": Format.RKLLM, ".gguf": Format.GGUF}

_COMPANIONS = frozenset({"a projector", "an imatrix"})
_PARTIAL_SUFFIXES = (
    ".part",
    ".partial",
    ".filepart",
    ".crdownload",
    ".download",
    ".incomplete",
    ".tmp",
    ".temp",
    ".aria2",
)
"""Names under which browsers, curl, WinSCP and aria2 keep what is not whole yet."""

_FORBIDDEN = re.compile(r"[^A-Za-z0-9._-]+")
_NAME_CHARACTERS = 128


class EntryKind(enum.StrEnum):
    """What an entry of the models folder is, links not followed."""

    FILE = "file"
    FOLDER = "folder"
    LINK = "link"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class FolderEntry:
    """
    One entry of the models folder.

    Args:
        children: names inside, for a folder; one level.
        complete: False while somebody still writes the file.
        readable: False when this process may not open it.
        elsewhere: the folder lies on another file system, where a rename does not reach.
        from_file: for the flat Modelfile, the file its FROM names, without folders.
        besides: what the header of weights says they are besides a model, "" for a model; None
            where it was not asked: then names tell.
    """

    name: str
    kind: EntryKind
    children: tuple[str, ...] = ()
    complete: bool = True
    readable: bool = True
    elsewhere: bool = False
    from_file: str = ""
    besides: str | None = None


class Cause(enum.StrEnum):
    """Why an entry stays where it is."""

    HIDDEN = "hidden"
    LINK = "link"
    FOREIGN = "foreign"
    UNREADABLE = "unreadable"
    INCOMING = "incoming"
    NAME_TAKEN = "name-taken"
    NO_NAME = "no-name"
    OTHER_FILESYSTEM = "other-filesystem"
    READ_ONLY = "read-only"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Left:
    """An entry that is not touched, and why, as one sentence for a person."""

    name: str
    cause: Cause
    text: str


@dataclass(frozen=True, slots=True)
class Move:
    """Rename `<models>/<name>` to `<models>/<folder>/<name>`, making the folder if need be."""

    name: str
    folder: str


@dataclass(frozen=True, slots=True)
class Plan:
    """Moves in the order to carry them out, and what is left."""

    moves: tuple[Move, ...] = ()
    left: tuple[Left, ...] = ()


def format_of(file_name: str) -> Format | None:
    """The format a file's name promises, or None when it names no weights."""
    dot = file_name.rfind(".")
    return WEIGHTS_SUFFIXES.get(file_name[dot:].lower()) if dot > 0 else None


def is_partial(file_name: str) -> bool:
    """Whether the name says that a download tool has not finished the file."""
    return file_name.lower().endswith(_PARTIAL_SUFFIXES)


def is_projector(file_name: str) -> bool:
    """Whether the file is a projector or an imatrix, which is no model of its own."""
    return format_of(file_name) is Format.GGUF and companion(file_name) in _COMPANIONS


def name_for(stem: str) -> str:
    """
    Turn a file's stem or a folder's name into the model name it gets; "" when nothing is left.

    Every run of characters a name may not have becomes one `-`; a `:latest` is dropped.
    """
    bare = _FORBIDDEN.sub("-", stem.removesuffix(":latest"))
    return bare.lstrip(".-")[:_NAME_CHARACTERS].rstrip("-") if bare.strip(".-") else ""


def model_name(file_name: str) -> str:
    """Return the model name a flat weights file gets, "" when none can be made of it."""
    return name_for(_stem(file_name))


def plan(entries: Iterable[FolderEntry]) -> Plan:
    """
    Decide what moves where.

    1. Hidden entries, links, folders and foreign or half-copied files are left (folders silently).
    2. Files of one stem are one model: `x.rkllm` and `x.gguf` share the folder `x`.
    3. A split GGUF moves when all its parts are there.
    4. A folder that exists is joined unless it holds that file or other weights of the format.
    5. The flat Modelfile follows the weights its FROM names, and goes first.
    """
    listed = sorted(entries, key=lambda entry: entry.name)
    fetched = {one.name.removesuffix(".aria2") for one in listed if one.name.endswith(".aria2")}
    left: list[Left] = []
    groups: dict[str, list[FolderEntry]] = {}
    for entry in listed:
        verdict = _unfit(entry, aria2=entry.name in fetched)
        if verdict is not None:
            left.append(verdict)
        elif entry.kind is EntryKind.FILE and format_of(entry.name):
            groups.setdefault(model_name(entry.name).casefold(), []).append(entry)
    moves: list[Move] = []
    folders = {entry.name.casefold(): entry for entry in listed if format_of(entry.name) is None}
    for group in groups.values():
        outcomes = tuple(_place(group, folders))
        moves += [outcome for outcome in outcomes if isinstance(outcome, Move)]
        left += [outcome for outcome in outcomes if isinstance(outcome, Left)]
    moves, left = _with_modelfile(listed, moves, left)
    left = [Left(shown(item.name), item.cause, shown(item.text)) for item in left]
    return Plan(tuple(moves), tuple(sorted(left, key=lambda item: item.name)))


def _stem(file_name: str) -> str:
    shard = shards.parse(file_name)
    return shard.stem if shard else file_name[: file_name.rfind(".")]


def _unfit(entry: FolderEntry, *, aria2: bool) -> Left | None:
    """Rule 1: why *entry* cannot be a flat model, or None."""
    name = entry.name
    is_weights = format_of(name) is not None
    besides = entry.besides
    if besides is None:
        besides = companion(name) if is_projector(name) else ""
    ours = name.startswith(".rkd") or entry.kind is EntryKind.FOLDER
    rows = (
        (name.startswith("."), Cause.HIDDEN, "hidden"),
        (entry.kind is EntryKind.LINK and not is_weights, None, ""),
        (
            entry.kind is EntryKind.LINK,
            Cause.LINK,
            "a link: move what it points to, or link its folder",
        ),
        (entry.kind is EntryKind.OTHER, Cause.FOREIGN, "no regular file"),
        (is_partial(name), Cause.INCOMING, "half-copied, as its name says"),
        (
            bool(besides),
            Cause.FOREIGN,
            f"{besides}: put it into the folder of its model",
        ),
        (not is_weights and name != MODELFILE, Cause.FOREIGN, "neither .rkllm nor .gguf"),
        (aria2, Cause.INCOMING, "aria2 is still fetching it"),
        (not entry.complete, Cause.INCOMING, "still being written"),
        (
            not entry.readable,
            Cause.UNREADABLE,
            "this process may not read it: check owner and mode",
        ),
        (
            is_weights and not model_name(name),
            Cause.NO_NAME,
            "no model name can be made of it: rename the file",
        ),
    )
    applies = next(((cause, text) for holds, cause, text in rows if holds), (None, ""))
    return None if ours or applies[0] is None else Left(name, applies[0], applies[1])


def _place(group: list[FolderEntry], folders: dict[str, FolderEntry]) -> Iterator[Move | Left]:
    """Rules 2 to 4 for the files of one model."""
    folder = model_name(group[0].name)
    existing = folders.get(folder.casefold())
    folder = existing.name if existing else folder
    taken: set[Format] = set()
    inside = _Inside.of(existing.children if existing else ())
    parts = _parts_there((*(entry.name for entry in group), *inside.names))
    for entry in group:
        shard = shards.parse(entry.name)
        kind = format_of(entry.name)
        assert kind is not None  # noqa: S101 - groups are made of weights files
        clash = _clash(entry.name, kind, existing, inside)
        if clash is not None:
            yield clash
        elif shard and len(parts[_split_of(entry.name)]) < shard.count:
            yield Left(
                entry.name, Cause.INCOMING, f"one of {shard.count} parts, others are missing"
            )
        elif kind in taken and not shard:
            text = f"another {kind} file already becomes {folder}: rename one of them"
            yield Left(entry.name, Cause.NAME_TAKEN, text)
        else:
            taken.add(kind)
            yield Move(entry.name, folder)


def _clash(name: str, kind: Format, existing: FolderEntry | None, inside: _Inside) -> Left | None:
    """Rule 4: why *name* may not join the folder of its name, or None."""
    if existing is None:
        return None
    folder = existing.name
    rival = inside.rival_of(name, kind)
    same = name.casefold() in inside.names
    rows = (
        (
            existing.kind is EntryKind.LINK,
            Cause.LINK,
            f"its folder {folder} is a link: move the file by hand",
        ),
        (
            existing.kind is not EntryKind.FOLDER,
            Cause.NAME_TAKEN,
            f"{folder} exists and is no folder",
        ),
        (
            existing.elsewhere,
            Cause.OTHER_FILESYSTEM,
            f"its folder {folder} is on another file system: move the file by hand",
        ),
        (same, Cause.NAME_TAKEN, f"{folder}/{name} exists: remove or rename one of them"),
        (
            bool(rival),
            Cause.NAME_TAKEN,
            f"{folder} already holds {rival}: rename the file to make it a model of its own",
        ),
    )
    return next((Left(name, cause, text) for holds, cause, text in rows if holds), None)


def _parts_there(names: Iterable[str]) -> dict[tuple[str, int] | None, set[int]]:
    """Rule 3, counting parts an interrupted migration already moved: numbers by split model."""
    there: dict[tuple[str, int] | None, set[int]] = defaultdict(set)
    for name in names:
        shard = shards.parse(name)
        if shard:
            there[_split_of(name)].add(shard.number)
    return there


def _split_of(name: str) -> tuple[str, int] | None:
    """Tell the parts of one split model from others, ignoring case; None for a whole file."""
    shard = shards.parse(name.casefold())
    return (shard.stem, shard.count) if shard else None


@dataclass(frozen=True, slots=True)
class _Inside:
    """
    What a folder holds already, by name ignoring case.

    Args:
        weights: for each format, the first file of each split, and the first whole file (None).
    """

    names: frozenset[str]
    weights: dict[Format, dict[tuple[str, int] | None, str]]

    @classmethod
    def of(cls, children: tuple[str, ...]) -> _Inside:
        """Sort *children* once: a folder may hold thousands, and so may those that join it."""
        weights: dict[Format, dict[tuple[str, int] | None, str]] = {one: {} for one in Format}
        for child in children:
            kind = format_of(child)
            if kind is not None and not is_projector(child):
                weights[kind].setdefault(_split_of(child), child)
        return cls(frozenset(child.casefold() for child in children), weights)

    def rival_of(self, name: str, kind: Format) -> str:
        """Return other weights of the format *kind*, not of the same split as *name*, or ""."""
        own = _split_of(name)
        others = (file for split, file in self.weights[kind].items() if split != own or own is None)
        return next(others, "")


def _with_modelfile(
    listed: list[FolderEntry], moves: list[Move], left: list[Left]
) -> tuple[list[Move], list[Left]]:
    """Rule 5."""
    entry = next(
        (one for one in listed if one.name == MODELFILE and one.kind is EntryKind.FILE), None
    )
    if entry is None or any(item.name == MODELFILE for item in left):
        return moves, left
    wanted = entry.from_file
    going = {move.name: move.folder for move in moves}
    folder = going.get(wanted) or next(
        (one.name for one in listed if one.kind is EntryKind.FOLDER and wanted in one.children), ""
    )
    there = next((one.children for one in listed if one.name == folder), ())
    if not wanted or not folder:
        text = "names no weights file of this folder in FROM"
        return moves, [*left, Left(MODELFILE, Cause.FOREIGN, text)]
    if MODELFILE in there:
        text = f"{folder}/{MODELFILE} exists: remove or rename one of them"
        return moves, [*left, Left(MODELFILE, Cause.NAME_TAKEN, text)]
    return [Move(MODELFILE, folder), *moves], left
