"""A tokenizer of 150,000 words with its merges, and a chat template, as models of today bring."""

from __future__ import annotations

import json
import random
from pathlib import Path

WORDS = 150_000
LONGEST = 12
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def write(folder: Path) -> None:
    """Write it beside the weights in *folder*; always the same one."""
    chance = random.Random(1)  # noqa: S311 - made, not guarded
    codes = (*range(33, 127), *range(161, 173), *range(174, 256), *range(256, 324))
    words = list(map(chr, codes))
    vocabulary = {word: at for at, word in enumerate(words)}
    merges: list[list[str]] = []
    while len(vocabulary) < WORDS:
        left, right = chance.choice(words), chance.choice(words)
        if len(left) + len(right) > LONGEST or left + right in vocabulary:
            continue
        vocabulary[left + right] = len(vocabulary)
        words.append(left + right)
        merges.append([left, right])
    marks = [
        {
            "id": WORDS + at,
            "content": text,
            "special": True,
            "single_word": False,
            "lstrip": False,
            "rstrip": False,
            "normalized": False,
        }
        for at, text in enumerate(("<|im_start|>", "<|im_end|>"))
    ]
    model = {"type": "BPE", "vocab": vocabulary, "merges": merges}
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True}
    made = {
        "version": "1.0",
        "added_tokens": marks,
        "model": model,
        "pre_tokenizer": level,
        "decoder": level,
    }
    (folder / "tokenizer.json").write_text(json.dumps(made, ensure_ascii=False), encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"chat_template": TEMPLATE}), encoding="utf-8"
    )
