"""
Puts the files of a new model together in its stage. Blocking; nothing here is seen outside.

Uploaded files come by hard link, so taking them costs neither time nor space.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from rkd.errors import InvalidInputError, PreconditionError, Reason
from rkd.library import provenance
from rkd.library.blobs import Blobs
from rkd.library.copying import copy_folder
from rkd.library.layout import format_of
from rkd.model import Format, Model, Provenance
from rkd.modelfile.parse import Modelfile
from rkd.operations.order import file_name, inside, own_files, refuse
from rkd.outside import open_regular
from rkd.weights import details, gguf, projector, rkllm, shards

SOURCE = ".source"
"""Folder of the stage that holds a checkpoint until it is converted."""

_MAGIC = {b"GGUF": ".gguf"}
_VERSIONED_BYTES = 8
_VERSIONS = (1, 2, 3)
_TYPE_IN_NAME = re.compile(
    r"[-_.](?:f16|f32|bf16|fp16|i?q\d(?:_[a-z0-9]+)*)$", re.ASCII | re.IGNORECASE
)
Files = tuple[tuple[str, str], ...]


def take_weights(
    stage: Path, files: Files, blobs: Blobs
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """
    Put uploaded weights and what came with them into *stage*.

    Returns:
        The names of the weights, and that of what lets them see, if it came.

    Raises:
        InvalidInputError: INVALID_FIELD: not uploaded, two files of one name, several projectors.
    """
    taken = []
    for name, digest in files:
        target = stage / _named(name, digest, blobs)
        if target.exists():
            target.unlink()  # of a run before this one
        blobs.take(digest, target)
        taken.append(target.name)
    if len(set(taken)) < len(taken):
        raise refuse("files", "two of them have the same file name")
    weights = [name for name in taken if format_of(name)]
    if not weights:
        raise refuse("files", "none of them is a .gguf or .rkllm")
    sight = tuple(name for name in weights if _is_projector(stage / name))
    first = tuple(name for name in weights if _is_first(name) and name not in sight)
    if len(sight) > 1:
        raise refuse("files", f"one model has one projector, not {', '.join(sight)}")
    if not any(format_of(name) is Format.GGUF for name in first) and sight:
        raise refuse("files", f"{sight[0]} is a projector, and the GGUF it belongs to is missing")
    if len({format_of(name) for name in first}) < len(first):
        raise refuse("files", f"one model has one file of a format, not {', '.join(first)}")
    return first, sight


def _is_projector(path: Path) -> bool:
    """Whether *path* is a projector by its header; what cannot be read is judged as weights."""
    if format_of(path.name) is not Format.GGUF:
        return False
    try:
        return projector.is_projector(gguf.read_header(path))
    except InvalidInputError:
        return False


def check_sight(stage: Path, weights: tuple[str, ...], sight: tuple[str, ...]) -> None:
    """
    Judge projectors by their headers, and against the model they are to see for.

    Raises:
        InvalidInputError: WEIGHTS_INVALID.
    """
    model = next(stage / name for name in weights if format_of(name) is Format.GGUF)
    width = details.describe(gguf.read_header(model)).embedding_size
    for name in sight:
        projector.inspect(stage / name, width)


def take_checkpoint(stage: Path, files: Files, blobs: Blobs) -> Path:
    """Put an uploaded checkpoint together; returns its folder."""
    source = stage / SOURCE
    shutil.rmtree(source, ignore_errors=True)
    for name, digest in files:
        target = source / inside(name)
        target.parent.mkdir(parents=True, exist_ok=True)
        blobs.take(digest, target)
    return source


def take_parent(stage: Path, parent: Path) -> None:
    """Put a parent's files into *stage*, sharing its weights."""
    for path in stage.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    copy_folder(parent, stage)


def take_adapters(stage: Path, files: Files, blobs: Blobs) -> dict[str, str]:
    """
    Put uploaded adapters into *stage*; returns their names there by what ADAPTER said.

    Raises:
        PreconditionError: CAPABILITY_UNSUPPORTED for one that is no GGUF.
    """
    placed = {}
    for name, digest in files:
        source = blobs.path_of(digest)
        is_gguf = source is not None and _magic(source) == ".gguf"
        if not is_gguf and not name.lower().endswith(".rkllm"):
            raise PreconditionError(
                Reason.CAPABILITY_UNSUPPORTED,
                f"the adapter {name} is no GGUF",
                remedy="Convert it with llama.cpp's convert_lora_to_gguf.py, then name the .gguf.",
                metadata={"file": name},
            )
        target = stage / file_name(name)
        target.unlink(missing_ok=True)
        blobs.take(digest, target)
        placed[name] = target.name
    return placed


