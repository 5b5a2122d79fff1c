"""
Which of the published families a model is of, by the names it goes under: an .rkllm tells none.

Models of one shape are of one speed: Qwen2.5-Coder is Qwen2.5, R1's distillate of it too, Phi-3.5
is Phi-3, InternLM2.5 is InternLM2.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

OF_ANOTHER_SHAPE: Final = re.compile(r"embedding|reranker|audio|omni|moe", re.IGNORECASE)
"""Words that make a model another one, whatever family it is of."""

_HALF: Final = r"(?:[._]5(?![0-9.])|[p-]?5(?![0-9a-z.]))"
"""As people write the ".5" of a name; `5b` is a size."""

_PATTERNS: Final = (
    ("Qwen3-VL", r"qwen[-_ ]?3[-_ ]?vl"),
    ("Qwen3.5", rf"qwen[-_ ]?3{_HALF}"),
    ("Qwen3", rf"qwen[-_ ]?3(?![0-9]|{_HALF})"),
    ("Qwen2.5-VL", rf"qwen[-_ ]?2{_HALF}[-_ ]?vl"),
    ("Qwen2-VL", r"qwen[-_ ]?2[-_ ]?vl"),
    ("Qwen2.5", rf"qwen[-_ ]?2{_HALF}|r1[-_ ]distill[-_ ]qwen|deepseek[-_ ]r1[-_ :]1[._]5b"),
    ("Qwen2", rf"qwen[-_ ]?2(?![0-9]|{_HALF})"),
    ("MiniCPM-V-2.6", r"minicpm[-_ ]?v[-_ ]?2[._]6"),
    ("MiniCPM4", r"minicpm[-_ ]?4(?![0-9])"),
    ("MiniCPM3", r"minicpm[-_ ]?3(?![0-9])"),
    ("TinyLlama", r"tinn?y[-_ ]?llama"),
    ("RWKV7", r"rwkv[-_ ]?7"),
    ("InternLM2", r"internlm[-_ ]?2"),
    ("Gemma3n", r"gemma[-_ ]?3n"),
    ("Gemma4", r"gemma[-_ ]?4(?![0-9])"),
    ("Gemma2", r"gemma[-_ ]?2(?![0-9]|b)"),
    ("TeleChat2", r"telechat[-_ ]?2"),
    ("Phi3", r"phi[-_ ]?3(?:[._]5)?(?![0-9])(?!.*(?:small|medium|vision))"),
    ("ChatGLM3", r"chatglm[-_ ]?3"),
    ("DeepSeekOCR", r"deepseek[-_ ]?ocr"),
    ("SmolVLM", r"smolvlm(?!2)"),
)
FAMILIES: Final = tuple(
    (name, re.compile(rf"(?<![a-z]){pattern}", re.IGNORECASE)) for name, pattern in _PATTERNS
)
"""The more special first."""

_NAME_CHARACTERS: Final = 512


def family_in(names: Iterable[str]) -> str:
    """Return the family the first of *names* that tells one tells, or ""."""
    for name in names:
        short = name[:_NAME_CHARACTERS]
        if OF_ANOTHER_SHAPE.search(short):
            return ""
        for family, pattern in FAMILIES:
            if pattern.search(short):
                return family
    return ""
