"""
Turn a checkpoint's tensors into what the engine computes with, a few rows at a time.

Queries and keys of the llama family are reordered (the engine rotates neighbouring pairs, the
checkpoint the two halves of a head); Gemma's norms get their one added; matrices take the wanted
type, vectors stay f32.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rkd.backend.convert.config import CheckpointConfig
from rkd.backend.convert.tensors import Stored, as_float32
from rkd.backend.quantize.mix import NUMBER
from rkd.backend.quantize.quantize import as_bfloat16
from rkd.errors import InvalidInputError, Reason
from rkd.weights.quantization import TENSOR_TYPES

_CHUNK_NUMBERS = 2**21


@dataclass(frozen=True, slots=True)
class FoundTensor:
    """A tensor found in the checkpoint, under its new name."""

    name: str
    stored: Stored
    config: CheckpointConfig


@dataclass(frozen=True, slots=True)
class Planned:
    """A tensor to be written: shape innermost first, type by ggml's number, and its bytes."""

    name: str
    shape: tuple[int, ...]
    kind: int
    data: Callable[[], Iterator[bytes]]


def pieces(found: Sequence[FoundTensor], config: CheckpointConfig, kind: str) -> list[Planned]:
    """Plan every tensor of the file, in the engine's order."""
    plan = [_planned(piece, kind) for piece in sorted(found, key=lambda piece: _order(piece.name))]
    if config.rope.factors:
        factors = np.array(config.rope.factors, np.float32)
        plan.insert(0, _vector("rope_freqs.weight", factors))
    return plan


def _planned(piece: FoundTensor, kind: str) -> Planned:
    shape = tuple(reversed(piece.stored.shape))
    stored = NUMBER[kind if len(shape) > 1 else "F32"]
    return Planned(piece.name, shape, stored, lambda: _bytes(piece, TENSOR_TYPES[stored].name))


def _vector(name: str, values: npt.NDArray[np.float32]) -> Planned:
    return Planned(name, values.shape, NUMBER["F32"], lambda: iter([values.tobytes()]))


def _bytes(piece: FoundTensor, kind: str) -> Iterator[bytes]:
    """Yield the tensor as *kind*, some rows at a time."""
    raw = _reordered(piece)
    adds_one = piece.config.architecture.adds_one and piece.name.endswith("norm.weight")
    width = raw.shape[-1] if raw.ndim > 1 else raw.size
    step = max(1, _CHUNK_NUMBERS // max(1, width)) if raw.ndim > 1 else raw.shape[0]
    for first in range(0, raw.shape[0], step):
        rows = raw[first : first + step]
        if piece.stored.kind == kind and not adds_one:
            yield np.ascontiguousarray(rows).tobytes()
            continue
        values = as_float32(rows, piece.stored.kind)
        yield _packed(values + np.float32(1) if adds_one else values, kind, piece.stored.name)


def _reordered(piece: FoundTensor) -> npt.NDArray[np.generic]:
    """Return the tensor's array, the rows of each head in the engine's order."""
    raw = piece.stored.raw
    part = piece.name.rsplit(".", 2)[-2]
    heads = {"attn_q": piece.config.heads, "attn_k": piece.config.kv_heads}.get(part)
    if heads is None or not piece.config.architecture.permutes:
        return raw
    halves = raw.reshape(heads, 2, raw.shape[0] // heads // 2, *raw.shape[1:])
    return halves.swapaxes(1, 2).reshape(raw.shape)


def _packed(values: npt.NDArray[np.float32], kind: str, what: str) -> bytes:
    if kind == "F32":
        return values.tobytes()
    if kind == "BF16":
        return as_bfloat16(values).tobytes()
    with np.errstate(over="ignore"):
        halves = values.astype(np.float16)
    if not np.isfinite(halves).all():
        large = np.isfinite(values).all()
        raise InvalidInputError(
            Reason.WEIGHTS_INVALID,
            f"{what} holds values " + ("too large for F16" if large else "that are no numbers"),
            remedy="Convert to BF16 (`-q BF16`)." if large else "Take another checkpoint.",
            metadata={"tensor": what},
        )
    return halves.tobytes()


def _order(name: str) -> tuple[int, str]:
    """Embeddings and output first, then layer by layer."""
    parts = name.split(".")
    return (int(parts[1]), name) if parts[0] == "blk" else (-1, name)
