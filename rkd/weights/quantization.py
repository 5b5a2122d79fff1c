"""
The closed tables of quantization: tensor types, file types, and the advice people are given.

**Source**: block sizes are ggml's (`ggml.c`, `type_traits`), file types llama.cpp's
(`llama.h`, `enum llama_ftype`); both compared with the `gguf` package by a test. Advice: order of
perplexity as measured by `bench/quantize.py`, and how RK3588's cores unpack each kind.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TensorType:
    """How one tensor is stored: *block_bytes* bytes hold *block_weights* weights."""

    name: str
    block_weights: int
    block_bytes: int

    @property
    def bits(self) -> float:
        """Bits a weight takes."""
        return self.block_bytes * 8 / self.block_weights


_256 = 256

TENSOR_TYPES: dict[int, TensorType] = {
    0: TensorType("F32", 1, 4),
    1: TensorType("F16", 1, 2),
    2: TensorType("Q4_0", 32, 18),
    3: TensorType("Q4_1", 32, 20),
    6: TensorType("Q5_0", 32, 22),
    7: TensorType("Q5_1", 32, 24),
    8: TensorType("Q8_0", 32, 34),
    9: TensorType("Q8_1", 32, 40),
    10: TensorType("Q2_K", _256, 84),
    11: TensorType("Q3_K", _256, 110),
    12: TensorType("Q4_K", _256, 144),
    13: TensorType("Q5_K", _256, 176),
    14: TensorType("Q6_K", _256, 210),
    15: TensorType("Q8_K", _256, 292),
    16: TensorType("IQ2_XXS", _256, 66),
    17: TensorType("IQ2_XS", _256, 74),
    18: TensorType("IQ3_XXS", _256, 98),
    19: TensorType("IQ1_S", _256, 50),
    20: TensorType("IQ4_NL", 32, 18),
    21: TensorType("IQ3_S", _256, 110),
    22: TensorType("IQ2_S", _256, 82),
    23: TensorType("IQ4_XS", _256, 136),
    24: TensorType("I8", 1, 1),
    25: TensorType("I16", 1, 2),
    26: TensorType("I32", 1, 4),
    27: TensorType("I64", 1, 8),
    28: TensorType("F64", 1, 8),
    29: TensorType("IQ1_M", _256, 56),
    30: TensorType("BF16", 1, 2),
    34: TensorType("TQ1_0", _256, 54),
    35: TensorType("TQ2_0", _256, 66),
    39: TensorType("MXFP4", 32, 17),
    40: TensorType("NVFP4", 64, 36),
    41: TensorType("Q1_0", 128, 18),
}
"""By ggml's number."""

FILE_TYPES: dict[int, str] = {
    0: "F32",
    1: "F16",
    2: "Q4_0",
    3: "Q4_1",
    7: "Q8_0",
    8: "Q5_0",
    9: "Q5_1",
    10: "Q2_K",
    11: "Q3_K_S",
    12: "Q3_K_M",
    13: "Q3_K_L",
    14: "Q4_K_S",
    15: "Q4_K_M",
    16: "Q5_K_S",
    17: "Q5_K_M",
    18: "Q6_K",
    19: "IQ2_XXS",
    20: "IQ2_XS",
    21: "Q2_K_S",
    22: "IQ3_XS",
    23: "IQ3_XXS",
    24: "IQ1_S",
    25: "IQ4_NL",
    26: "IQ3_S",
    27: "IQ3_M",
    28: "IQ2_S",
    29: "IQ2_M",
    30: "IQ4_XS",
    31: "IQ1_M",
    32: "BF16",
    36: "TQ1_0",
    37: "TQ2_0",
    38: "MXFP4_MOE",
    39: "NVFP4",
    40: "Q1_0",
}
"""By the number in `general.file_type`."""


class Quality(enum.IntEnum):
    """How much of the original's sense is left, best first."""

    WHOLE = 0
    NEAR = 1
    GOOD = 2
    FAIR = 3
    POOR = 4


class Speed(enum.IntEnum):
    """How fast tokens come on RK3588's cores, compared with other types of the same model."""

    FAST = 0
    MIDDLE = 1
    SLOW = 2


