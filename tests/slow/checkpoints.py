"""Random little models as their trainers would save them; torch and transformers are the oracle."""

from __future__ import annotations

import json
from pathlib import Path

import sentencepiece
import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    GemmaConfig,
    GemmaForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    PreTrainedModel,
    Qwen2Config,
    Qwen2ForCausalLM,
)

TEXT = (Path(__file__).resolve().parents[2] / "LICENSE").read_text(encoding="utf-8")

QWEN2 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
LLAMA3 = QWEN2.replace(r"\p{N}|", r"\p{N}{1,3}|")


def byte_level(folder: Path, style: str, size: int = 600) -> Tokenizer:
    """Train a byte-level BPE and save it as *style* (`qwen2`, `llama3`, `smollm`, `gpt2`) does."""
    made = Tokenizer(models.BPE(ignore_merges=style == "llama3"))
    steps = {
        "qwen2": [
            pre_tokenizers.Split(Regex(QWEN2), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ],
        "llama3": [
            pre_tokenizers.Split(Regex(LLAMA3), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ],
        "smollm": [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ],
        "gpt2": [pre_tokenizers.ByteLevel(add_prefix_space=False)],
    }[style]
    made.pre_tokenizer = pre_tokenizers.Sequence(steps) if len(steps) > 1 else steps[0]
    made.decoder = decoders.ByteLevel()
    specials = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=specials,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    made.train_from_iterator([TEXT], trainer)
    settings: dict[str, object] = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": "<|im_end|>",
        "chat_template": "{% for m in messages %}{{ m.content }}{% endfor %}",
    }
    if style == "llama3":
        made.post_processor = processors.TemplateProcessing(
            single="<|endoftext|> $A", special_tokens=[("<|endoftext|>", 0)]
        )
        settings["bos_token"] = "<|endoftext|>"
    made.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return made


def sentence_pieces(folder: Path, size: int = 600, *, prefix: bool = True) -> Path:
    """Train a sentencepiece BPE as Llama's was, and save `tokenizer.model`."""
    text = folder / "text.txt"
    text.write_text(TEXT, encoding="utf-8")
    sentencepiece.SentencePieceTrainer.train(
        input=str(text),
        model_prefix=str(folder / "tokenizer"),
        vocab_size=size,
        model_type="bpe",
        byte_fallback=True,
        character_coverage=0.9995,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        add_dummy_prefix=prefix,
        split_digits=True,
        allow_whitespace_only_pieces=True,
        num_threads=1,
        minloglevel=2,
    )
    text.unlink()
    (folder / "tokenizer.vocab").unlink()
    return folder / "tokenizer.model"


ODD = {"num_hidden_layers": 3, "intermediate_size": 152, "max_position_embeddings": 256}


TOKENS = (3, 17, 255, 9, 9, 400, 31, 599, 120, 7, 66, 5, 301, 42, 11, 500, 2, 88)
CLEAR = 0.04


def random_model(name: str, **changes: object) -> PreTrainedModel:
    """
    A model that is decided: after each of `TOKENS` its best token leads by `CLEAR`.

    Without that an engine with sixteen-bit caches may pick the other of two equals, and the
    comparison of best tokens would say nothing.
    """
    for seed in range(500):
        model = _model(seed, name, changes)
        with torch.no_grad():
            best = model(torch.tensor([TOKENS])).logits[0].topk(2).values
        if float((best[:, 0] - best[:, 1]).min()) > CLEAR:
            return model
    raise AssertionError("no decided model among 500")


def _model(seed: int, name: str, changes: dict[str, object]) -> PreTrainedModel:
    torch.manual_seed(seed)
    shapes = {
        "llama": (LlamaConfig, LlamaForCausalLM, {"num_attention_heads": 2, "hidden_size": 72}),
        "mistral": (
            MistralConfig,
            MistralForCausalLM,
            {
                "num_attention_heads": 4,
                "num_key_value_heads": 2,
                "hidden_size": 80,
                "head_dim": 32,
                "sliding_window": None,
            },
        ),
        "qwen2": (
            Qwen2Config,
            Qwen2ForCausalLM,
            {
                "num_attention_heads": 6,
                "num_key_value_heads": 2,
                "hidden_size": 96,
                "tie_word_embeddings": True,
                "rms_norm_eps": 1e-5,
            },
        ),
        "gemma": (
            GemmaConfig,
            GemmaForCausalLM,
            {
                "num_attention_heads": 2,
                "num_key_value_heads": 1,
                "hidden_size": 64,
                "head_dim": 48,
            },
        ),
    }
    config_type, model_type, own = shapes[name]
    given = {"vocab_size": 600, **ODD, **own, "initializer_range": 0.12, **changes}
    model = model_type(config_type(**given))
    with torch.no_grad():
        for part, values in model.named_parameters():
            if part.endswith(("norm.weight", "bias")):
                values.add_(torch.randn_like(values) * 0.1)
    return model.eval()
