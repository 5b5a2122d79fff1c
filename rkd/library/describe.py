"""
From the files of one folder to a `Model`: which weights, whose Modelfile, what state.

Weights are not judged here: a file that is no model fails when it is loaded, with the engine's own
words. Files that are no files (a FIFO, a link out of the folder) are.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from operator import attrgetter
from pathlib import Path

from rkd.errors import RkdError
from rkd.library import modelfiles, projectors, provenance, verdict
from rkd.library.besides import besides
from rkd.library.encoders import FoundEncoder, find_encoder, is_encoder
from rkd.library.header import details_of, marked
from rkd.library.layout import MODELFILE, format_of
from rkd.library.modelfiles import Reading
from rkd.library.projectors import Projectors
from rkd.library.verdict import Verdict
from rkd.model import (
    Details,
    Format,
    Model,
    ModelName,
    ModelState,
    Provenance,
    Recipe,
    WeightsFile,
)
from rkd.outside import escaped
from rkd.weights import shards

Judge = Callable[[Path, os.stat_result], float | None]
"""When to look at a file again: 0 when it is whole, None when its writer decides."""

_LAST_NS = 253_402_300_799 * 10**9
"""The end of the year 9999, where dates end. Some file systems go on."""
_NOT_UTF8 = "its name is no UTF-8: rename it"


@dataclass(frozen=True, slots=True)
class FoundFile:
    """
    One file as a listing shows it; equal as long as nobody changed it.

    Args:
        trouble: why it cannot be used (it is a FIFO, a link that leads elsewhere …), or "".
    """

    path: Path
    size_bytes: int
    modified_ns: int
    inode: int
    trouble: str = ""

    @classmethod
    def of(cls, path: Path, status: os.stat_result, trouble: str = "") -> FoundFile:
        """Take down what *status* says of *path*."""
        if not trouble and escaped(path.name) != path.name:
            trouble = _NOT_UTF8
        return cls(path, status.st_size, status.st_mtime_ns, status.st_ino, trouble)

    @property
    def modified(self) -> datetime:
        """When it changed last; what no date can say is its first or last moment."""
        return datetime.fromtimestamp(min(max(self.modified_ns, 0), _LAST_NS) / 1e9, UTC)


@dataclass(frozen=True, slots=True)
class Described:
    """
    A model and what the library keeps beside it.

    Args:
        files: everything in the folder, as it was when looked at.
        derived: there is no Modelfile on disk; the text is made from the weights.
        refuse: builds the error for whoever wants to use a model that is not READY.
        recheck_s: when an incoming file may be whole; None when only an event can tell.
        sketched: the weights have not been asked yet, for want of time; the next look does.
    """

    model: Model
    files: tuple[FoundFile, ...] = ()
    derived: bool = False
    refuse: Callable[[], RkdError] | None = None
    recheck_s: float | None = None
    sketched: bool = False


def describe(
    name: ModelName,
    folder: Path,
    files: tuple[FoundFile, ...],
    judge: Judge,
    *,
    sketch: bool = False,
) -> Described:
    """Describe the model in *folder*, which holds a Modelfile or weights; *sketch*: no headers."""
    top = tuple(file for file in files if file.path.parent == folder)
    names = frozenset(file.path.name for file in top)
    reading = modelfiles.read(folder) if MODELFILE in names else None
    sight = _sight(top, reading, sketch=sketch)
    others = sight.names | besides(_usable(top), sketch=sketch).keys()
    weights, parts = _weights(top, reading, frozenset(others))
    recipe = reading.recipe if reading else Recipe()
    encoder = _encoder(top, weights, recipe)
    seeing = {one.chosen.path for one in (sight, encoder) if one.chosen}
    parts += tuple(file for file in top if file.path in seeing)
    recheck_s = _recheck(parts, judge)
    said = _spoilt(name, folder, top, weights, reading) or verdict.judge(
        name,
        names,
        weights,
        reading,
        whole=recheck_s == 0.0,
        besides=sight.names,
    )
    details = Details() if sketch else details_of(weights, names)
    if not sketch:
        sight = sight.checked(details.embedding_size)
    sees = any(file.format is Format.GGUF for file in weights)
    derived = reading is None and said.state is ModelState.READY
    text = reading.text if reading else ""
    newest = max(files, key=attrgetter("modified_ns"), default=None)
    model = Model(
        name=name,
        folder=folder,
        state=said.state,
        weights=weights if sketch else marked(weights),
        projector=sight.chosen if sees else None,
        blind_because=sight.trouble,
        encoder=encoder.chosen,
        npu_blind_because=encoder.trouble,
        modelfile_text=f"FROM ./{weights[0].path.name}\n" if derived else text,
        recipe=recipe,
        details=details,
        provenance=provenance.read(folder) if provenance.FILE_NAME in names else Provenance(),
        size_bytes=sum(file.size_bytes for file in files),
        modified=newest.modified if newest else None,
        reason=said.reason,
        version=_version(files),
    )
    return Described(model, files, derived, said.refuse, recheck_s, sketched=sketch)


def broken(name: ModelName, folder: Path, trouble: str) -> Described:
    """Describe a model of which nothing can be said but that it cannot be used."""
    said = verdict.unusable(name, folder.name, trouble)
    model = Model(name=name, folder=folder, state=said.state, reason=said.reason)
    return Described(model, refuse=said.refuse)


def refused(found: Described, said: Verdict) -> Described:
    """Return *found* as a model of which *said* was said."""
    model = replace(found.model, state=said.state, reason=said.reason)
    return replace(found, model=model, refuse=said.refuse)


def _usable(top: tuple[FoundFile, ...]) -> list[WeightsFile]:
    return [
        WeightsFile(file.path, kind, file.size_bytes, file.modified_ns)
        for file in top
        if not file.trouble and (kind := format_of(file.path.name)) is not None
    ]


def _sight(top: tuple[FoundFile, ...], reading: Reading | None, *, sketch: bool) -> Projectors:
    ggufs = [file for file in _usable(top) if file.format is Format.GGUF]
    named = reading.files if reading else frozenset()
    return projectors.find(ggufs, named, sketch=sketch)


def _encoder(
    top: tuple[FoundFile, ...], weights: tuple[WeightsFile, ...], recipe: Recipe
) -> FoundEncoder:
    if all(file.format is not Format.RKLLM for file in weights):
        return FoundEncoder()
    files = [
        WeightsFile(file.path, Format.RKLLM, file.size_bytes, file.modified_ns)
        for file in top
        if not file.trouble and is_encoder(file.path.name)
    ]
    return find_encoder(files, str(recipe.parameter("vision_encoder") or ""))


def _weights(
    top: tuple[FoundFile, ...], reading: Reading | None, others: frozenset[str]
) -> tuple[tuple[WeightsFile, ...], tuple[FoundFile, ...]]:
    """
    Choose the weights, NPU first, and the files they consist of.

    What FROM names wins among files of its format; the other format's file joins as the fallback.
    Those *others* are no models, whatever they are called; a .rkllm that FROM names is one.
    """
    named = reading.files if reading else frozenset()
    others -= {name for name in named if format_of(name) is Format.RKLLM}
    if reading:
        others |= {modelfiles.file_of(one) for one in reading.recipe.adapters}
    groups: dict[tuple[Format, str], list[FoundFile]] = {}
    for file in top:
        kind = format_of(file.path.name)
        if file.trouble or kind is None:
            continue
        if file.path.name not in others:
            shard = shards.parse(file.path.name)
            groups.setdefault((kind, shard.stem if shard else file.path.name), []).append(file)
    chosen: list[WeightsFile] = []
    parts: list[FoundFile] = []
    for kind in (Format.RKLLM, Format.GGUF):
        rivals = [files for (each, _), files in groups.items() if each is kind]
        wanted = [files for files in rivals if any(f.path.name in named for f in files)]
        for files in wanted[:1] or rivals:
            size = sum(file.size_bytes for file in files)
            newest = max(file.modified_ns for file in files)
            chosen.append(WeightsFile(files[0].path, kind, size, newest))
            parts += files
    return tuple(chosen), tuple(parts)


def _spoilt(
    name: ModelName,
    folder: Path,
    top: tuple[FoundFile, ...],
    weights: tuple[WeightsFile, ...],
    reading: Reading | None,
) -> Verdict | None:
    """Refuse a model whose folder or whose wanted files are no usable ones; None for most."""
    if escaped(folder.name) != folder.name:
        return verdict.unusable(name, folder.name, _NOT_UTF8)
    named = reading.files if reading else frozenset()
    for file in top:
        wanted = file.path.name in named or reading is None or not weights
        if file.trouble and wanted and format_of(file.path.name) is not None:
            return verdict.unusable(name, file.path.name, file.trouble)
    return None


def _recheck(parts: tuple[FoundFile, ...], judge: Judge) -> float | None:
    """Say when to look again: 0 when every part is whole."""
    waits = []
    for file in parts:
        try:
            waits.append(judge(file.path, file.path.stat()))
        except OSError:  # gone meanwhile: the next scan will see it
            waits.append(None)
    known = [wait for wait in waits if wait is not None]
    return None if len(known) < len(waits) else max(known, default=0.0)


def _version(files: tuple[FoundFile, ...]) -> str:
    """Hash what tells one state of the folder from another; hidden files do not count."""
    facts = "\n".join(
        f"{file.path}\0{file.size_bytes}\0{file.modified_ns}\0{file.inode}"
        for file in files
        if not file.path.name.startswith(".")
    )
    return hashlib.sha256(facts.encode("utf-8", "surrogateescape")).hexdigest()[:16]
