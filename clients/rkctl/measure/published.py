"""
What the vendor published of answers on its chips: a table of facts, and how a row of it is found.

**Source:** benchmark.md of Rockchip's rknn-llm at its releases 1.2.1 and 1.3.0 (the newest row of
each is taken), tables of the chips and, for the rows without a time to the first token, of
multimodal models. Measured there with all clocks at their ends, files converted at optimization
level 0, 128 tokens in (196 for the multimodal ones) and 64 out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from rkctl.chips import platform_of

PROMPT_TOKENS: Final = 128
NEW_TOKENS: Final = 64

TABLE: Final = """
rk3588 Qwen2 0.5B w8a8 145.90 41.58 1.3.0
rk3588 MiniCPM4 0.5B w8a8 135.29 45.34 1.3.0
rk3588 Qwen3 0.6B w8a8 199.09 32.91 1.3.0
rk3588 TinyLlama 1.1B w8a8 243.93 24.43 1.3.0
rk3588 Qwen2.5 1.5B w8a8 378.31 16.69 1.3.0
rk3588 RWKV7 1.5B w8a8 634.34 13.82 1.3.0
rk3588 InternLM2 1.8B w8a8 380.14 15.45 1.3.0
rk3588 Gemma2 2B w8a8 598.41 10.37 1.3.0
rk3588 Gemma3n 2B w8a8 1124.51 9.91 1.3.0
rk3588 TeleChat2 3B w8a8 618.48 10.18 1.3.0
rk3588 Phi3 3.8B w8a8 1017.28 7.45 1.3.0
rk3588 MiniCPM3 4B w8a8 1408.49 5.94 1.3.0
rk3588 ChatGLM3 6B w8a8 1352.94 4.98 1.3.0
rk3588 Qwen3-VL 2B w8a8 383.62 14.98 1.3.0
rk3588 DeepSeekOCR 3B w8a8 701.21 31.60 1.3.0
rk3588 Qwen3.5 0.8B w8a8 587.74 27.05 1.3.0
rk3588 Qwen3.5 2B w8a8 776.95 13.59 1.3.0
rk3588 Qwen3.5 4B w8a8 2068.88 6.22 1.3.0
rk3588 Gemma4 E2B w8a8 599.06 11.12 1.3.0
rk3588 Qwen2-VL 2B w8a8 - 16.6 1.3.0
rk3588 Qwen2.5-VL 3B w8a8 - 8.66 1.3.0
rk3588 MiniCPM-V-2.6 8B w8a8 - 4.18 1.3.0
rk3588 SmolVLM 256M w8a8 - 78 1.3.0
rk3576 Qwen2 0.5B w4a16 342.37 32.56 1.3.0
rk3576 Qwen2 0.5B w4a16_g128 361.78 30.33 1.3.0
rk3576 Qwen2 0.5B w8a8 344.27 21.73 1.3.0
rk3576 MiniCPM4 0.5B w4a16 330.80 34.57 1.3.0
rk3576 MiniCPM4 0.5B w4a16_g128 359.16 32.66 1.3.0
rk3576 MiniCPM4 0.5B w8a8 321.12 23.28 1.3.0
rk3576 Qwen3 0.6B w4a16 468.61 24.85 1.3.0
rk3576 Qwen3 0.6B w4a16_g128 506.41 23.48 1.3.0
rk3576 Qwen3 0.6B w8a8 461.54 17.17 1.3.0
rk3576 TinyLlama 1.1B w4a16 543.68 19.71 1.3.0
rk3576 TinyLlama 1.1B w4a16_g128 672.61 18.08 1.3.0
rk3576 TinyLlama 1.1B w8a8 534.13 12.18 1.3.0
rk3576 RWKV7 1.5B w4a16 1572.09 10.18 1.3.0
rk3576 RWKV7 1.5B w4a16_g128 1733.08 9.49 1.3.0
rk3576 RWKV7 1.5B w8a8 1534.47 7.05 1.3.0
rk3576 InternLM2 1.8B w4a16 765.92 13.55 1.3.0
rk3576 InternLM2 1.8B w4a16_g128 986.14 12.05 1.3.0
rk3576 InternLM2 1.8B w8a8 750.31 7.86 1.3.0
rk3576 Gemma2 2B w4a16 997.92 9.14 1.3.0
rk3576 Gemma2 2B w4a16_g128 1312.15 8.27 1.3.0
rk3576 Gemma2 2B w8a8 956.77 5.24 1.3.0
rk3576 Gemma3n 2B w4a16 3260.05 7.78 1.3.0
rk3576 Gemma3n 2B w8a8 2995.26 4.90 1.3.0
rk3576 TeleChat2 3B w4a16 1153.96 8.97 1.3.0
rk3576 TeleChat2 3B w4a16_g128 1408.37 8.14 1.3.0
rk3576 TeleChat2 3B w8a8 1029.04 5.12 1.3.0
rk3576 Phi3 3.8B w4a16 1829.12 6.58 1.3.0
rk3576 Phi3 3.8B w4a16_g128 2253.14 6.06 1.3.0
rk3576 Phi3 3.8B w8a8 1615.97 3.74 1.3.0
rk3576 MiniCPM3 4B w4a16 2536.68 4.87 1.3.0
rk3576 MiniCPM3 4B w4a16_g128 3117.53 4.46 1.3.0
rk3576 MiniCPM3 4B w8a8 2539.92 3.01 1.3.0
rk3576 ChatGLM3 6B w4a16 2166.69 4.63 1.3.0
rk3576 ChatGLM3 6B w4a16_g128 2966.85 4.14 1.3.0
rk3576 ChatGLM3 6B w8a8 1948.12 2.48 1.3.0
rk3576 Qwen3-VL 2B w4a16 802.94 12.68 1.3.0
rk3576 Qwen3-VL 2B w4a16_g128 983.20 11.42 1.3.0
rk3576 Qwen3-VL 2B w8a8 785.79 7.62 1.3.0
rk3576 DeepSeekOCR 3B w4a16 1034.97 24.38 1.3.0
rk3576 DeepSeekOCR 3B w8a8 1242.78 17.26 1.3.0
rk3576 Qwen3.5 0.8B w4a16 1369.31 18.79 1.3.0
rk3576 Qwen3.5 0.8B w4a16_g128 1392.09 17.88 1.3.0
rk3576 Qwen3.5 0.8B w8a8 1342.54 13.18 1.3.0
rk3576 Qwen3.5 2B w4a16 1661.01 11.03 1.3.0
rk3576 Qwen3.5 2B w4a16_g128 1852.42 10.10 1.3.0
rk3576 Qwen3.5 2B w8a8 1678.11 6.73 1.3.0
rk3576 Qwen3.5 4B w4a16 3976.41 5.02 1.3.0
rk3576 Qwen3.5 4B w4a16_g128 4476.37 4.60 1.3.0
rk3576 Qwen3.5 4B w8a8 3906.19 3.03 1.3.0
rk3576 Gemma4 E2B w4a16 1219.25 9.23 1.3.0
rk3576 Gemma4 E2B w4a16_g128 1445.36 8.27 1.3.0
rk3576 Gemma4 E2B w8a8 1166.94 5.56 1.3.0
rk3576 Qwen2.5 1.5B w4a16 959.23 14.45 1.2.1
rk3576 Qwen2.5 1.5B w4a16_g128 1095.06 12.87 1.2.1
rk3576 Qwen2.5 1.5B w8a8 814.69 8.51 1.2.1
rk3576 Qwen2-VL 2B w4a16 - 14.57 1.3.0
rk3576 Qwen2.5-VL 3B w4a16 - 7.87 1.3.0
rk3576 MiniCPM-V-2.6 8B w4a16 - 3.85 1.3.0
rk3576 SmolVLM 256M w4a16 - 57.73 1.3.0
rk3562 Qwen2 0.5B w8a8 640.65 13.56 1.3.0
rk3562 MiniCPM4 0.5B w8a8 676.77 10.07 1.3.0
rk3562 Qwen3 0.6B w8a8 881.86 10.94 1.3.0
rk3562 Qwen3.5 0.8B w8a8 3750.55 7.69 1.3.0
rv1126b Qwen2 0.5B w4a16 656.86 20.91 1.3.0
rv1126b Qwen2 0.5B w4a16_g128 687.00 17.69 1.3.0
rv1126b Qwen2 0.5B w8a8 651.31 13.63 1.3.0
rv1126b MiniCPM4 0.5B w4a16 680.03 23.24 1.3.0
rv1126b MiniCPM4 0.5B w4a16_g128 693.41 19.24 1.3.0
rv1126b MiniCPM4 0.5B w8a8 665.94 15.16 1.3.0
rv1126b Qwen3 0.6B w4a16 956.32 15.04 1.3.0
rv1126b Qwen3 0.6B w4a16_g128 1017.06 12.53 1.3.0
rv1126b Qwen3 0.6B w8a8 944.30 10.22 1.3.0
rv1126b Qwen3.5 0.8B w4a16 4359.89 10.18 1.3.0
rv1126b Qwen3.5 0.8B w4a16_g128 4560.21 9.07 1.3.0
rv1126b Qwen3.5 0.8B w8a8 4392.52 7.23 1.3.0
"""
"""Chip, family, size, type, first token in ms, tokens a second, release of runtime."""

NEARLY_THE_SIZE: Final = 0.1
SHAPES: Final = {"Qwen2.5": "Qwen2"}
"""Families whose models of one size are of one shape, and so of one speed."""

OF_ONE_SIZE: Final = frozenset({"MiniCPM-V-2.6", "DeepSeekOCR", "Phi3"})
"""Families whose names need no size."""

_UNITS: Final = {"B": 1e9, "M": 1e6}


@dataclass(frozen=True, slots=True)
class Published:
    """One row; first_token_ms is None where none was published."""

    chip: str
    family: str
    size: str
    quantization: str
    first_token_ms: float | None
    tokens_per_s: float
    release: str

    @property
    def parameters(self) -> float:
        """The size as a number; `E2B`, as Gemma counts, is 2 billion."""
        return float(self.size[:-1].removeprefix("E")) * _UNITS[self.size[-1]]

    def __str__(self) -> str:
        return f"{self.family} {self.size} {self.quantization} on {self.chip}"


@dataclass(frozen=True, slots=True)
class Unpublished:
    """There is no row, and why."""

    why: str


def rows() -> tuple[Published, ...]:
    """Return the table."""
    read = []
    for line in TABLE.strip().splitlines():
        chip, family, size, kind, first, rate, release = line.split()
        first_ms = None if first == "-" else float(first)
        read.append(Published(chip, family, size, kind, first_ms, float(rate), release))
    return tuple(read)


def find(chip: str, family: str, parameters: int, kind: str) -> Published | Unpublished:
    """
    Find the row of a model.

    Args:
        chip: as the daemon says: `rk3588s` and `rk3588j` are an `rk3588`.
        family: as `families.family_in` names it; "" where none is known.
        parameters: how many weights; 0 where not known.
        kind: `w8a8` …; "" where not known.
    """
    shape = SHAPES.get(family, family)
    platform = platform_of(chip)
    of_chip = [row for row in rows() if row.chip == platform]
    if not of_chip:
        return Unpublished(f"the vendor publishes nothing for {chip or 'a board without NPU'}")
    of_family = [row for row in of_chip if SHAPES.get(row.family, row.family) == shape]
    if not of_family:
        what = family or "this model, whose family no name of it tells,"
        return Unpublished(f"the vendor publishes nothing of {what} on {chip}")
    if not parameters and family in OF_ONE_SIZE:
        parameters = round(of_family[0].parameters)
    if not parameters or not kind:
        missing = "how many parameters it has" if not parameters else "how it is quantized"
        return Unpublished(f"no name of it tells {missing}")
    near = parameters * NEARLY_THE_SIZE
    of_size = [row for row in of_family if abs(row.parameters - parameters) <= near]
    if not of_size:
        sizes = ", ".join(dict.fromkeys(row.size for row in of_family))
        return Unpublished(f"of {family} on {chip} the vendor publishes {sizes} alone")
    for row in of_size:
        if row.quantization == kind:
            return row
    told = ", ".join(f"{row.quantization} {row.tokens_per_s:g} tokens/s" for row in of_size)
    return Unpublished(f"not published as {kind}; {family} {of_size[0].size} is as {told}")
