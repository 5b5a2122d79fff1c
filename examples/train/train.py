"""
Train a little Llama from nothing on text.txt, and save it as models on the Hub are saved.

    python train.py FOLDER [--steps 150]

Nothing in it is a published model's: three layers of 256, eight heads that share two of keys and
values, and a vocabulary of 400 tokens made of the text itself. Needs torch, transformers and
tokenizers; takes about a minute on two cores. Ends with an error when it has not learned.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM
from transformers.utils import logging

TEXT = Path(__file__).with_name("text.txt")
VOCABULARY, WINDOW, BATCH = 400, 48, 8
END = "<|end|>"
LEARNED = 0.5
"""Loss below which the text is known nearly by heart; it begins above 6."""


def vocabulary(text: str) -> Tokenizer:
    """A byte-level BPE, as GPT-2's, made of *text*."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    made.train_from_iterator([text], trainer)
    return made


def architecture(words: Tokenizer) -> LlamaConfig:
    """A Llama of our own: change any of these, and everything below still works."""
    end = words.token_to_id(END)
    return LlamaConfig(
        vocab_size=words.get_vocab_size(),
        hidden_size=256,
        intermediate_size=512,
        num_hidden_layers=3,
        num_attention_heads=8,
        num_key_value_heads=2,
        max_position_embeddings=256,
        tie_word_embeddings=True,
        bos_token_id=end,
        eos_token_id=end,
    )


def train(model: LlamaForCausalLM, data: torch.Tensor, steps: int) -> float:
    """Show *model* windows of *data*; return the mean loss of the last twenty steps."""
    rate = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(rate, 3e-3, total_steps=steps)
    losses: list[float] = []
    for step in range(steps):
        places = torch.randint(0, len(data) - WINDOW, (BATCH,))
        batch = torch.stack([data[place : place + WINDOW] for place in places.tolist()])
        loss = model(batch, labels=batch).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        rate.step()
        schedule.step()
        rate.zero_grad()
        losses.append(loss.item())
        if step % 25 == 0:
            print(f"step {step}: loss {losses[-1]:.2f}", flush=True)
    return sum(losses[-20:]) / len(losses[-20:])


def save(model: LlamaForCausalLM, words: Tokenizer, folder: Path) -> None:
    """config.json, model.safetensors, tokenizer.json and tokenizer_config.json."""
    model.save_pretrained(folder)
    words.save(str(folder / "tokenizer.json"))
    settings = {"bos_token": END, "eos_token": END, "add_bos_token": False}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2))


def main() -> None:
    """Train and save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, default=150)
    given = parser.parse_args()
    logging.disable_progress_bar()
    text = TEXT.read_text(encoding="utf-8")
    words = vocabulary(text)
    end = words.token_to_id(END)
    paragraphs = [[*words.encode(one).ids, end] for one in text.strip().split("\n\n")]
    data = torch.tensor([token for one in paragraphs for token in one])
    torch.manual_seed(1)
    torch.set_num_threads(1)  # two wait for each other where the machine has other work
    model = LlamaForCausalLM(architecture(words))
    print(f"{model.num_parameters() / 1e6:.1f} million weights, {len(data)} tokens of text")
    loss = train(model, data, given.steps)
    if loss > LEARNED:
        raise SystemExit(f"it has not learned: loss {loss:.2f}; try more --steps")
    given.folder.mkdir(parents=True, exist_ok=True)
    save(model, words, given.folder)
    print(f"learned: loss {loss:.2f}; saved in {given.folder}")


if __name__ == "__main__":
    main()