@dataclass(frozen=True, slots=True)
class Quantization:
    """
    One row of advice.

    Args:
        bits: bits a weight takes on average over a whole model.
        note: one sentence for people.
        makes: rkd can write it (`create -q`).
    """

    name: str
    bits: float
    quality: Quality
    speed: Speed
    note: str
    makes: bool = False


_ROWS = (
    Quantization(
        "F32", 32.0, Quality.WHOLE, Speed.SLOW, "for converting, not for running", makes=True
    ),
    Quantization("F16", 16.0, Quality.WHOLE, Speed.SLOW, "the original, four times Q4", makes=True),
    Quantization(
        "BF16", 16.0, Quality.WHOLE, Speed.SLOW, "the original; unpacked in software", makes=True
    ),
    Quantization("Q8_0", 8.5, Quality.WHOLE, Speed.MIDDLE, "no loss one could measure", makes=True),
    Quantization("Q6_K", 6.6, Quality.NEAR, Speed.MIDDLE, "next to no loss", makes=True),
    Quantization("Q5_K_M", 5.7, Quality.NEAR, Speed.MIDDLE, "little loss", makes=True),
    Quantization("Q5_K_S", 5.5, Quality.NEAR, Speed.MIDDLE, "little loss", makes=True),
    Quantization("Q5_1", 6.0, Quality.NEAR, Speed.MIDDLE, "older; Q5_K_M is better"),
    Quantization("Q5_0", 5.5, Quality.GOOD, Speed.MIDDLE, "older; Q5_K_S is better", makes=True),
    Quantization("Q4_K_M", 4.9, Quality.GOOD, Speed.FAST, "the usual choice", makes=True),
    Quantization(
        "Q4_K_S", 4.6, Quality.GOOD, Speed.FAST, "a little smaller than the usual", makes=True
    ),
    Quantization("Q4_1", 5.0, Quality.GOOD, Speed.FAST, "older; Q4_K_M is better", makes=True),
    Quantization("IQ4_NL", 4.5, Quality.GOOD, Speed.FAST, "repacked for ARM like Q4_0", makes=True),
    Quantization(
        "IQ4_XS", 4.3, Quality.GOOD, Speed.MIDDLE, "smallest that is still good", makes=True
    ),
    Quantization(
        "Q4_0", 4.6, Quality.FAIR, Speed.FAST, "fastest on ARM, repacked at load", makes=True
    ),
    Quantization("MXFP4", 4.4, Quality.GOOD, Speed.MIDDLE, "as it was trained"),
    Quantization("MXFP4_MOE", 4.4, Quality.GOOD, Speed.MIDDLE, "experts as they were trained"),
    Quantization("Q3_K_L", 4.3, Quality.FAIR, Speed.SLOW, "noticeable loss"),
    Quantization("Q3_K_M", 3.9, Quality.FAIR, Speed.SLOW, "noticeable loss", makes=True),
    Quantization("Q3_K_S", 3.5, Quality.POOR, Speed.SLOW, "strong loss"),
    Quantization("IQ3_M", 3.7, Quality.FAIR, Speed.SLOW, "slow to unpack"),
    Quantization("IQ3_S", 3.5, Quality.FAIR, Speed.SLOW, "slow to unpack"),
    Quantization("IQ3_XS", 3.3, Quality.POOR, Speed.SLOW, "slow to unpack, strong loss"),
    Quantization("IQ3_XXS", 3.1, Quality.POOR, Speed.SLOW, "slow to unpack, strong loss"),
    Quantization(
        "Q2_K", 2.9, Quality.POOR, Speed.SLOW, "strong loss; a smaller model serves better"
    ),
    Quantization(
        "Q2_K_S", 2.7, Quality.POOR, Speed.SLOW, "strong loss; a smaller model serves better"
    ),
    Quantization("IQ2_M", 2.7, Quality.POOR, Speed.SLOW, "for models far too large otherwise"),
    Quantization("IQ2_S", 2.5, Quality.POOR, Speed.SLOW, "for models far too large otherwise"),
    Quantization("IQ2_XS", 2.4, Quality.POOR, Speed.SLOW, "for models far too large otherwise"),
    Quantization("IQ2_XXS", 2.1, Quality.POOR, Speed.SLOW, "for models far too large otherwise"),
    Quantization("IQ1_M", 1.8, Quality.POOR, Speed.SLOW, "an experiment"),
    Quantization("IQ1_S", 1.6, Quality.POOR, Speed.SLOW, "an experiment"),
    Quantization("TQ1_0", 1.7, Quality.POOR, Speed.SLOW, "for models trained with three values"),
    Quantization("TQ2_0", 2.1, Quality.POOR, Speed.SLOW, "for models trained with three values"),
    Quantization("w8a8", 8.0, Quality.NEAR, Speed.FAST, "the NPU's own type"),
    Quantization("w8a8_g128", 8.1, Quality.NEAR, Speed.MIDDLE, "NPU, better than w8a8, slower"),
    Quantization("w8a8_g256", 8.1, Quality.NEAR, Speed.MIDDLE, "NPU, better than w8a8, slower"),
    Quantization("w8a8_g512", 8.0, Quality.NEAR, Speed.MIDDLE, "NPU, better than w8a8, slower"),
    Quantization("w4a16", 4.5, Quality.FAIR, Speed.FAST, "NPU of RK3576; RK3588 does not run it"),
    Quantization("w4a16_g128", 4.6, Quality.FAIR, Speed.FAST, "NPU of RK3576, better than w4a16"),
    Quantization("w4a16_g64", 4.7, Quality.FAIR, Speed.MIDDLE, "NPU of RK3576, better than w4a16"),
    Quantization("w4a16_g32", 5.0, Quality.GOOD, Speed.MIDDLE, "NPU of RK3576, better than w4a16"),
    Quantization("w4a8_g32", 5.0, Quality.FAIR, Speed.FAST, "NPU of RK3562"),
    Quantization("fp16", 16.0, Quality.WHOLE, Speed.SLOW, "NPU without quantization"),
)

