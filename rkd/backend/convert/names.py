"""
Names and shapes of tensors: HuggingFace's to GGUF's, and what a model of a config must have.

**Source**: `modeling_llama.py`, `modeling_mistral.py`, `modeling_qwen2.py`, `modeling_gemma.py`
(transformers 5) and llama.cpp's `llama-arch.cpp`.
"""

from __future__ import annotations

import re

from rkd.backend.convert.config import CheckpointConfig
from rkd.backend.convert.tensors import Stored, broken, unsupported
from rkd.outside import shown

_TOP = {
    "embed_tokens.weight": "token_embd.weight",
    "norm.weight": "output_norm.weight",
}
_PARTS = {
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
_BIASES = frozenset({"attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"})
_LAYER = re.compile(r"layers\.([0-9]{1,5})\.(.+)\.(weight|bias)")
_QUANTIZED = re.compile(
    r"\.(?:(?:qweight|qzeros|scales|g_idx|weight_scale(?:_inv)?|absmax|quant_map|SCB"
    r"|weight_format)$|quant_state\..|nested_.)"
)


def translate(name: str, config: CheckpointConfig) -> str | None:
    """
    Return GGUF's name of the tensor *name*, or None for one that inference does not use.

    Raises:
        InvalidInputError: ARCHITECTURE_UNSUPPORTED; a tensor nobody knows.
    """
    if name == "lm_head.weight":
        return None if config.tied else "output.weight"
    bare = name.removeprefix("model.")
    if bare in _TOP:
        return _TOP[bare]
    if bare.endswith("rotary_emb.inv_freq"):
        return None
    found = _LAYER.fullmatch(bare)
    if found and found[2] in _PARTS:
        part = _PARTS[found[2]]
        if int(found[1]) >= config.layers:
            return None
        if found[3] == "weight" or part in _BIASES:
            return f"blk.{int(found[1])}.{part}.{found[3]}"
    if _QUANTIZED.search(name):
        raise unsupported(
            config.name,
            f"the tensor {shown(name[:100])} belongs to a quantized checkpoint",
            "Take the original checkpoint (F16, BF16 or F32) and let rkd quantize: `-q Q4_K_M`.",
        )
    raise unsupported(
        config.name, f"it has the tensor {shown(name[:100])}, which rkd does not know"
    )


def expected(config: CheckpointConfig) -> tuple[str, ...]:
    """Every tensor a model of *config* must have; biases are optional."""
    top = ["token_embd.weight", "output_norm.weight"]
    if not config.tied:
        top.append("output.weight")
    layers = [
        f"blk.{layer}.{part}.weight" for layer in range(config.layers) for part in _PARTS.values()
    ]
    return (*top, *layers)


def check(name: str, stored: Stored, config: CheckpointConfig) -> None:
    """
    Hold the shape of *stored* against the config.

    Raises:
        InvalidInputError: WEIGHTS_INVALID, naming both.
    """
    part, _, kind = name.rpartition(".")
    shape = _shape(part.rsplit(".", 1)[-1], config)
    wanted = shape[:1] if kind == "bias" else shape
    if stored.shape != wanted:
        raise broken(stored.name, f"its shape is {stored.shape}, config.json says {wanted}")


def _shape(part: str, config: CheckpointConfig) -> tuple[int, ...]:
    hidden, forward = config.hidden_size, config.feed_forward_size
    queries, keys = config.heads * config.head_size, config.kv_heads * config.head_size
    shapes: dict[str, tuple[int, ...]] = {
        "token_embd": (config.vocabulary, hidden),
        "output": (config.vocabulary, hidden),
        "attn_q": (queries, hidden),
        "attn_k": (keys, hidden),
        "attn_v": (keys, hidden),
        "attn_output": (hidden, queries),
        "ffn_gate": (forward, hidden),
        "ffn_up": (forward, hidden),
        "ffn_down": (hidden, forward),
    }
    return shapes.get(part, (hidden,))