def check(path: Path) -> tuple[str, ...]:
    """
    Judge a weights file by its header; returns warnings.

    Raises:
        InvalidInputError: WEIGHTS_INVALID, ARCHITECTURE_UNSUPPORTED.
    """
    if format_of(path.name) is Format.GGUF:
        details.inspect(path)
        return ()
    facts = rkllm.look(path)
    if facts.problem:
        raise gguf.invalid(path.name, facts.problem, facts.remedy)
    return facts.warnings


def is_readable(path: Path) -> bool:
    """
    Whether *path* is of a version whose header rkd reads.

    A GGUF of a version nobody knew when this was written is its engine's to judge.
    """
    with open_regular(path) as file:
        first = file.read(_VERSIONED_BYTES)
    if format_of(path.name) is not Format.GGUF or first[:4] not in _MAGIC:
        return True
    return any(int.from_bytes(first[4:], order) in _VERSIONS for order in ("little", "big"))


def quantization_of(path: Path) -> str:
    """Return the type a GGUF is quantized to, as its header says."""
    return details.describe(gguf.read_header(path)).quantization


def quantized_name(name: str, kind: str) -> str:
    """Return the name `<stem>-<kind>.gguf` for what becomes of *name*."""
    shard = shards.parse(name)
    stem = shard.stem if shard else name[: name.rfind(".")]
    return f"{_TYPE_IN_NAME.sub('', stem) or 'model'}-{kind}.gguf"


def size_of(folder: Path) -> int:
    """Return the bytes of all files below *folder*."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def drop_weights(stage: Path, name: str) -> None:
    """Remove the weights *name*, all parts of them: the source of a quantization."""
    shard = shards.parse(name)
    for path in stage.iterdir():
        other = shards.parse(path.name)
        if path.name == name or (shard and other and shard.belongs_with(other)):
            path.unlink()


def check_adapters(stage: Path, adapters: tuple[str, ...]) -> None:
    """
    Make sure that every adapter stands in *stage*.

    Raises:
        InvalidInputError: INVALID_FIELD.
    """
    for one in adapters:
        if not (stage / file_name(one)).is_file():
            raise refuse(
                "files",
                f"ADAPTER names {one!r}, and no such file was uploaded",
                "Use `rkctl create`, which brings the file.",
            )


def own_file(model: Model, wanted: str) -> str:
    """
    Return the name of the weights file *wanted* in the model's folder, ignoring case.

    Raises:
        InvalidInputError: INVALID_FIELD: it is not there.
    """
    names = [path.name for path in model.folder.iterdir() if format_of(path.name)]
    found = next((name for name in names if name.casefold() == wanted.casefold()), "")
    if not found:
        there = ", ".join(sorted(names)) or "no weights"
        raise refuse("existing_file", f"{wanted} is not in the folder of {model.name}: {there}")
    return found


def check_own(model: Model, modelfile: Modelfile) -> None:
    """
    Make sure that all *modelfile* names is in the model's folder.

    Raises:
        InvalidInputError: INVALID_FIELD.
    """
    there = {path.name for path in model.folder.iterdir()}
    missing = next((name for name in own_files(modelfile) if name not in there), "")
    if missing:
        raise refuse("modelfile", f"{missing[:160]!r} is not in the folder of {model.name}")


def record(stage: Path, digests: Mapping[str, str], now: datetime) -> None:
    """Write the provenance of the new model; what a parent brought along stays."""
    origin = provenance.read(stage)
    known = dict(origin.digests) | dict(digests)
    there = {name: digest for name, digest in known.items() if (stage / name).is_file()}
    made = Provenance(origin.repository, origin.revision, now, tuple(sorted(there.items())))
    provenance.write(stage, made)


def _named(name: str, digest: str, blobs: Blobs) -> str:
    """Return the name in the folder; a GGUF that is not called one gets the ending."""
    plain = file_name(name)
    if format_of(plain):
        return plain
    source = blobs.path_of(digest)
    return plain + (_magic(source) if source else "")


def _magic(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return _MAGIC.get(file.read(4), "")
    except OSError as error:
        raise InvalidInputError(
            Reason.WEIGHTS_INVALID, f"an uploaded file cannot be read: {error.strerror}"
        ) from error


def _is_first(name: str) -> bool:
    shard = shards.parse(name)
    return shard is None or shard.number == 1
