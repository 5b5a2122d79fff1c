"""
How a model fills in what is missing between a beginning and an end: its tokens for it; pure.

Families differ in the tokens and in what stands first. Most were trained with the beginning
first; some with the end first, one of them (Mellum) with the tokens of another family.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from rkd.outside import open_regular
from rkd.weights.gguf import Header
from rkd.weights.tokens import TokenTexts


@dataclass(frozen=True, slots=True)
class Infill:
    """
    The tokens of one family, as its vocabulary writes them.

    Args:
        prefix: stands before the beginning.
        suffix: stands before the end.
        middle: stands last, before what is to be filled in; "" where the model needs none.
        suffix_first: the end is written before the beginning.
    """

    prefix: str
    suffix: str
    middle: str = ""
    suffix_first: bool = False

    @property
    def markers(self) -> tuple[str, ...]:
        """Those there are."""
        return tuple(one for one in (self.prefix, self.suffix, self.middle) if one)


_BAR = "\uff5c"
"""DeepSeek's bar, as wide as a Chinese character."""
FAMILIES = (
    # Qwen-Coder, CodeGemma, Granite 4
    Infill("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"),
    # StarCoder, Granite, StableCode, Refact
    Infill("<fim_prefix>", "<fim_suffix>", "<fim_middle>"),
    # SantaCoder
    Infill("<fim-prefix>", "<fim-suffix>", "<fim-middle>"),
    # DeepSeek
    Infill(
        f"<{_BAR}fim\u2581begin{_BAR}>",
        f"<{_BAR}fim\u2581hole{_BAR}>",
        f"<{_BAR}fim\u2581end{_BAR}>",
    ),
    # Code Llama
    Infill("\u2581<PRE>", "\u2581<SUF>", "\u2581<MID>"),
    Infill("<PRE>", "<SUF>", "<MID>"),
    # GLM-4.5
    Infill("<|code_prefix|>", "<|code_suffix|>", "<|code_middle|>"),
    # Seed-Coder
    Infill("<[fim-prefix]>", "<[fim-suffix]>", "<[fim-middle]>", suffix_first=True),
    # Codestral
    Infill("[PREFIX]", "[SUFFIX]", suffix_first=True),
)
SUFFIX_FIRST = ("mellum",)
"""Part of the names of models that borrow tokens and write the end first."""
_IDS = ("fim_pre", "fim_suf", "fim_mid")
_OLD_IDS = ("prefix", "suffix", "middle")
MAX_ADDED_BYTES = 4 << 20
"""Read of a `tokenizer.json`: the added tokens stand at its beginning."""


def of_gguf(path: Path, header: Header) -> Infill | None:
    """
    What the GGUF *path* has for it: tokens of a family, else those its metadata names.

    Raises:
        OSError: the file cannot be read.
    """
    vocabulary = TokenTexts.of(path, header)
    return _ordered(_family(vocabulary.has) or _named(vocabulary, header), _name(header))


def of_tokenizer(path: Path) -> Infill | None:
    """What the `tokenizer.json` *path* has for it; None where it cannot be read."""
    try:
        with open_regular(path) as file:
            data = file.read(MAX_ADDED_BYTES)
    except OSError:
        return None

    def has(text: str) -> bool:
        return any(json.dumps(text, ensure_ascii=one).encode() in data for one in (False, True))

    return _family(has)


def _family(has: Callable[[str], bool]) -> Infill | None:
    return next((one for one in FAMILIES if all(map(has, one.markers))), None)


def _named(vocabulary: TokenTexts, header: Header) -> Infill | None:
    for keys in (_IDS, _OLD_IDS):
        ids = [header.number(f"tokenizer.ggml.{key}_token_id", -1) for key in keys]
        prefix, suffix, middle = (vocabulary.text(one) if one >= 0 else "" for one in ids)
        if prefix and suffix and middle:
            return Infill(prefix, suffix, middle)
    return None


def _name(header: Header) -> str:
    return (header.text("general.name") + header.text("general.basename")).lower()


def _ordered(infill: Infill | None, name: str) -> Infill | None:
    borrowed = any(one in name for one in SUFFIX_FIRST)
    return replace(infill, suffix_first=True) if infill is not None and borrowed else infill
