"""
How much memory a model will take: weights, KV cache, and what the engine needs besides. Pure.

The one place that knows: what the hub offers is judged by it, and what is loaded is admitted by
it. The pool replaces it by what it measured, once it has loaded the model at all.
"""

from __future__ import annotations

from dataclasses import dataclass

from rkd import kvcache
from rkd.model import Details, Format

_MIB = 1024 * 1024

CPU_OVERHEAD_BYTES = 128 * _MIB
"""Process, vocabulary and the buffers every size of model has. The process with the engine loaded
and no model: 67-70 MB measured (xllamacpp 2026.10)."""
SIGHT_OVERHEAD_BYTES = 256 * _MIB
"""What seeing takes besides the projector: the encoder's buffers, and a picture being decoded.
Measured: one of 40 megapixels takes 30 MB as a JPEG, 200 to 350 as a PNG, 600 as a WebP."""
NPU_OVERHEAD_BYTES = 64 * _MIB
"""Process and scratch of an RKLLM worker."""
NPU_CONTEXT_STEP_TOKENS = 32
"""Source: RKLLM SDK guide 1.3.0: max_context is a multiple of 32."""

_WEIGHTS_PER_CONTEXT_TOKEN = 65536
"""
Weight bytes for each byte one token of context takes, where the file does not tell its layers.

Source: Qwen2-1.5B w8a8 is 1.9 GB and takes 28 KB a token, Llama-3-8B w8a8 8.5 GB and 131 KB.
"""
BATCH_TOKENS = 256
"""Prompt tokens the CPU's engine computes at once: a cancel is seen between batches, and other
streams get their turn. Measured with 3,600 tokens: slot free after 3.8 s against 16 s with the
engine's 2,048."""
_FLOATS_A_TOKEN = 8
"""Activations of the widest step of a layer, in widths of the embedding, as f32."""


_CONVERSATIONS_KEPT = 8
"""Of whole contexts, so many are the most a prompt cache is given room for."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """
    Bytes a resident model takes, by kind.

    Args:
        projector_bytes: of what turns pictures or sound into tokens, in files of its own.
        prompt_cache_bytes: room for the caches of conversations that have no slot: whole MiB.
        npu_bytes: of it all, what lies in the NPU's address space; 0 on the CPU.
    """

    weights_bytes: int
    kv_bytes: int
    overhead_bytes: int
    projector_bytes: int = 0
    npu_bytes: int = 0
    prompt_cache_bytes: int = 0

    @property
    def total_bytes(self) -> int:
        """All of it."""
        held = self.weights_bytes + self.kv_bytes + self.overhead_bytes + self.projector_bytes
        return held + self.prompt_cache_bytes


def npu_context_tokens(tokens: int) -> int:
    """The context that a runtime can be given when *tokens* are wanted."""
    return max(tokens // NPU_CONTEXT_STEP_TOKENS, 1) * NPU_CONTEXT_STEP_TOKENS


def kv_cache_bytes(
    details: Details, context_tokens: int, kv_type: str, *, weights_bytes: int = 0
) -> int:
    """
    Return the size of a KV cache for *context_tokens* tokens (of all slots together).

    *kv_type* is one of `kvcache.CHOICES`; `auto` counts as f16. Keys and values each take
    kv_heads x head_size numbers a layer and token; a model whose shape is unknown is given a share
    of its *weights_bytes*.
    """
    stored, elements = kvcache.BLOCKS.get(kv_type, kvcache.BLOCKS[kvcache.F16])
    numbers = 2 * details.layers * details.kv_heads * details.head_size * context_tokens
    if numbers:
        return -(-numbers * stored // elements)
    full, _ = kvcache.BLOCKS[kvcache.F16]
    share = stored / elements / full
    return int(weights_bytes / _WEIGHTS_PER_CONTEXT_TOKEN * share * context_tokens)


def estimate(
    details: Details,
    weights_bytes: int,
    form: Format,
    *,
    context_tokens: int,
    slots: int = 1,
    kv_type: str = kvcache.AUTO,
    batch_tokens: int = 0,
    projector_bytes: int = 0,
    prompt_cache_bytes: int = 0,
) -> Estimate:
    """
    Estimate a model of *details* whose files take *weights_bytes*.

    *context_tokens* is of each slot, *prompt_cache_bytes* the most that may be kept of
    conversations without one. The NPU has one slot, its cache is of f16 and its buffers are the
    runtime's own: there the rest but the projector's is of no account.
    """
    if form is Format.RKLLM:
        tokens = npu_context_tokens(context_tokens)
        cache = kv_cache_bytes(details, tokens, kvcache.F16, weights_bytes=weights_bytes)
        mapped = weights_bytes + cache + projector_bytes
        return Estimate(weights_bytes, cache, NPU_OVERHEAD_BYTES, projector_bytes, mapped)
    tokens = context_tokens * max(1, slots)
    cache = kv_cache_bytes(details, tokens, kv_type, weights_bytes=weights_bytes)
    compute = (batch_tokens or BATCH_TOKENS) * details.embedding_size * 4 * _FLOATS_A_TOKEN
    kept = min(prompt_cache_bytes, _CONVERSATIONS_KEPT * cache) // _MIB * _MIB
    sight = SIGHT_OVERHEAD_BYTES if projector_bytes else 0
    return Estimate(
        weights_bytes,
        cache,
        CPU_OVERHEAD_BYTES + compute + sight,
        projector_bytes,
        prompt_cache_bytes=kept,
    )
