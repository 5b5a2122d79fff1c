"""
From the files of one folder to a `Model`: which weights, whose Modelfile, what state.

A folder with a GGUF and no Modelfile is ready, its metadata says what a Modelfile would; an
.rkllm alone does not tell its tokenizer and needs one. Weights are not judged here: a file that
is no model fails when it is loaded, with the engine's own words.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rkd.errors import InvalidInputError, NotFoundError, PreconditionError, Reason, RkdError
from rkd.library import modelfiles, provenance
from rkd.library.header import details_of
from rkd.library.layout import format_of, is_partial, is_projector, shard_of
from rkd.library.modelfiles import Reading
from rkd.model import Format, Model, ModelName, ModelState, Recipe, WeightsFile

Judge = Callable[[Path, os.stat_result], float | None]
"""When to look at a file again: 0 when it is whole, None when its writer decides."""


@dataclass(frozen=True, slots=True)
class FoundFile:
    """One file as a listing shows it; equal as long as nobody changed it."""

    path: Path
    size_bytes: int
    modified_ns: int
    inode: int

    @classmethod
    def of(cls, path: Path, status: os.stat_result) -> FoundFile:
        """Take down what *status* says of *path*."""
        return cls(path, status.st_size, status.st_mtime_ns, status.st_ino)

    @property
    def modified(self) -> datetime:
        """When it changed last."""
        return datetime.fromtimestamp(self.modified_ns / 1e9, UTC)


@dataclass(frozen=True, slots=True)
class Verdict:
    """
    Whether a model can be used.

    Args:
        reason: one sentence when it cannot.
        refuse: builds the error for whoever tries; a new one each time, since a raised error
            collects its traceback.
    """

    state: ModelState
    reason: str = ""
    refuse: Callable[[], RkdError] | None = None


@dataclass(frozen=True, slots=True)
class Described:
    """
    A model and what the library keeps beside it.

    Args:
        files: everything in the folder, as it was when looked at.
        derived: there is no Modelfile on disk; the text is made from the weights.
        refuse: builds the error for whoever wants to use a model that is not READY.
        recheck_s: when an incoming file may be whole; None when only an event can tell.
    """

    model: Model
    files: tuple[FoundFile, ...] = ()
    derived: bool = False
    refuse: Callable[[], RkdError] | None = None
    recheck_s: float | None = None


def describe(
    name: ModelName, folder: Path, files: tuple[FoundFile, ...], judge: Judge
) -> Described:
    """Describe the model in *folder*, which holds a Modelfile or weights."""
    top = tuple(file for file in files if file.path.parent == folder)
    reading = modelfiles.read(folder)
    weights, parts = _weights(top, reading)
    recheck_s = _recheck(parts, judge)
    verdict = _judge_model(name, top, weights, reading, whole=recheck_s == 0.0)
    derived = reading is None and verdict.state is ModelState.READY
    text = reading.text if reading else ""
    model = Model(
        name=name,
        folder=folder,
        state=verdict.state,
        weights=weights,
        modelfile_text=f"FROM ./{weights[0].path.name}\n" if derived else text,
        recipe=reading.recipe if reading else Recipe(),
        details=details_of(weights),
        provenance=provenance.read(folder),
        size_bytes=sum(file.size_bytes for file in files),
        modified=max((file.modified for file in files), default=None),
        reason=verdict.reason,
        version=_version(files),
    )
    return Described(model, files, derived, verdict.refuse, recheck_s)


def _weights(
    top: tuple[FoundFile, ...], reading: Reading | None
) -> tuple[tuple[WeightsFile, ...], tuple[FoundFile, ...]]:
    """
    Choose the weights, NPU first, and the files they consist of.

    What FROM names wins among files of its format; the other format's file joins as the fallback.
    """
    adapters = {modelfiles.file_of(one) for one in reading.recipe.adapters} if reading else set()
    groups: dict[tuple[Format, str], list[FoundFile]] = {}
    for file in top:
        kind = format_of(file.path.name)
        if kind is not None and not is_projector(file.path.name) and file.path.name not in adapters:
            shard = shard_of(file.path.name)
            groups.setdefault((kind, shard[0] if shard else file.path.name), []).append(file)
    chosen: list[WeightsFile] = []
    parts: list[FoundFile] = []
    for kind in (Format.RKLLM, Format.GGUF):
        rivals = [files for (each, _), files in groups.items() if each is kind]
        named = [
            files for files in rivals if reading and any(reading.names(f.path.name) for f in files)
        ]
        for files in named[:1] or rivals:
            size = sum(file.size_bytes for file in files)
            newest = max(file.modified_ns for file in files)
            chosen.append(WeightsFile(files[0].path, kind, size, newest))
            parts += files
    return tuple(chosen), tuple(parts)


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


def _judge_model(
    name: ModelName,
    top: tuple[FoundFile, ...],
    weights: tuple[WeightsFile, ...],
    reading: Reading | None,
    *,
    whole: bool,
) -> Verdict:
    """
    Decide the state.

    1. Something is still arriving, or parts of a split file are missing.
    2. The Modelfile cannot be read, or names what is not there.
    3. No Modelfile: one GGUF speaks for itself, anything else has to be told.
    """
    arriving = _arriving(top, weights)
    if not whole or arriving:
        return _incoming(name, arriving or "its weights are still being written")
    if reading is not None:
        return _judge_reading(name, weights, reading)
    ggufs = [file for file in weights if file.format is Format.GGUF]
    if len(ggufs) == 1 and len(weights) <= 2:  # noqa: PLR2004 - with or without NPU weights
        return Verdict(ModelState.READY)
    return _needs_modelfile(name, weights)


def _arriving(top: tuple[FoundFile, ...], weights: tuple[WeightsFile, ...]) -> str:
    """Say what the names alone tell of files to come; "" when nothing is missing."""
    names = {file.path.name for file in top}
    partial = next((name for name in sorted(names) if is_partial(name)), "")
    if partial and (not weights or partial.removesuffix(".aria2") in names):
        return f"{partial} is half-copied"
    for file in weights:
        shard = shard_of(file.path.name)
        if shard is None:
            continue
        siblings = {part for part in map(shard_of, names) if part and part[0] == shard[0]}
        if len(siblings) < shard[2]:
            return f"{len(siblings)} of {shard[2]} parts of {shard[0]} are there"
    return ""


def _judge_reading(name: ModelName, weights: tuple[WeightsFile, ...], reading: Reading) -> Verdict:
    trouble = reading.trouble
    if trouble is not None:
        message, remedy = f"the Modelfile of {name}: {trouble.message}", trouble.remedy
        return Verdict(
            ModelState.INVALID,
            trouble.message,
            lambda: InvalidInputError(
                Reason.INVALID_MODELFILE,
                message,
                remedy=remedy,
                metadata={"model": name.text},
                violations=trouble.violations,
            ),
        )
    missing = _missing(weights, reading)
    if missing:
        what = f"FROM of {name} names {missing!r}, which is not there"
        return Verdict(
            ModelState.INVALID,
            f"FROM names {missing!r}, which is not there",
            lambda: NotFoundError(
                Reason.MODEL_NOT_FOUND,
                what,
                remedy=f"Put the file into the folder of {name}, or make the model anew with "
                f"`rkctl create {name} -f Modelfile`; `rkctl search` finds models.",
                metadata={"model": name.text, "from": missing},
            ),
        )
    formats = [file.format for file in weights]
    if len(set(formats)) < len(formats):
        return _needs_modelfile(name, weights)
    return Verdict(ModelState.READY)


def _missing(weights: tuple[WeightsFile, ...], reading: Reading) -> str:
    """Return the FROM that nothing in the folder answers to, or ""."""
    for source in reading.sources:
        file_name = modelfiles.file_of(source)
        if format_of(file_name) is None:
            if not weights:
                return source
        elif not is_projector(file_name) and not any(
            file.path.name == file_name or _same_split(file.path.name, file_name)
            for file in weights
        ):
            return file_name
    return ""


def _same_split(one: str, other: str) -> bool:
    first, second = shard_of(one), shard_of(other)
    return bool(first and second and (first[0], first[2]) == (second[0], second[2]))


def _incoming(name: ModelName, reason: str) -> Verdict:
    return Verdict(
        ModelState.INCOMING,
        reason,
        lambda: PreconditionError(
            Reason.MODEL_INCOMPLETE,
            f"{name} is still arriving: {reason}",
            remedy="Wait until it is complete; `rkctl watch` tells when.",
            metadata={"model": name.text},
        ),
    )


def _needs_modelfile(name: ModelName, weights: tuple[WeightsFile, ...]) -> Verdict:
    file = weights[0].path.name if weights else "FILE.rkllm"
    several = len(weights) > 1
    reason = "several weights files and no Modelfile that says which" if several else "no Modelfile"
    return Verdict(
        ModelState.NEEDS_MODELFILE,
        reason,
        lambda: PreconditionError(
            Reason.MODELFILE_MISSING,
            # These words are rkllama's: its users look for them.
            f"Modelfile not found in '{name}' directory. Weights alone do not say how to use them.",
            remedy=f"Write it with `rkctl run {name} {file} HF_REPO`, where HF_REPO is the "
            "`user/repo` on Hugging Face that the weights were made from.",
            metadata={"model": name.text, "file": file},
        ),
    )


def _version(files: tuple[FoundFile, ...]) -> str:
    """Hash what tells one state of the folder from another; hidden files do not count."""
    facts = "\n".join(
        f"{file.path}\0{file.size_bytes}\0{file.modified_ns}\0{file.inode}"
        for file in files
        if not file.path.name.startswith(".")
    )
    return hashlib.sha256(facts.encode("utf-8", "surrogateescape")).hexdigest()[:16]
