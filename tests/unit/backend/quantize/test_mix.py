"""Which tensor gets which type: the usual mixes, layer by layer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rkd.backend.quantize.mix import BASE, FILE_NUMBER, Shape, tensor_type
from rkd.weights.quantization import QUANTIZATIONS, TENSOR_TYPES

LLAMA = Shape("llama", layers=32, sharing=4, has_output=True)
TIED = Shape("qwen2", layers=24, sharing=7, has_output=False)


def kind(
    name: str, target: str, model: Shape = LLAMA, shape: tuple[int, ...] = (4096, 4096)
) -> str:
    """The name of the type *name* gets."""
    return TENSOR_TYPES[tensor_type(name, shape, 1, target, model)].name


def layers_of(part: str, wanted: str, target: str) -> list[int]:
    """The layers of LLAMA whose *part* gets *wanted*."""
    return [n for n in range(32) if kind(f"blk.{n}.{part}.weight", target) == wanted]


def test_more_bits_for_every_third_layer() -> None:
    """Q4_K_M gives Q6_K to values and ffn_down of the first and last eighth and every third."""
    expected = [0, 1, 2, 3, 6, 9, 12, 15, 18, 21, 24, 27, 28, 29, 30, 31]

    assert layers_of("ffn_down", "Q6_K", "Q4_K_M") == expected
    assert layers_of("attn_v", "Q6_K", "Q4_K_M") == expected
    assert layers_of("attn_v", "Q6_K", "Q5_K_M") == expected


def test_first_layers_of_the_small_mixes() -> None:
    """Q4_K_S, Q3_K_M and IQ4_XS favour the first layers."""
    assert layers_of("attn_v", "Q5_K", "Q4_K_S") == [0, 1, 2, 3]
    assert layers_of("ffn_down", "Q5_K", "Q4_K_S") == [0, 1, 2, 3]
    assert layers_of("attn_v", "Q5_K", "Q3_K_M") == [0, 1]
    assert layers_of("ffn_down", "Q5_K", "Q3_K_M") == [0, 1]
    assert layers_of("ffn_down", "Q5_K", "IQ4_XS") == [0, 1, 2, 3]
    assert layers_of("attn_v", "Q5_K", "IQ4_XS") == list(range(32))


@pytest.mark.parametrize(
    ("name", "target", "expected"),
    [
        ("output.weight", "Q4_K_M", "Q6_K"),
        ("output.weight", "Q8_0", "Q8_0"),
        ("output.weight", "Q4_0", "Q6_K"),
        ("token_embd.weight", "Q4_K_M", "Q4_K"),
        ("blk.5.attn_q.weight", "Q4_K_M", "Q4_K"),
        ("blk.5.attn_output.weight", "Q3_K_M", "Q4_K"),
        ("blk.5.ffn_up.weight", "Q3_K_M", "Q3_K"),
        ("blk.5.attn_qkv.weight", "Q4_K_M", "Q5_K"),
        ("blk.5.ffn_down.weight", "F16", "F16"),
        ("blk.5.attn_q.weight", "BF16", "BF16"),
    ],
)
def test_single_tensors(name: str, target: str, expected: str) -> None:
    """The output gets six bits, embeddings the base type, attention its part's rule."""
    assert kind(name, target) == expected


def test_tied_embeddings_count_as_output() -> None:
    """Where embeddings are the output too, they get the output's type."""
    assert kind("token_embd.weight", "Q4_K_M", TIED) == "Q6_K"
    assert kind("token_embd.weight", "Q8_0", TIED) == "Q8_0"


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("Q4_K_S", "Q5_0"),
        ("Q5_K_S", "Q5_1"),
        ("Q6_K", "Q8_0"),
        ("IQ4_XS", "IQ4_NL"),
        ("Q4_0", "Q4_0"),
    ],
)
def test_rows_that_are_no_whole_blocks(target: str, expected: str) -> None:
    """Rows of 576 take the type of 32-blocks next above; rows of 40 stay whole numbers."""
    assert kind("blk.9.ffn_up.weight", target, shape=(576, 8)) == expected
    assert kind("blk.9.ffn_up.weight", target, shape=(40, 8)) == "F16"
    assert kind("output.weight", target, shape=(576, 8)) == "Q8_0"


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("blk.0.attn_norm.weight", (4096,)),
        ("blk.0.attn_q_norm.weight", (64, 32)),
        ("blk.0.attn_q.bias", (4096,)),
        ("blk.0.ffn_gate_inp.weight", (4096, 8)),
    ],
)
def test_norms_biases_and_routers_stay(name: str, shape: tuple[int, ...]) -> None:
    """What is small and delicate keeps its type."""
    assert tensor_type(name, shape, 0, "Q4_K_M", LLAMA) == 0


def test_eight_experts_and_eighty_layers() -> None:
    """Mixtral's keys and values stay at eight bits, the 70B's shared values get five."""
    mixtral = Shape("llama", layers=32, sharing=4, has_output=True, experts=8)
    deep = Shape("llama", layers=80, sharing=8, has_output=True)

    assert kind("blk.9.attn_k.weight", "Q4_K_M", mixtral) == "Q8_0"
    assert kind("blk.9.attn_v.weight", "Q4_K_M", mixtral) == "Q8_0"
    assert kind("blk.9.attn_output.weight", "Q4_K_M", mixtral) == "Q5_K"
    assert kind("blk.11.attn_v.weight", "Q4_K_M", deep) == "Q5_K"


def test_the_advice_names_what_can_be_made() -> None:
    """The table people see and the table of mixes agree, and each has a file type."""
    assert {name for name, row in QUANTIZATIONS.items() if row.makes} == set(BASE)
    assert set(BASE) <= set(FILE_NUMBER)


def test_a_published_file() -> None:
    """All 127 matrices of a published Q4_K_M (Gemma 3 270M, rows of 640) keep their types."""
    path = Path(__file__).resolve().parents[3] / "data" / "gemma3-270m-q4_k_m.json"
    table = json.loads(path.read_text())
    model = Shape("gemma3", layers=18, sharing=4, has_output=False)
    found = {name: kind(name, "Q4_K_M", model, tuple(shape)) for name, (shape, _) in table.items()}

    assert found == {name: expected for name, (_, expected) in table.items()}
    assert len(found) == 127
