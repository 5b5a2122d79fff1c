"""Texts that tokenizers disagree about."""

from __future__ import annotations

from pathlib import Path

_LICENSE = (Path(__file__).resolve().parents[2] / "LICENSE").read_text(encoding="utf-8")

TEXTS = (
    "Hello world",
    "The quick brown fox jumps over 13 lazy dogs, doesn't it?",
    "  leading and   inner blanks\n\nand lines\t\ttabs",
    "3 33 333 3333 33333 3.14159",
    "naïve café — ünïcödé ✓ 你好 🦙🚀",
    "def f(x):\n    return x**2  # squared\n",
    "I'LL we've THEY'RE 's 'D",
    "Привет, как дела? Ελλάδα, こんにちは 안녕하세요 مرحبا שלום नमस्ते",
    "https://example.org/a?b=c&d=%20#e",
    "a",
    " ",
    "\n",
    _LICENSE[:3000],
)
