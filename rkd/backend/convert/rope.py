"""
Rotary position scaling: what checkpoints call it, and what a GGUF says instead.

Carried over: none, `linear`, `llama3`. Others are refused by name. **Source**: transformers
`modeling_rope_utils.py` for the formulas, llama.cpp's `rope_freqs.weight` for llama3's factors.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from rkd.backend.convert.tensors import unsupported
from rkd.outside import quoted, shown

_PLAIN = frozenset({"", "default", "none"})
_LEAST, _MOST = 1e-6, 1e12
"""Any sane base or factor; a smaller one becomes zero where it is divided by."""


@dataclass(frozen=True, slots=True)
class Rope:
    """
    How positions turn queries and keys.

    Args:
        base: `rope_theta`.
        linear_factor: positions are divided by this; 1 for none.
        factors: what each frequency is divided by (llama3), or empty.
    """

    base: float
    linear_factor: float = 1.0
    factors: tuple[float, ...] = ()


def read_rope(config: dict[str, object], head_size: int, context: int, what: str) -> Rope:
    """
    Read `rope_theta`, `rope_scaling` and the newer `rope_parameters` of a config.

    Raises:
        InvalidInputError: ARCHITECTURE_UNSUPPORTED, naming the kind of scaling.
    """
    scaling: dict[str, object] = {}
    for key in ("rope_scaling", "rope_parameters"):
        value = config.get(key)
        if isinstance(value, dict):
            scaling |= value
    base = _number(scaling, "rope_theta", _number(config, "rope_theta", 10_000.0, what), what)
    for source in (config, scaling):
        if source.get("partial_rotary_factor", 1) not in (1, 1.0, None):
            raise unsupported(what, "it turns only part of each head (partial_rotary_factor)")
    kind = scaling.get("rope_type", scaling.get("type")) or ""
    if isinstance(kind, str) and kind in _PLAIN:
        return Rope(base)
    if kind == "linear":
        return Rope(base, linear_factor=_number(scaling, "factor", 1.0, what))
    if kind == "llama3":
        return Rope(base, factors=_llama3(scaling, base, head_size, context, what))
    raise unsupported(what, f"its rope scaling is {quoted(kind)}; linear and llama3 are known")


def _llama3(
    scaling: dict[str, object], base: float, head_size: int, context: int, what: str
) -> tuple[float, ...]:
    """Llama 3.1's rule: slow frequencies are divided, fast ones kept, between them both mixed."""
    factor = _number(scaling, "factor", 8.0, what)
    low = _number(scaling, "low_freq_factor", 1.0, what)
    high = _number(scaling, "high_freq_factor", 4.0, what)
    trained = _number(scaling, "original_max_position_embeddings", float(context), what)
    if not low < high:
        raise unsupported(what, "its llama3 rope scaling has no room between low and high")
    factors: list[float] = []
    for index in range(0, head_size, 2):
        wavelength = 2 * math.pi * base ** (index / head_size)
        if wavelength < trained / high:
            factors.append(1.0)
        elif wavelength > trained / low:
            factors.append(factor)
        else:
            smooth = (trained / wavelength - low) / (high - low)
            factors.append(1 / ((1 - smooth) / factor + smooth))
    return tuple(factors)


def _number(table: dict[str, object], key: str, default: float, what: str) -> float:
    value = table.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not _LEAST < value < _MOST:
        raise unsupported(what, f"its {key} is {shown(str(value)[:40])}")
    return float(value)
