"""A tokenizer small enough to be made in a test: bytes, two special tokens, and one merge."""

from __future__ import annotations

from pathlib import Path

import tokenizers
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from tokenizers.processors import TemplateProcessing


def write_tokenizer(folder: Path, *, closed: bool = False, words: tuple[str, ...] = ()) -> Path:
    """
    Write a `tokenizer.json`: 0 to 255 bytes, 256 `he`, 257 `<s>` put first, 258 `<|im_end|>`.

    *words* follow, read wherever their text stands.
    A *closed* text ends in the last of these, as those of embedding models do.
    """
    alphabet = sorted(ByteLevel.alphabet())
    vocabulary = {letter: index for index, letter in enumerate(alphabet)}
    vocabulary["he"] = len(vocabulary)
    made = tokenizers.Tokenizer(BPE(vocabulary, [("h", "e")]))
    made.pre_tokenizer = ByteLevel(add_prefix_space=False)
    made.decoder = tokenizers.decoders.ByteLevel()
    made.add_special_tokens(["<s>", "<|im_end|>"])
    made.add_tokens(list(words))
    special = [(text, made.token_to_id(text)) for text in ("<s>", "<|im_end|>")]
    single = "<s> $A <|im_end|>" if closed else "<s> $A"
    made.post_processor = TemplateProcessing(single=single, special_tokens=special)
    path = folder / "tokenizer.json"
    made.save(str(path))
    return path
