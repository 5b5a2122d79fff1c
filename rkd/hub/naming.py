"""
What names on the hub tell besides the type of the weights. Pure.

The model they are of, and how a .rkllm was tuned.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from rkd.weights import named, shards
from rkd.weights.quantization import without

_PACKAGING = re.compile(
    r"(?:^|[-_. ])(?:gguf|rkllm(?:[-_]?(?:models?|runtime))?|rknn(?:[-_]?llm)?|npu[0-9]?"
    r"|(?:rk|rockchip)?[-_ ]?35(?:88|76|62|66|68)[a-z]?[0-9]?(?:[-_]?npu)?|rk35xx"
    r"|r[kv][-_ ]?(?:11|18)[0-9]{2}b?p?)(?=$|[-_. ])",
    re.IGNORECASE,
)
_TOOLKIT = re.compile(
    r"(?:^|[-_. ])(?:rkllm|rknn[-_]?llm)?[-_]?(?:toolkit|sdk|runtime)?[-_]?"
    r"(?:v?(1[._][0-9][._][0-9])|v(1[0-9][0-9]))(b[0-9]+)?(?=$|[-_. ])",
    re.IGNORECASE,
)
_TUNING = re.compile(
    r"(?:[-_.](?:opt(?:imi[sz]ation)?(?:[-_]?level)?|level)[-_]?(?P<opt>[01])(?![0-9.]))?"
    r"(?:[-_.]hybrid(?:[-_]?(?:ratio|rate))?[-_]?(?P<ratio>[01](?:\.[0-9]{1,2})?))?"
    r"(?:[-_.](?:npu[1-3]|(?:grq|gptq|awq|normal)(?=$|[-_.])))?(?=$|[-_.])",
    re.IGNORECASE,
)
_POINT = re.compile(r"(?<=[0-9])___(?=[0-9])")
"""How ModelScope writes the point of `1.5B` in names of folders."""
_GENERIC = frozenset(
    {
        "gguf",
        "ggml",
        "rkllm",
        "rk",
        "rknn",
        "npu",
        "model",
        "models",
        "llm",
        "llms",
        "lm",
        "language",
        "text",
        "decoder",
        "qwen",
        "zoo",
        "weights",
        "converted",
        "collection",
        "quantized",
        "test",
    }
)
"""Words that tell nothing: of a file the repository's is better, of a repository the file's."""


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
        if found["opt"] or found["ratio"]:
            ratio = min(1.0, float(found["ratio"] or 0))
            return Tuning(0 if found["opt"] != "0" else 1, ratio)
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
        if not _is_generic(own):
            return own
    return ""


def _is_generic(name: str) -> bool:
    return not set(re.split(r"[-_. ]+", name)) - _GENERIC - {""}


def is_collection(paths: Iterable[str]) -> bool:
    """Whether weights are of several models: of other sizes, or without a beginning in common."""
    stems = {stem for path in paths if (stem := stem_of(path))}
    sizes = {named.parameters_in(stem) for stem in stems} - {0}
    beginnings = {re.split(r"[-_.]", stem)[0] for stem in stems}
    return len(sizes) > 1 or len(beginnings) > 1


def tells_nothing(repository: str) -> bool:
    """Whether the name of *repository* says nothing of a model: `org/rkllm-models`."""
    return _is_generic(bare(repository.rpartition("/")[2]))


def bare(name: str) -> str:
    """Take packaging, and the toolkit's version that goes with it, off *name*; lower case."""
    plain = _PACKAGING.sub("", name)
    if plain != name:
        plain = _TOOLKIT.sub("", plain)
    return _POINT.sub(".", plain).strip("-_. ").lower()


def toolkit_in_name(name: str) -> str:
    """Find the toolkit's version in the name of a .rkllm or of its repository, or ""."""
    found = _TOOLKIT.search(name.removesuffix(".rkllm"))
    if found is None:
        return ""
    version = (found[1] or ".".join(found[2])).replace("_", ".")
    return version + (found[3] or "").lower()
