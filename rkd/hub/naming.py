"""
What names on the hub tell besides the type of the weights. Pure.

The model they are of, and how a .rkllm was tuned.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from rkd.weights import rkllm, shards
from rkd.weights.quantization import without

_PACKAGING = re.compile(
    r"(?:^|[-_.])(gguf|rkllm|rk35[0-9]{2}s?|r[kv]11[0-9]{2}b?)(?=$|[-_.])", re.IGNORECASE
)
_TOOLKIT = re.compile(r"[-_.](?:toolkit)?v?1\.[0-3]\.[0-9](?:b[0-9]+)?(?=$|[-_.])", re.IGNORECASE)
_TUNING = re.compile(
    r"(?:[-_.]opt-?([01]))?(?:[-_.]hybrid-?ratio-?([01](?:\.[0-9]{1,2})?))?(?=$|[-_.])",
    re.IGNORECASE,
)
_GENERIC = frozenset(
    {"", "gguf", "rkllm", "model", "models", "llm", "language_model", "ggml-model", "qwen", "zoo"}
)
"""Names that tell nothing: of a file the repository's is better, of a repository the file's."""


@dataclass(frozen=True, slots=True, order=True)
class Tuning:
    """
    How a .rkllm was made beyond its type; the smaller, the more advised.

    The toolkit's own defaults are optimisation 1 and a hybrid ratio of 0: mixing in grouped
    weights makes a model a little better and slower. **Source**: RKLLM SDK manual, `build`.

    Args:
        unoptimized: 0 with the toolkit's optimisation, 1 without.
        hybrid_ratio: part of the weights that is grouped, 0 to 1.
    """

    unoptimized: int = 0
    hybrid_ratio: float = 0.0

    def __str__(self) -> str:
        return f"opt-{1 - self.unoptimized}, hybrid-ratio {self.hybrid_ratio:.1f}"


def tuning_in(name: str) -> Tuning | None:
    """Read `opt-1-hybrid-ratio-0.5` in a file's name; None where it says nothing."""
    stem = name.rpartition("/")[2].removesuffix(".rkllm")
    for found in _TUNING.finditer(stem):
        if found[1] or found[2]:
            ratio = min(1.0, float(found[2] or 0))
            return Tuning(0 if found[1] != "0" else 1, ratio)
    return None


def stem_of(path: str) -> str:
    """
    Return what a file's name says of its model: without type, chip, tuning, version and shard.

    A name that tells nothing (`model.gguf`) gives its folder's, else "".
    """
    shard = shards.parse(path)
    parts = PurePosixPath(path).parts
    names = [shard.stem.rpartition("/")[2] if shard else PurePosixPath(path).stem]
    for name in [*names, *reversed(parts[:-1])]:
        own = bare(_TUNING.sub("", without(name)))
        if own not in _GENERIC:
            return own
    return ""


def is_collection(paths: Iterable[str]) -> bool:
    """Whether weights are of several models: of other sizes, or without a beginning in common."""
    stems = {stem for path in paths if (stem := stem_of(path))}
    sizes = {rkllm.parameters_in(stem) for stem in stems} - {0}
    beginnings = {re.split(r"[-_.]", stem)[0] for stem in stems}
    return len(sizes) > 1 or len(beginnings) > 1


def tells_nothing(repository: str) -> bool:
    """Whether the name of *repository* says nothing of a model: `org/rkllm-models`."""
    return bare(repository.rpartition("/")[2]) in _GENERIC


def bare(name: str) -> str:
    """Take packaging, and the toolkit's version that goes with it, off *name*; lower case."""
    plain = _PACKAGING.sub("", name)
    if plain != name:
        plain = _TOOLKIT.sub("", plain)
    return plain.strip("-_.").lower()
