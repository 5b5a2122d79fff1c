"""
The metadata of a converted model, pair by pair.

**Source**: llama.cpp's `gguf-py/gguf/constants.py` for the keys; compared with what its own
converter writes by `tests/slow`.
"""

from __future__ import annotations

from rkd.backend.convert.config import CheckpointConfig
from rkd.backend.convert.tokenizer import CheckpointTokenizer
from rkd.backend.quantize.gguf_write import Value, pair

_IDS = {
    "bos": "bos_token_id",
    "eos": "eos_token_id",
    "unknown": "unknown_token_id",
    "padding": "padding_token_id",
}


def pairs(
    config: CheckpointConfig, words: CheckpointTokenizer, file_type: int, name: str
) -> list[bytes]:
    """Return every pair, in the order they are written."""
    table: dict[str, Value] = {
        "general.architecture": config.architecture.gguf,
        "general.type": "model",
        "general.name": name,
        "general.file_type": file_type,
        "general.quantization_version": 2,
    }
    table |= {f"{config.architecture.gguf}.{key}": value for key, value in _shape(config).items()}
    table |= {f"tokenizer.{key}": value for key, value in _tokenizer(words).items()}
    return [pair(key, value) for key, value in table.items()]


def _shape(config: CheckpointConfig) -> dict[str, Value]:
    table: dict[str, Value] = {
        "block_count": config.layers,
        "context_length": config.context_tokens,
        "embedding_length": config.hidden_size,
        "feed_forward_length": config.feed_forward_size,
        "attention.head_count": config.heads,
        "attention.head_count_kv": config.kv_heads,
        "attention.key_length": config.head_size,
        "attention.value_length": config.head_size,
        "attention.layer_norm_rms_epsilon": float(config.norm_epsilon),
        "rope.freq_base": float(config.rope.base),
        "rope.dimension_count": config.head_size,
        "vocab_size": config.vocabulary,
    }
    if config.rope.linear_factor != 1:
        table["rope.scaling.type"] = "linear"
        table["rope.scaling.factor"] = float(config.rope.linear_factor)
    return table


def _tokenizer(words: CheckpointTokenizer) -> dict[str, Value]:
    made = words.vocabulary
    table: dict[str, Value] = {
        "ggml.model": made.model,
        "ggml.pre": made.pre,
        "ggml.tokens": made.tokens,
        "ggml.token_type": made.types,
    }
    if made.model == "llama":
        table["ggml.scores"] = made.scores
    else:
        table["ggml.merges"] = made.merges
    for key, value in (
        ("add_bos_token", made.add_bos),
        ("add_eos_token", made.add_eos),
        ("add_space_prefix", made.add_space_prefix),
    ):
        if value is not None:
            table[f"ggml.{key}"] = value
    table |= {f"ggml.{_IDS[name]}": token for name, token in made.ids.items()}
    if words.extra_eos is not None:
        table["ggml.eot_token_id"] = words.extra_eos
    if words.template:
        table["chat_template"] = words.template
    return table
