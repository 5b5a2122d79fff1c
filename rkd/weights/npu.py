"""
Which types of weights the NPU of which chip runs, the advised one first. Pure.

**Source**: the vendor's RKLLM SDK manual 1.3.0, table of platforms and quantization; fp16 runs on
all of them, without quantization.
"""

from __future__ import annotations

from typing import Final

_W4A16: Final = ("w4a16", "w4a16_g128", "w4a16_g64", "w4a16_g32")

TYPES: Final[dict[str, tuple[str, ...]]] = {
    "rk3588": ("w8a8", "w8a8_g128", "w8a8_g256", "w8a8_g512", "fp16"),
    "rk3576": (*_W4A16, "w8a8", "fp16"),
    "rv1126b": (*_W4A16, "w8a8", "fp16"),
    "rk3562": ("w8a8", *_W4A16[1:], "w4a8_g32", "fp16"),
}


def runs(chip: str, kind: str) -> bool:
    """Whether the NPU of *chip* runs weights of type *kind*; true where either is not known."""
    known = TYPES.get(chip)
    return known is None or not kind or kind in known


def rank(chip: str, kind: str) -> int:
    """Return the place of *kind* in the advice for *chip*, 0 first."""
    known = TYPES.get(chip, ())
    return known.index(kind) if kind in known else len(known)
