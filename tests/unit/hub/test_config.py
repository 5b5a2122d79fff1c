"""The shape of a model from its original's config.json."""

from __future__ import annotations

import json

import pytest

from rkd import shape
from rkd.hub.config import shape_in

QWEN = {
    "num_hidden_layers": 28,
    "num_attention_heads": 16,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "hidden_size": 1024,
    "max_position_embeddings": 40960,
}


def test_layers_and_heads_are_read() -> None:
    """Of the language model where there are several inside; the context stays the file's own."""
    plain = shape_in(json.dumps(QWEN).encode())
    seeing = shape_in(json.dumps({"vision_config": {}, "text_config": QWEN}).encode())

    assert plain == seeing
    assert (plain.layers, plain.kv_heads, plain.head_size) == (28, 8, 128)
    assert plain.context_tokens == 0


@pytest.mark.parametrize("value", [None, "28", -1, 2**40, 1.5, [28], {}])
def test_what_cannot_be_stays_unknown(value: object) -> None:
    """Any field may hold anything."""
    found = shape_in(json.dumps({**QWEN, "num_hidden_layers": value, "head_dim": value}).encode())

    assert found.layers == 0
    assert found.head_size == 64


@pytest.mark.parametrize("data", [b"", b"[]", b"<html>", b"[" * 9000])
def test_what_is_none_is_refused(data: bytes) -> None:
    """Typed, for the browser to go on without."""
    with pytest.raises(shape.UnlikeError):
        shape_in(data)
