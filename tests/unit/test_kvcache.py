"""The types of a KV cache are named once, and everybody who takes one takes the same."""

from __future__ import annotations

import pytest

from rkd import config, kvcache
from rkd.model import Details
from rkd.modelfile.parameters import BadValueError, parse_value
from rkd.weights.estimate import kv_cache_bytes

SHAPE = Details(layers=2, kv_heads=4, head_size=64)
(SETTING,) = (one for one in config.SETTINGS if one.key == "kv_cache_type")


@pytest.mark.parametrize("kind", kvcache.CHOICES)
def test_each_type_is_taken_everywhere(kind: str) -> None:
    """By the configuration and a Modelfile, in any case."""
    assert SETTING.parse(kind.upper()) == kind
    assert parse_value("kv_cache_type", kind.upper()) == kind


@pytest.mark.parametrize("kind", ["f32", "q4_1", "", "auto,f16"])
def test_no_other_type_is(kind: str) -> None:
    """And the error names all there are."""
    for parse in (SETTING.parse, lambda text: parse_value("kv_cache_type", text)):
        with pytest.raises((ValueError, BadValueError), match="auto, f16, q8_0, q4_0"):
            parse(kind)


def test_what_is_quantized_takes_less() -> None:
    """Than f16, which is what `auto` counts as: an engine is told of nothing else."""
    taken = {kind: kv_cache_bytes(SHAPE, 32, kind) for kind in kvcache.CHOICES}

    assert taken[kvcache.AUTO] == taken[kvcache.F16]
    assert {kind for kind in taken if taken[kind] < taken[kvcache.F16]} == kvcache.QUANTIZED
