"""
What a GGUF says of its model, and whether an engine may be given it.

`check` refuses what would abort the engine's process instead of failing: absurd layer counts, a
context of 0, and the like. **Source**: 197 altered headers through llama.cpp b11549, one process
each: 101 raised an error of the engine's own, 60 loaded, 36 aborted; of those `check` refuses all
but two, vocabularies of one token repeated, which only reading every token would find.
"""

from __future__ import annotations

from pathlib import Path

from rkd.errors import InvalidInputError, Reason
from rkd.model import Details
from rkd.outside import quoted, shown
from rkd.weights import gguf, shards
from rkd.weights.company import by_header
from rkd.weights.gguf import Header
from rkd.weights.quantization import FILE_TYPES, TENSOR_TYPES

MAX_LAYERS = 512
"""llama.cpp's LLAMA_MAX_LAYERS, an assertion there; the deepest released model has 126."""
MAX_CONTEXT_TOKENS = 2**31 - 1
MAX_WIDTH = 2**20
_MAX_NUMBER = 2**31 - 1
"""Numbers of `Details` are clamped to what fields of messages hold: int32, parameters int64."""
_MAX_PARAMETERS = 2**63 - 1
_MAX_ARCHITECTURE_CHARACTERS = 64
_ROPE_SCALINGS = frozenset({"none", "linear", "yarn", "longrope"})
_GUESSED = 1024
"""Bit of `general.file_type` that llama.cpp sets where it guessed."""


def inspect(path: Path) -> Details:
    """
    Read *path* (the first shard of a split one), check it and its shards, return its details.

    Raises:
        InvalidInputError: WEIGHTS_INVALID, ARCHITECTURE_UNSUPPORTED.
        OSError: a file cannot be read.
    """
    header = gguf.read_header(path)
    rest = shards.read_rest(path, header)
    check(header, path.name)
    return describe(header, others=rest)


def describe(header: Header, others: tuple[Header, ...] = ()) -> Details:
    """
    Return what *header* says; *others* are the headers of further shards.

    Whatever a header holds, the numbers fit into messages.
    """
    architecture = header.text("general.architecture")

    def number(key: str, default: int = 0) -> int:
        return min(max(header.number(f"{architecture}.{key}", default), 0), _MAX_NUMBER)

    heads = number("attention.head_count")
    embedding = number("embedding_length")
    parameters = sum(t.weights for h in (header, *others) for t in h.tensors)
    return Details(
        architecture=_shown(architecture),
        parameters=min(parameters, _MAX_PARAMETERS),
        quantization=quantization(header, others),
        context_tokens=number("context_length"),
        layers=number("block_count"),
        heads=heads,
        kv_heads=number("attention.head_count_kv", heads),
        head_size=number("attention.key_length", embedding // heads if heads else 0),
        embedding_size=embedding,
        has_template=has_template(header),
        companion=by_header(header),
    )


def _shown(architecture: str) -> str:
    return shown(architecture[:_MAX_ARCHITECTURE_CHARACTERS])


def check(header: Header, what: str) -> None:
    """
    Refuse what no engine should be given.

    Raises:
        InvalidInputError: WEIGHTS_INVALID; ARCHITECTURE_UNSUPPORTED for a GGUF that is no
            language model.
    """
    architecture = header.text("general.architecture")
    if not architecture:
        raise gguf.invalid(what, "it names no architecture")
    if thing := by_header(header):
        raise InvalidInputError(
            Reason.ARCHITECTURE_UNSUPPORTED,
            f"{shown(what)} is {thing}, not a model",
            remedy="Name the model it belongs to with FROM"
            + (", and this file with ADAPTER." if "adapter" in thing else "."),
            metadata={
                "file": shown(what),
                "architecture": _shown(architecture),
            },
        )
    for key, low, high in (
        ("block_count", 1, MAX_LAYERS),
        ("context_length", 1, MAX_CONTEXT_TOKENS),
        ("embedding_length", 1, MAX_WIDTH),
    ):
        value = header.number(f"{architecture}.{key}", -1)
        if not low <= value <= high:
            said = "missing" if value == -1 else str(value)
            problem = f"{_shown(architecture)}.{key} is {said}; {low} to {high} is possible"
            raise gguf.invalid(what, problem)
    problem = _assertion(header, architecture) or _vocabulary_problem(header)
    if problem:
        raise gguf.invalid(what, problem)


def _assertion(header: Header, architecture: str) -> str:
    """Say which other value of the metadata would trip an assertion of the engine, or ""."""
    for key in ("attention.layer_norm_rms_epsilon", "attention.layer_norm_epsilon"):
        value = header.metadata.get(f"{architecture}.{key}", 0.0)
        if isinstance(value, float) and not 0 <= value < 1:
            return f"{_shown(architecture)}.{key} is {value}"
    scaling = header.text(f"{architecture}.rope.scaling.type", "none")
    if scaling not in _ROPE_SCALINGS:
        return f"its rope scaling {quoted(scaling)} is unknown"
    experts = header.number(f"{architecture}.expert_count")
    used = header.number(f"{architecture}.expert_used_count")
    if (experts or used) and not 1 <= used <= experts:
        return f"it uses {used} of {experts} experts"
    return _sharing_problem(header, architecture)


def _sharing_problem(header: Header, architecture: str) -> str:
    """Hold key/value heads given for each layer against the query heads of the same layer."""
    groups = header.metadata.get(f"{architecture}.attention.head_count_kv")
    if not isinstance(groups, gguf.Array):
        return ""
    heads = header.metadata.get(f"{architecture}.attention.head_count")
    queries = heads.values if isinstance(heads, gguf.Array) else (heads,) * len(groups.values)
    for query, group in zip(queries, groups.values, strict=False):
        if isinstance(query, int) and group and query % group:
            return f"{query} heads cannot share {group} key/value heads"
    return ""


def _vocabulary_problem(header: Header) -> str:
    """Say what is wrong with the vocabulary as far as its lengths tell, or ""."""
    kind = header.text("tokenizer.ggml.model")
    if kind in {"none", "no_vocab"}:
        return "it brings no vocabulary"
    tokens = header.length("tokenizer.ggml.tokens")
    if kind == "llama" and header.length("tokenizer.ggml.scores") != tokens:
        return f"its vocabulary has {tokens} tokens and not as many scores"
    return ""


def quantization(header: Header, others: tuple[Header, ...] = ()) -> str:
    """Return the name of the file's type; where it says none, that of most of its weights."""
    said = header.metadata.get("general.file_type")
    if isinstance(said, int) and said & ~_GUESSED in FILE_TYPES:
        return FILE_TYPES[said & ~_GUESSED]
    weights: dict[int, int] = {}
    for tensor in (tensor for part in (header, *others) for tensor in part.tensors):
        weights[tensor.type] = weights.get(tensor.type, 0) + tensor.weights
    most = max(weights, key=lambda kind: weights[kind], default=None)
    return "" if most is None else TENSOR_TYPES[most].name


def has_template(header: Header) -> bool:
    """Tell whether the file brings a chat template."""
    return bool(header.text("tokenizer.chat_template"))
