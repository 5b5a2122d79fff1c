"""
Train a little Llama from nothing, for benchmarks that need weights nobody has rounded before.

    python bench/little_model.py folder [--steps 400]

Needs torch and transformers. Text is Python's own manual (`pydoc_data.topics`, in every Python):
nine tenths are trained on, the last tenth is written to folder/held-out.txt. Four layers of 256,
so that every kind of block fits the rows; 128 tokens of context; about 5 million weights.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from pydoc_data.topics import topics

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM

VOCABULARY, WINDOW, BATCH = 2048, 128, 16


def tokenizer(text: str) -> Tokenizer:
    """A byte-level BPE of GPT-2's kind, trained on *text*."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    made.train_from_iterator([text], trainer)
    return made


def main() -> None:
    """Train, and save a checkpoint that `rkctl create` takes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, default=400)
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    text = "\n\n".join(topics[key] for key in sorted(topics))
    cut = len(text) * 9 // 10
    words = tokenizer(text[:cut])
    data = torch.tensor(words.encode(text[:cut]).ids)
    torch.manual_seed(1)
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=256,
        intermediate_size=768,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        bos_token_id=0,
        eos_token_id=0,
    )
    model = LlamaForCausalLM(config)
    rate = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.1, betas=(0.9, 0.95))
    schedule = torch.optim.lr_scheduler.OneCycleLR(rate, 2e-3, total_steps=given.steps)
    start = time.perf_counter()
    for step in range(given.steps):
        places = torch.randint(0, len(data) - WINDOW, (BATCH,))
        batch = torch.stack([data[place : place + WINDOW] for place in places.tolist()])
        loss = model(batch, labels=batch).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        rate.step()
        schedule.step()
        rate.zero_grad()
        if step % 50 == 0 or step == given.steps - 1:
            print(
                f"step {step}: loss {loss.item():.3f}, {time.perf_counter() - start:.0f} s",
                flush=True,
            )
    model.save_pretrained(given.folder)
    words.save(str(given.folder / "tokenizer.json"))
    (given.folder / "held-out.txt").write_text(text[cut:], encoding="utf-8")


if __name__ == "__main__":
    main()
