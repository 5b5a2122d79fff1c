"""Tokenizers of byte pair encoding as models of today bring them, trained on a page of text."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

import tokenizers
from tokenizers import Regex, decoders, models, normalizers, pre_tokenizers, processors, trainers

TEXT = (
    "The quick brown fox jumps over the lazy dog, and the dog's 12 friends saw 345 of them.\n"
    "Der schnelle braune Fuchs springt über den faulen Hund; es wäre schöner gewesen.\n"
    "  def answer(question: str) -> str:\n\treturn 'because ' + question[::-1]\n"
    "Почему небо голубое? 天空为什么是蓝色的. 空はなぜ青いのですか。 😀 👩‍👩‍👧 e\u0301\n"
    "aaaaaaaa aaaa aa abab ababab banana bananas band bandana and another anaconda\n"
)
SPLIT = r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s+(?!\S)|\s+"

Content = dict[str, Any]
"""Of a `tokenizer.json`."""


def byte_level() -> Content:
    """GPT-2's and Qwen's kind: bytes as letters, words by a pattern."""
    made = tokenizers.Tokenizer(models.BPE())
    made.normalizer = normalizers.NFC()
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    made.decoder = decoders.ByteLevel()
    _train(made, initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    made.add_special_tokens(["<|im_start|>", "<|im_end|>"])
    made.add_tokens([tokenizers.AddedToken("<think>", rstrip=True), "band"])
    return _content(made)


def whole_words() -> Content:
    """Llama 3's kind: a word that is in the vocabulary is a token, merges or not."""
    content = byte_level()
    content["model"]["ignore_merges"] = True
    # Words that no merge makes any more, though they are there.
    content["model"]["merges"] = [
        merge for at, merge in enumerate(content["model"]["merges"]) if at % 7
    ]
    start = {"SpecialToken": {"id": "<|im_start|>", "type_id": 0}}
    content["post_processor"] = {
        "type": "TemplateProcessing",
        "single": [start, {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}],
        "special_tokens": {
            "<|im_start|>": {
                "id": "<|im_start|>",
                "ids": [len(content["model"]["vocab"])],
                "tokens": ["<|im_start|>"],
            }
        },
    }
    return content


def sentence_pieces() -> Content:
    """Llama 2's and Gemma's kind: no words at all, and bytes for what is no letter."""
    made = tokenizers.Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    made.normalizer = normalizers.Sequence(
        [normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")]
    )
    made.decoder = decoders.Sequence(
        [
            decoders.Replace("\u2581", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    codes = [f"<0x{byte:02X}>" for byte in range(256)]
    _train(made, special_tokens=["<unk>", "<s>", "</s>", *codes], limit_alphabet=60)
    made.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", 1)]
    )
    content = _content(made)
    content["added_tokens"] = content["added_tokens"][:3]
    return content


def unknown_letters() -> Content:
    """Words by blanks, and one token for each letter that is not known."""
    made = tokenizers.Tokenizer(models.BPE(unk_token="[UNK]"))
    made.normalizer = normalizers.Lowercase()
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    made.decoder = decoders.Metaspace()
    _train(made, special_tokens=["[UNK]", "[SEP]"], limit_alphabet=20)
    made.add_tokens(
        [
            tokenizers.AddedToken("Banana", normalized=True),
            tokenizers.AddedToken("fox", single_word=True, lstrip=True),
        ]
    )
    return _content(made)


def shuffled() -> Content:
    """Ids and ranks in no order, and the merges as lines, as older files have them."""
    content = byte_level()
    chance = random.Random(7)  # noqa: S311 - made, not guarded
    model = content["model"]
    ids = list(range(len(model["vocab"])))
    chance.shuffle(ids)
    model["vocab"] = dict(zip(model["vocab"], ids, strict=True))
    chance.shuffle(model["merges"])
    model["merges"] = ["#version: 0.2", *(" ".join(merge) for merge in model["merges"])]
    return content


KINDS: dict[str, Callable[[], Content]] = {
    made.__name__: made
    for made in (byte_level, whole_words, sentence_pieces, unknown_letters, shuffled)
}


def _train(made: tokenizers.Tokenizer, **how: Any) -> None:
    how.setdefault("special_tokens", [])
    trainer = trainers.BpeTrainer(vocab_size=700, show_progress=False, **how)
    made.train_from_iterator([TEXT] * 3, trainer)


def _content(made: tokenizers.Tokenizer) -> Content:
    content: Content = json.loads(made.to_str())
    return content
