"""
The shape of a model as the `config.json` of its original tells it: layers, heads, width. Pure.

A .rkllm does not tell its own; how much memory its context takes is judged by this.
"""

from __future__ import annotations

from collections.abc import Mapping

from rkd import shape
from rkd.model import Details

FILE = "config.json"
LARGEST_BYTES = 256 << 10
"""Of a config.json that is read; they have some kilobytes."""

_LARGEST = 1 << 20


def shape_in(data: bytes) -> Details:
    """
    Read a config.json; what it does not tell, or cannot be, stays 0.

    Raises:
        UnlikeError: it is none.
    """
    config = shape.record(shape.parse(data, most_bytes=LARGEST_BYTES))
    # Models that also see or hear keep the language model's own apart.
    inner = config.get("text_config")
    own = inner if isinstance(inner, dict) else config
    heads, embedding = _number(own, "num_attention_heads"), _number(own, "hidden_size")
    return Details(
        layers=_number(own, "num_hidden_layers"),
        heads=heads,
        kv_heads=_number(own, "num_key_value_heads") or heads,
        head_size=_number(own, "head_dim") or (embedding // heads if heads else 0),
        embedding_size=embedding,
    )


def _number(config: Mapping[str, object], key: str) -> int:
    value = shape.either(shape.count, config.get(key), 0)
    return value if value <= _LARGEST else 0
