"""
Whether a model can be used, from what lies in its folder: pure.

A folder with a GGUF and no Modelfile is ready, its metadata says what a Modelfile would; an
.rkllm alone does not tell its tokenizer and needs one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from rkd.errors import InvalidInputError, NotFoundError, PreconditionError, Reason, RkdError
from rkd.library import modelfiles
from rkd.library.layout import format_of, is_partial, is_projector
from rkd.library.modelfiles import Reading
from rkd.model import Format, ModelName, ModelState, WeightsFile
from rkd.outside import quoted, shown
from rkd.weights import shards

_FROM_CHARACTERS = 200


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


def judge(
    name: ModelName,
    names: Iterable[str],
    weights: tuple[WeightsFile, ...],
    reading: Reading | None,
    *,
    whole: bool,
    besides: frozenset[str] = frozenset(),
) -> Verdict:
    """
    Decide the state of the model *name*, whose folder holds files of *names*.

    Those *besides* are projectors: a FROM may name one.

    1. Something is still arriving, or parts of a split file are missing.
    2. The Modelfile cannot be read, or names what is not there.
    3. No Modelfile: one GGUF speaks for itself, anything else has to be told.
    """
    arriving = _arriving(frozenset(names), weights)
    if not whole or arriving:
        return _incoming(name, arriving or "its weights are still being written")
    if reading is not None:
        return _judge_reading(name, weights, reading, besides)
    ggufs = [file for file in weights if file.format is Format.GGUF]
    if len(ggufs) == 1 and len(weights) <= 2:  # noqa: PLR2004 - with or without NPU weights
        return Verdict(ModelState.READY)
    return _needs_modelfile(name, weights)


def unusable(name: ModelName, file: str, trouble: str) -> Verdict:
    """Refuse a model because of its file *file*, which is no usable file at all."""
    what = f"{shown(file)}: {shown(trouble)}"
    return _unfit(name, file, what, f"Put a regular file of its own into the folder of {name}.")


def no_model(name: ModelName, file: str, thing: str) -> Verdict:
    """Refuse a model whose weights are no model at all but *thing*, as their header says."""
    remedy = f"Name the model with FROM in the Modelfile of {name}, an adapter with ADAPTER."
    return _unfit(name, file, f"{shown(file)} is {thing}, not a model", remedy)


def _unfit(name: ModelName, file: str, what: str, remedy: str) -> Verdict:
    return Verdict(
        ModelState.INVALID,
        what,
        lambda: InvalidInputError(
            Reason.WEIGHTS_INVALID,
            f"{name} cannot be used: {what}",
            remedy=remedy,
            metadata={"model": name.text, "file": shown(file)},
        ),
    )


def _arriving(names: frozenset[str], weights: tuple[WeightsFile, ...]) -> str:
    """Say what the names alone tell of files to come; "" when nothing is missing."""
    partial = next((name for name in sorted(names) if is_partial(name)), "")
    if partial and (not weights or partial.removesuffix(".aria2") in names):
        return f"{shown(partial)} is half-copied"
    parts = Counter(part.stem for part in map(shards.parse, names) if part)
    for file in weights:
        shard = shards.parse(file.path.name)
        if shard is not None and parts[shard.stem] < shard.count:
            return f"{parts[shard.stem]} of {shard.count} parts of {shown(shard.stem)} are there"
    return ""


def _judge_reading(
    name: ModelName,
    weights: tuple[WeightsFile, ...],
    reading: Reading,
    besides: frozenset[str],
) -> Verdict:
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
    missing = _missing(weights, reading, besides)
    if missing:
        said = quoted(missing)
        what = f"FROM of {name} names {said}, which is not there"
        return Verdict(
            ModelState.INVALID,
            f"FROM names {said}, which is not there",
            lambda: NotFoundError(
                Reason.MODEL_NOT_FOUND,
                what,
                remedy=f"Put the file into the folder of {name}, or make the model anew with "
                f"`rkctl create {name} -f Modelfile`; `rkctl search` finds models.",
                metadata={"model": name.text, "from": shown(missing[:_FROM_CHARACTERS])},
            ),
        )
    formats = [file.format for file in weights]
    if len(set(formats)) < len(formats):
        return _needs_modelfile(name, weights)
    return Verdict(ModelState.READY)


def _missing(weights: tuple[WeightsFile, ...], reading: Reading, besides: frozenset[str]) -> str:
    """Return the FROM that nothing in the folder answers to, or ""."""
    there = {file.path.name for file in weights} | besides
    split = {(part.stem, part.count) for part in map(shards.parse, there) if part}
    for source in reading.sources:
        file_name = modelfiles.file_of(source)
        if format_of(file_name) is None:
            if not weights:
                return source
        elif not is_projector(file_name) and file_name not in there:
            shard = shards.parse(file_name)
            if shard is None or (shard.stem, shard.count) not in split:
                return file_name
    return ""


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
    file = shown(weights[0].path.name) if weights else "FILE.rkllm"
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
