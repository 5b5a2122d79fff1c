"""
What lies beside weights under their ending and is no model of its own, told by its name. Pure.

Once a file is here its header decides; before that the name is all there is.
**Source**: names of the repositories people pull from, 2026.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from pathlib import PurePosixPath

from rkd.weights.gguf import Header
from rkd.weights.quantization import in_file_name, without

ASKED_AGAIN = 128
"""So many paths are remembered: a look at a folder asks of each file four times, at 10 µs."""

_TOKEN = r"(?<![a-z0-9])(?:{})(?![a-z0-9])"  # noqa: S105 - a piece of a name
_FLOATS = frozenset({"", "F32", "F16", "BF16", "fp16"})

_KINDS = (
    (
        re.compile(
            r"(?<![a-z])mm[-_]?proj|(?<![a-z])(?:multi[-_]?modal[-_ ]?)?projector(?![a-z])"
            r"|(?<![a-z])(?:vision|visual|audio|speech|image)[-_ ]?"
            r"(?:encoder|tower|adapter|projector|transformer)(?![a-z])"
        ),
        "a projector",
    ),
    (
        re.compile(_TOKEN.format(r"(?:control|steering)[-_ ]?vectors?|c-?vectors?")),
        "a control vector",
    ),
    (re.compile(r"^(?:ggml-)?vocab(?![a-z0-9])|^(?:.*[-_.])?tokenizer\.[a-z]+$"), "a vocabulary"),
    (re.compile(r"(?<![a-z])(?:wav-?tokenizer|vocoder)(?![a-z])"), "a vocoder"),
    (
        re.compile(r"^(?:token[-_]?)?emb(?:d|ed|eddings?)(?:[-_]?tokens?)?(?:[-_.]f16)?\.[a-z]+$"),
        "a table of embeddings",
    ),
    (re.compile(r"^mtp(?![a-z0-9])"), "a draft"),
)
_ADAPTER = re.compile(_TOKEN.format("q?lora|dora|adapter"))
_MERGED = re.compile(
    r"(?<![a-z])(?:no|non|without|merged|fused|full)[-_ ]?(?:q?lora|adapter)|merged"
)
_LORA = re.compile(r"(?<![a-z])q?lora(?![a-z])")
_SHARD = re.compile(r"-[0-9]{5}-of-[0-9]{5}$")
_ENDINGS = frozenset({".gguf", ".rkllm"})
_IMATRIX = re.compile(_TOKEN.format(r"imat(?:rix)?|importance[-_]?matrix"))
_FOLDERS = (
    (re.compile(r"mtp|drafts?|draft[-_]models?|eagle-?3|speculators?"), "a draft"),
    (re.compile(r"mmproj|projectors?"), "a projector"),
    (re.compile(r"q?loras?|adapters?"), "an adapter"),
    (re.compile(r"i-?matrix|imatrices"), "an imatrix"),
    (re.compile(r"(?:.*[-_])?(?:control|steering)[-_]?vectors?(?:[-_].*)?"), "a control vector"),
)
"""Names of folders whose weights are no models, whatever the files are called."""

_LIKE = (
    (
        re.compile(
            _TOKEN.format(r"mtp|nextn|draft(?:er|s)?|eagle-?[123]?|medusa|speculat(?:or|ive)")
        ),
        "a draft",
    ),
    (
        re.compile(r"(?<![a-z])(?:vl-?)?(?:vision|visual|vit|clip|siglip)[0-9]*\.[a-z]+$"),
        "a projector",
    ),
    (re.compile(r"^(?:openai[-_])?(?:clip|siglip[0-9]?|vit)(?![a-z0-9])"), "a projector"),
)
"""What may be either: a model is called `Eagle-7B` and `…-Vision` as well."""


_TYPES = {
    "adapter": "a LoRA adapter",
    "mmproj": "a vision or audio projector",
    "imatrix": "an imatrix",
    "controlvector": "a control vector",
    "vocab": "a vocabulary",
}
_ARCHITECTURES = {
    "clip": "a vision or audio projector",
    "imatrix": "an imatrix",
    "controlvector": "a control vector",
    "wavtokenizer-dec": "a vocoder",
    "eagle": "a draft",
    "eagle3": "a draft",
    "dflash": "a draft",
    "medusa": "a draft",
}


def by_header(header: Header) -> str:
    """
    Say what a GGUF is by its header besides a model, whatever it is called; "" for a model.

    **Source**: `general.type` and the architectures that llama.cpp's converters write for files of
    which none is a model of its own; a vocabulary has no tensors, and is in one file.
    """
    architecture, kind = header.text("general.architecture"), header.text("general.type")
    said = _TYPES.get(kind) or _ARCHITECTURES.get(architecture)
    if said or header.tensors or header.number("split.count") > 1:
        return said or ""
    return "a vocabulary" if header.length("tokenizer.ggml.tokens") else ""


@lru_cache(maxsize=ASKED_AGAIN)
def companion(path: str) -> str:
    """
    Say what the file at *path* is besides a model (`a projector`, `an imatrix` …), or "".

    Args:
        path: within its repository or folder; a folder called MTP counts as well.
    """
    folder, _, name = path.lower().rpartition("/")
    for pattern, kind in _KINDS:
        if pattern.search(name):
            return kind
    type_ = in_file_name(name)
    if _ADAPTER.search(name) and not _MERGED.search(name) and type_ in {*_FLOATS, "Q8_0"}:
        return "an adapter"
    # A model made with the help of an imatrix often says so, after its quantization.
    if _IMATRIX.search(name) and type_ in _FLOATS:
        return "an imatrix"
    place = folder.rpartition("/")[2]
    return next((kind for pattern, kind in _FOLDERS if pattern.fullmatch(place)), "")


def companions(paths: Iterable[str]) -> dict[str, str]:
    """
    Say of weights that lie together which are no models, and what they are.

    Where a name could be either (`m-vision-f16.gguf`, `m-draft-Q8_0.gguf`), it is a companion if a
    model lies beside it that is called otherwise: alone, or in all types a model comes in, it is
    the model. A `.rkllm` that is called as one beside it is, and `lora`, is its adapter.
    """
    listed = [path for path in paths if _ending(path) in _ENDINGS]
    said = {path: companion(path) for path in listed}
    like = {path: _like(path) for path in listed if not said[path]}
    models = {(_ending(path), _stem(path)) for path, kind in like.items() if not kind}
    formats = {ending for ending, _ in models}
    said |= {
        path: kind
        for path, kind in like.items()
        if _ending(path) in formats and (_ending(path), _stem(path)) not in models
    }
    npu = [path for path in listed if _ending(path) == ".rkllm" and not said[path]]
    adapted = {
        path for path in npu if _LORA.search(_name(path)) and not _MERGED.search(_name(path))
    }
    families = {_family(path) for path in npu if path not in adapted}
    said |= {path: "an adapter" for path in adapted if _family(path) in families}
    return {path: kind for path, kind in said.items() if kind}


def _like(path: str) -> str:
    """Say what the name of *path* may be besides a model's."""
    name = _name(path)
    unquantized = in_file_name(name) in {*_FLOATS, "Q8_0"}
    kinds = (kind for pattern, kind in _LIKE if pattern.search(without(name)))
    return next((kind for kind in kinds if kind == "a draft" or unquantized), "")


def _name(path: str) -> str:
    return PurePosixPath(path).name.lower()


def _is_adapted(name: str) -> bool:
    return bool(_LORA.search(name)) and not _MERGED.search(name)


def _family(path: str) -> str:
    """Return the word a name begins with: an adapter's is its model's."""
    return re.split(r"[-_. ]", _name(path), maxsplit=1)[0]


def _ending(path: str) -> str:
    return PurePosixPath(path).suffix.lower()


def _stem(path: str) -> str:
    return without(_SHARD.sub("", PurePosixPath(_name(path)).stem)).strip("-_.")
