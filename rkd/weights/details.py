"""
What a GGUF says of its model, and whether an engine may be given it.

`check` refuses what would abort the engine's process instead of failing: absurd layer counts, a
context of 0. **Source**: 24 damaged files through llama.cpp b11549; `block_count` of a million and
`context_length` of 0 raised SIGABRT, all other damage raised an error of its own.
"""

from __future__ import annotations

from pathlib import Path

from rkd.errors import InvalidInputError, Reason
from rkd.model import Details
from rkd.weights import gguf, shards
from rkd.weights.gguf import Header
from rkd.weights.quantization import FILE_TYPES, TENSOR_TYPES

MAX_LAYERS = 512
"""llama.cpp's LLAMA_MAX_LAYERS, an assertion there; the deepest released model has 126."""
MAX_CONTEXT_TOKENS = 2**31 - 1
MAX_WIDTH = 2**20
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
    """Return what *header* says; *others* are the headers of further shards."""
    architecture = header.text("general.architecture")

    def number(key: str, default: int = 0) -> int:
        return header.number(f"{architecture}.{key}", default)

    heads = number("attention.head_count")
    embedding = number("embedding_length")
    return Details(
        architecture=architecture,
        parameters=sum(t.weights for h in (header, *others) for t in h.tensors),
        quantization=quantization(header, others),
        context_tokens=number("context_length"),
        layers=number("block_count"),
        heads=heads,
        kv_heads=number("attention.head_count_kv", heads),
        head_size=number("attention.key_length", embedding // heads if heads else 0),
        embedding_size=embedding,
        has_template=has_template(header),
    )


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
    kind = header.text("general.type")
    if kind in {"adapter", "mmproj"} or architecture == "clip":
        thing = "a LoRA adapter" if kind == "adapter" else "a vision or audio projector"
        raise InvalidInputError(
            Reason.ARCHITECTURE_UNSUPPORTED,
            f"{what} is {thing}, not a model",
            remedy="Name the model it belongs to with FROM"
            + (", and this file with ADAPTER." if kind == "adapter" else "."),
            metadata={"file": what, "architecture": architecture},
        )
    for key, low, high in (
        ("block_count", 1, MAX_LAYERS),
        ("context_length", 1, MAX_CONTEXT_TOKENS),
        ("embedding_length", 1, MAX_WIDTH),
    ):
        value = header.number(f"{architecture}.{key}", -1)
        if not low <= value <= high:
            said = "missing" if value == -1 else str(value)
            raise gguf.invalid(what, f"{architecture}.{key} is {said}; {low} to {high} is possible")


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


def has_tokenizer(header: Header) -> bool:
    """Tell whether the file brings its vocabulary."""
    return header.length("tokenizer.ggml.tokens") > 0
