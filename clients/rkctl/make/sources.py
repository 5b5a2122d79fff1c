"""
What a Modelfile names on this machine: FROM and ADAPTER paths turned into files to upload.

The daemon never opens a path that a client names; so paths are resolved here, against the
Modelfile's folder, and travel as digests.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from rkd_client.files import FileKind, is_file, is_folder, look, named, read_bounded, why_not

from rkctl.failure import Exit, Failure
from rkctl.make import checkpoint
from rkd.modelfile.commands import MAX_BYTES, Dialect
from rkd.modelfile.parse import Modelfile, decode, parse
from rkd.modelfile.source import Source, SourceKind, classify

_SHARD = re.compile(r"(?P<stem>.+)-\d{5}-of-(?P<total>\d{5})\.gguf")
"""How the engine's split tool names the parts of a GGUF."""


@dataclass(frozen=True, slots=True)
class LocalFile:
    """
    A file to bring.

    Args:
        name: what Create calls it: as written after FROM or ADAPTER, or its path inside the
            checkpoint folder.
        path: where it lies here.
    """

    name: str
    path: Path


@dataclass(frozen=True, slots=True)
class Wanted:
    """A Modelfile's text and the local files it names."""

    text: str
    files: tuple[LocalFile, ...]


def read(file: Path | None, origin: str | None, stdin: str | None = None) -> Wanted:
    """
    Read the Modelfile *file* (or its text from *stdin*), or make one that says only FROM *origin*.

    Given both, *origin* takes the place of every FROM. Paths are relative to the Modelfile's
    folder, those of *origin* to the current one.

    Raises:
        Failure: a file that is not there, or cannot be read.
        InvalidInputError: INVALID_MODELFILE with line and column.
    """
    if file is None and stdin is None:
        text = f"FROM {_quoted(origin or '.')}\n"
        return Wanted(text, _files((origin or ".",), Path()))
    data = _bytes(file) if file is not None else (stdin or "").encode()
    base = file.parent if file is not None else Path()
    text = decode(data) if origin is None else _replaced(decode(data), origin)
    modelfile = parse(text)
    adapters = _files(modelfile.values("ADAPTER"), base, adapter=True)
    values, place = ((origin,), Path()) if origin is not None else (modelfile.values("FROM"), base)
    weights = _files(values, place)
    return Wanted(text, weights + adapters + (_encoders(modelfile, base) if weights else ()))


def text_of(file: Path) -> str:
    """
    Read the Modelfile *file* as it is written.

    Raises:
        Failure: it cannot be read.
        InvalidInputError: INVALID_MODELFILE, it is no text.
    """
    return decode(_bytes(file))


def existing(path: Path) -> Path:
    """
    Return *path* when there is a file.

    Raises:
        Failure: there is none.
    """
    if is_file(path):
        return path
    raise Failure(f"there is no file {named(path)}", "FILE_NOT_FOUND", (), Exit.NOT_FOUND)


def _bytes(file: Path) -> bytes:
    try:
        return read_bounded(file, MAX_BYTES)
    except OSError as error:
        said = f"the Modelfile {named(file)} cannot be read: {why_not(error).lower()}"
        remedy = ("name it with -f FILE, or say what to make the model from: --from",)
        raise Failure(said, "FILE_NOT_FOUND", remedy, Exit.NOT_FOUND) from error


def _quoted(value: str) -> str:
    return f'"""{value}"""' if value != value.strip() or value.startswith('"') else value


def _replaced(text: str, origin: str) -> str:
    """Return the Modelfile with FROM *origin* in place of its own."""
    modelfile = parse(text)
    lines = text.splitlines(keepends=True)
    dialect_env = modelfile.dialect is Dialect.ENV
    for command in modelfile.commands:
        if command.keyword == "FROM":
            lines[command.line - 1] = ""
    head = f'FROM="{origin}"\n' if dialect_env else f"FROM {_quoted(origin)}\n"
    return head + "".join(lines)


def _files(values: tuple[str, ...], base: Path, *, adapter: bool = False) -> tuple[LocalFile, ...]:
    found: list[LocalFile] = []
    for value in values:
        path = _local(classify(value), base)
        if path is None:
            continue
        if is_folder(path):
            prefix = f"{value.rstrip('/')}/" if adapter else ""
            listed = checkpoint.files_of(path)
            found += [LocalFile(prefix + name, inside) for name, inside in listed]
        else:
            # The daemon looks at the last part of a name only, which is what tells shards apart.
            found += [LocalFile(value, path), *_other_shards(value, path)]
    return tuple(found)


def _encoders(modelfile: Modelfile, base: Path) -> tuple[LocalFile, ...]:
    """Return the .rknn that VISION_ENCODER names, where it is a file of this machine."""
    named = [
        one.value
        for one in modelfile.commands
        if one.keyword == "PARAMETER" and one.name.lower() == "vision_encoder"
    ]
    found = (LocalFile(value, base / value) for value in named)
    return tuple(one for one in found if is_file(one.path))


def _other_shards(value: str, path: Path) -> list[LocalFile]:
    """Return the other files of a split GGUF, named beside *value*, its first."""
    match = _SHARD.fullmatch(path.name)
    if match is None:
        return []
    written = value.removesuffix(path.name)
    total = int(match["total"])
    names = [f"{match['stem']}-{n:05}-of-{total:05}.gguf" for n in range(1, total + 1)]
    others = [LocalFile(written + name, path.with_name(name)) for name in names]
    missing = [str(one.path) for one in others if not is_file(one.path)]
    if missing:
        said = f"{named(value)} is split, and {len(missing)} of its {total} parts are not there"
        raise Failure(said, "FILE_NOT_FOUND", (f"missing: {named(missing[0])}",), Exit.NOT_FOUND)
    return [one for one in others if one.path != path]


def _local(source: Source, base: Path) -> Path | None:
    """Return where *source* lies on this machine; None for what the board has to find."""
    path = source.path(base)
    match source.kind:
        case SourceKind.HUB:
            return None
        case SourceKind.MODEL:
            # A bare name is a model of the board unless a checkpoint of that name lies here.
            return path if is_folder(path) and checkpoint.looks_like_one(path) else None
        case SourceKind.PATH:
            found = look(path)
            if found.kind is not FileKind.NOTHING:
                return path
            raise Failure(
                f"{named(source.text)} is not there: {found.why.lower() or f'no {named(path)}'}",
                "FILE_NOT_FOUND",
                ("paths after FROM and ADAPTER are relative to the Modelfile's folder",),
                Exit.NOT_FOUND,
            )
