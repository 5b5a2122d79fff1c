"""
Decide which tensor gets which type: llama.cpp's usual mixes, as a pure function.

A file type names most of the tensors; the output, and in part `attn_v` and `ffn_down`, get more
bits, since errors there cost most. **Source**: behaviour of `llama-quantize` (llama.cpp b11434,
`llama-quant.cpp`) without an importance matrix; tensor types compared by `tests/slow`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from rkd.weights.quantization import FILE_TYPES, TENSOR_TYPES

NUMBER = {row.name: number for number, row in TENSOR_TYPES.items()}
FILE_NUMBER = {name: number for number, name in FILE_TYPES.items()}

BASE: dict[str, str] = {
    "F32": "F32",
    "F16": "F16",
    "BF16": "BF16",
    "Q8_0": "Q8_0",
    "Q6_K": "Q6_K",
    "Q5_K_M": "Q5_K",
    "Q5_K_S": "Q5_K",
    "Q5_0": "Q5_0",
    "Q4_K_M": "Q4_K",
    "Q4_K_S": "Q4_K",
    "Q4_1": "Q4_1",
    "Q4_0": "Q4_0",
    "IQ4_NL": "IQ4_NL",
    "IQ4_XS": "IQ4_XS",
    "Q3_K_M": "Q3_K",
}
"""What `create -q` takes, and the type most tensors then have."""

PLAIN = frozenset({"F32", "F16", "BF16"})
"""Types that are numbers, not blocks."""

_NARROW = {
    "Q3_K": "IQ4_NL",
    "IQ4_XS": "IQ4_NL",
    "Q4_K": "Q5_0",
    "Q5_K": "Q5_1",
    "Q6_K": "Q8_0",
}
"""What stands in where a row is no whole number of blocks of 256."""

_LAYER = re.compile(r"blk\.([0-9]{1,5})\.(.+)")
_KEPT = ("_norm.weight", "ffn_gate_inp.weight", "position_embd.weight", "token_types.weight")
_MOST_KV_SHARING = 4
_DEEP_LLAMA_LAYERS = 80
_MIXTRAL_EXPERTS = 8


@dataclass(frozen=True, slots=True)
class Shape:
    """What of the model the choice depends on; sharing is query heads per key/value head."""

    architecture: str
    layers: int
    sharing: int
    has_output: bool
    experts: int = 0


def tensor_type(name: str, shape: tuple[int, ...], stored: int, target: str, model: Shape) -> int:
    """
    Return ggml's number of the type the tensor *name* gets in a file of type *target*.

    *shape* is innermost first; *stored* is the type it has now and keeps where it is not
    quantized at all (norms, biases, routers).
    """
    if not name.endswith("weight") or len(shape) < 2 or name.endswith(_KEPT):  # noqa: PLR2004 - a matrix
        return stored
    base = BASE[target]
    if base in PLAIN:
        return NUMBER[base]
    return NUMBER[_fitting(_wanted(name, shape[0], base, target, model), shape[0])]


def _wanted(name: str, width: int, base: str, target: str, model: Shape) -> str:
    if name == "output.weight" or (name == "token_embd.weight" and not model.has_output):
        if width % TENSOR_TYPES[NUMBER[base]].block_weights or base == "Q8_0":
            return "Q8_0"
        return "Q6_K"
    found = _LAYER.fullmatch(name)
    rule = _RULES.get(found.group(2)) if found else None
    return rule(int(found.group(1)), base, target, model) if found and rule else base


def _attention_value(layer: int, base: str, target: str, model: Shape) -> str:
    """Values of attention: small where heads share them, so more bits cost little."""
    if model.experts == _MIXTRAL_EXPERTS:
        return "Q8_0"
    wanted = base
    match target:
        case "Q3_K_M":
            wanted = "Q5_K" if layer < 2 else "Q4_K"  # noqa: PLR2004 - the first two layers
        case "IQ4_NL" | "IQ4_XS" if model.sharing >= _MOST_KV_SHARING:
            wanted = "Q5_K"
        case "Q4_K_M" | "Q5_K_M" if _more_bits(layer, model.layers):
            wanted = "Q6_K"
        case "Q4_K_S" if layer < 4:  # noqa: PLR2004 - the first four layers
            wanted = "Q5_K"
        case _:
            pass
    deep = model.architecture == "llama" and model.layers == _DEEP_LLAMA_LAYERS
    if deep and model.sharing > 1 and wanted in {"Q3_K", "Q4_K"}:
        return "Q5_K"
    return wanted


def _feed_forward_down(layer: int, base: str, target: str, model: Shape) -> str:
    early = layer < model.layers // 8
    match target:
        case "Q3_K_M":
            return "Q5_K" if layer < model.layers // 16 else "Q4_K"
        case "Q4_K_M" | "Q5_K_M" if _more_bits(layer, model.layers):
            return "Q6_K"
        case "IQ4_NL" | "IQ4_XS" | "Q4_K_S" if early:
            return "Q5_K"
        case _:
            return base


def _attention_output(_layer: int, base: str, target: str, model: Shape) -> str:
    if model.experts == _MIXTRAL_EXPERTS:
        few = {"Q3_K_M", "IQ4_NL", "Q4_K_S", "Q4_K_M", "IQ4_XS"}
        return "Q5_K" if target in few else base
    return "Q4_K" if target == "Q3_K_M" else base


def _attention_key(_layer: int, base: str, _target: str, model: Shape) -> str:
    return "Q8_0" if model.experts == _MIXTRAL_EXPERTS else base


def _attention_together(_layer: int, base: str, target: str, _model: Shape) -> str:
    return {"Q3_K_M": "Q4_K", "Q4_K_M": "Q5_K", "Q5_K_M": "Q6_K"}.get(target, base)


def _more_bits(layer: int, layers: int) -> bool:
    """Tell whether a layer gets more bits: the first and last eighth, and every third between."""
    eighth = layers // 8
    return layer < eighth or layer >= 7 * layers // 8 or (layer - eighth) % 3 == 2  # noqa: PLR2004 - every third


def _fitting(wanted: str, width: int) -> str:
    """Return *wanted*, or what stands in for it in rows of *width* weights."""
    if width % TENSOR_TYPES[NUMBER[wanted]].block_weights == 0:
        return wanted
    narrow = _NARROW.get(wanted, wanted)
    return narrow if width % TENSOR_TYPES[NUMBER[narrow]].block_weights == 0 else "F16"


_RULES: dict[str, Callable[[int, str, str, Shape], str]] = {
    "attn_v.weight": _attention_value,
    "attn_k.weight": _attention_key,
    "attn_qkv.weight": _attention_together,
    "attn_output.weight": _attention_output,
    "ffn_down.weight": _feed_forward_down,
    "ffn_down_exps.weight": _feed_forward_down,
}
"""Tensors of a layer that do not simply get the base type."""
