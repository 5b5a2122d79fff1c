"""
How much memory a model will take: weights, KV cache, and what the engine needs besides. Pure.

The pool replaces these by what it measured, once it has loaded the model at all.
"""

from __future__ import annotations

from dataclasses import dataclass

from rkd.model import Details, Format

_MIB = 1024 * 1024

KV_BYTES: dict[str, tuple[int, int]] = {
    "f16": (2, 1),
    "q8_0": (34, 32),
    "q4_0": (18, 32),
}
"""(bytes, elements) of one block of each KV cache type; ggml's block sizes."""

PROCESS_BYTES = 96 * _MIB
"""A worker with the engine loaded and no model: 67-70 MB measured (xllamacpp 2026.10)."""
NPU_FRACTION = 0.10
"""What a .rkllm takes beyond its file where nothing else is known: cache and buffers."""
_UNKNOWN_KV_BYTES = 256 * _MIB
_BATCH_TOKENS = 512
_FLOATS_A_TOKEN = 8
"""Activations of the widest step of a layer, in widths of the embedding, as f32."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Bytes a resident model takes, by kind."""

    weights_bytes: int
    kv_bytes: int
    overhead_bytes: int

    @property
    def total_bytes(self) -> int:
        """All of it."""
        return self.weights_bytes + self.kv_bytes + self.overhead_bytes


def kv_cache_bytes(details: Details, context_tokens: int, kv_type: str) -> int:
    """
    Return the size of a KV cache for *context_tokens* tokens (of all slots together).

    *kv_type* is `f16`, `q8_0`, `q4_0`, or `auto`, which counts as f16. Keys and values each take
    kv_heads x head_size numbers a layer and token.
    """
    stored, elements = KV_BYTES.get(kv_type, KV_BYTES["f16"])
    numbers = 2 * details.layers * details.kv_heads * details.head_size * context_tokens
    return -(-numbers * stored // elements)


def estimate(
    details: Details,
    weights_bytes: int,
    form: Format,
    *,
    context_tokens: int,
    slots: int = 1,
    kv_type: str = "auto",
    batch_tokens: int = _BATCH_TOKENS,
) -> Estimate:
    """
    Estimate a model of *details* whose files take *weights_bytes*.

    *context_tokens* is of each slot. A model whose shape is unknown (every .rkllm) is given a fixed
    share.
    """
    if form is Format.RKLLM:
        return Estimate(weights_bytes, 0, PROCESS_BYTES + int(weights_bytes * NPU_FRACTION))
    cache = kv_cache_bytes(details, context_tokens * slots, kv_type) or _UNKNOWN_KV_BYTES
    compute = batch_tokens * details.embedding_size * 4 * _FLOATS_A_TOKEN
    return Estimate(weights_bytes, cache, PROCESS_BYTES + compute)
