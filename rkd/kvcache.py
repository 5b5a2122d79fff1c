"""Of what types a KV cache can be: what people write, and what it takes. Imports nothing of rkd."""

from __future__ import annotations

from typing import Final

F16: Final = "f16"
BLOCKS: Final[dict[str, tuple[int, int]]] = {
    F16: (2, 1),
    "q8_0": (34, 32),
    "q4_0": (18, 32),
}
"""(bytes, elements) of one block of each type; ggml's block sizes."""

AUTO: Final = "auto"
"""Leaves it to the engine, which takes f16."""
CHOICES: Final = (AUTO, *BLOCKS)
QUANTIZED: Final = frozenset(BLOCKS) - {F16}
"""What an engine is told of: the others are its default."""
