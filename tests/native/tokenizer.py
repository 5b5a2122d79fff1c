"""A tokenizer small enough to be made in a test: bytes, two special tokens, and one merge."""

from __future__ import annotations

from pathlib import Path

import tokenizers
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from tokenizers.processors import TemplateProcessing


def write_tokenizer(folder: Path) -> Path:
    """Write a `tokenizer.json`: 0 to 255 bytes, 256 `he`, 257 `<s>` put first, 258 `<|im_end|>`."""
    alphabet = sorted(ByteLevel.alphabet())
    vocabulary = {letter: index for index, letter in enumerate(alphabet)}
    vocabulary["he"] = len(vocabulary)
    made = tokenizers.Tokenizer(BPE(vocabulary, [("h", "e")]))
    made.pre_tokenizer = ByteLevel(add_prefix_space=False)
    made.decoder = tokenizers.decoders.ByteLevel()
    made.add_special_tokens(["<s>", "<|im_end|>"])
    made.post_processor = TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", made.token_to_id("<s>"))]
    )
    path = folder / "tokenizer.json"
    made.save(str(path))
    return path