QUANTIZATIONS: dict[str, Quantization] = {row.name: row for row in _ROWS}
"""By name, best of a size first."""

_IN_NAME = re.compile(
    r"(?<![A-Za-z0-9])(?P<own>UD[-_])?(?P<gguf>"
    r"(?:Q4[-_]0|IQ4[-_]?NL)[-_][48][-_][48]"
    r"|Q[1-8][-_]?K(?:[-_]?(?:XXL|XL|XS|[LMS])|_V)?(?:_[LMS])?(?:_R[48])?"
    r"|IQ[1-6][-_]?(?:XXS|XS|XL|NL|KSS|K[STL]|K|BN|[SML])(?:_(?:XL|[LMS]|R[48]))?"
    r"|Q[1-8][-_][01](?P<group>_g[0-9]{2,3})?(?:_R[48])?|Q[68]"
    r"|TQ[1-4]_[01]S?|I2_S|TL[12]|MXFP4(?:_MOE)?|NVFP4|FP8|BF16|F(?:P|LOAT)?(?:16|32)"
    r")(?![A-Za-z0-9])"
    r"|(?P<npu>w(?P<w>[48])[-_]?a(?P<a>8|16)(?:[-_]?g(?P<g>[0-9]{2,3}))?|w16a16)(?![0-9])"
    r"|(?<![A-Za-z0-9])(?P<short>int[48]|w[48])(?![A-Za-z0-9])",
    re.IGNORECASE,
)
_FLOAT = re.compile(r"^(?:FP|FLOAT)(?=16|32)")
_WHOLE = {"Q8": "Q8_0", "Q6": "Q6_K"}
"""Widths of which people use one type alone."""
_SHORT = {"int8": "w8a8", "w8": "w8a8", "int4": "w4a16", "w4": "w4a16"}
"""What a .rkllm may say alone: the toolkit has one type of each width without groups."""

REMOVED = frozenset({"Q4_0_4_4", "Q4_0_4_8", "Q4_0_8_8", "IQ4_NL_4_4", "IQ4_NL_4_8", "IQ4_NL_8_8"})
"""
Types the engine no longer reads: it repacks the plain type for the processor when it loads it.

**Source**: llama.cpp, GGUF types 31 to 33 and 36 to 38, removed in January 2025.
"""

_READ = re.compile(
    r"Q[1-8]_K(?:_(?:XXL|XL|XS|[LMS]))?(?:_[LMS])?|Q[458]_[01]|Q1_0(?:_g128)?"
    r"|IQ[1-4]_(?:XXS|XS|XL|NL|[SML])(?:_(?:XL|[LMS]))?|TQ[12]_0|MXFP4(?:_MOE)?|NVFP4"
    r"|BF16|F16|F32|w(?:4|8|16)a(?:8|16)(?:_g[0-9]{2,3})?|fp16"
)


def is_foreign(kind: str) -> bool:
    """
    Whether no engine here reads weights of type *kind*: a removed one, or another program's own.

    `IQ4_KS` and `_R4` are ik_llama.cpp's, `I2_S` bitnet.cpp's, `FP8` is no type of GGUF at all.
    """
    return bool(kind) and _READ.fullmatch(kind) is None


def in_file_name(name: str) -> str:
    """
    Return the quantization *name* speaks of, in the spelling of the table, or "".

    The last one counts: `qwen-f16-Q4_K_M.gguf` is Q4_K_M. Repositories' own mixes (`Q4_K_XL`) come
    back upper case as they are, without a publisher's mark before them (`own_mix` tells that).
    Of a .rkllm only what the NPU's toolkit makes counts: the GGUF it was made from does not.
    """
    for_npu = name.lower().endswith(".rkllm")
    kinds = [_kind(one, for_npu=for_npu) for one in _found_in(name.rsplit("/", 1)[-1])]
    return next((kind for kind in reversed(kinds) if kind), "")


def _kind(found: re.Match[str], *, for_npu: bool) -> str:
    """Spell what was *found* as the tables do; "" where it says nothing of such a file."""
    if found["npu"]:
        group = f"_g{found['g']}" if found["g"] else ""
        return f"w{found['w']}a{found['a']}{group}" if found["w"] else "fp16"
    if found["short"]:
        return _SHORT[found["short"].lower()] if for_npu else ""
    group = found["group"] or ""
    text = _FLOAT.sub("F", found["gguf"].upper().replace("-", "_"))
    if text in {"F16", "BF16"} and for_npu:
        return "fp16"
    if for_npu:
        return ""
    return _spelt(text[: len(text) - len(group)]) + group.lower()


def _spelt(kind: str) -> str:
    """Put the underscores in that people leave out: `Q4KM`, `Q4K_M`, `IQ2XXS`; `Q8` is Q8_0."""
    if kind in _WHOLE:
        return _WHOLE[kind]
    spelt = re.sub(r"^(I?Q[1-8])(?=[A-Z])", r"\1_", kind)
    return re.sub(r"^(Q[1-8]_K)(?=[A-Z])", r"\1_", spelt)


def own_mix(name: str) -> str:
    """Return the mark of a publisher's own mix that stands before the type (`UD-`), or ""."""
    found = _found_in(name.rsplit("/", 1)[-1])
    return "UD-" if found and found[-1]["own"] else ""


def without(name: str) -> str:
    """Return *name* without the quantization it speaks of and what separates it."""
    found = _found_in(name)
    if not found:
        return name
    return name[: found[-1].start()].rstrip("-_.") + name[found[-1].end() :]


def _found_in(name: str) -> list[re.Match[str]]:
    return list(_IN_NAME.finditer(name))


def guessed_bytes(parameters: int, quantization: str) -> int:
    """
    Guess what weights of *parameters* numbers take in *quantization*; 0 where either is unknown.

    By the bits of the kind most tensors have: files are some per cent larger, since a few tensors
    are kept finer. Good for telling 0.3 GB from 3 before a repository is looked at.
    """
    upper = quantization.upper()
    fitting = [kind for kind in TENSOR_TYPES.values() if upper.startswith(kind.name)]
    if fitting:
        bits = max(fitting, key=lambda kind: len(kind.name)).bits
    elif found := re.match(r"W(\d{1,2})A", upper):
        bits = float(found[1])
    else:
        return 0
    return int(parameters * bits / 8)
