"""
Make a tiny encoder that llama.cpp really loads: a BERT of random weights over letters and digits.

It sees a text as a whole, keeps no cache and puts `[CLS]` and `[SEP]` around what it reads: what
bge, e5 and MiniLM are, and with `PoolingType.RANK` and a head what rerankers like bge's are.
"""

from __future__ import annotations

import string
from collections.abc import Callable
from pathlib import Path

import gguf
import numpy as np

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
PAD, UNKNOWN, CLS, SEP, MASK = range(len(SPECIAL))
LETTERS = string.ascii_lowercase + string.digits + ".,?!"
BEGINS = "\u2581"
"""Stands before what begins a word; what goes on has nothing, as llama.cpp wants it."""
TOKENS = (*SPECIAL, *(BEGINS + one for one in LETTERS), *LETTERS)
WIDTH, HEADS, LAYERS, FEED = 64, 4, 2, 128
CONTEXT = 1024


def ids_of(text: str) -> tuple[int, ...]:
    """The tokens of a *text* of words of `LETTERS` and blanks, with `[CLS]` and `[SEP]`."""
    first = len(SPECIAL)
    inner = first + len(LETTERS)
    ids = [
        (inner if at else first) + LETTERS.index(letter)
        for word in text.split()
        for at, letter in enumerate(word)
    ]
    return (CLS, *ids, SEP)


def write(
    path: Path,
    *,
    pooling: gguf.PoolingType | None = gguf.PoolingType.MEAN,
    seed: int = 1,
    labels: int = 1,
    head: bool = False,
    context: int = CONTEXT,
) -> Path:
    """Write the model to *path*; with pooling RANK it has a head that scores *labels* of them."""
    writer = gguf.GGUFWriter(path, "bert")
    _describe(writer, pooling, seed=seed, context=context)
    if labels > 1:
        writer.add_classifier_output_labels([f"label-{at}" for at in range(labels)])
    random = np.random.default_rng(seed)

    def tensor(name: str, *shape: int) -> None:
        writer.add_tensor(name, random.standard_normal(shape, dtype=np.float32) * 0.3)

    _encoder(writer, tensor, context=context)
    if head or pooling is gguf.PoolingType.RANK:
        tensor("cls.weight", WIDTH, WIDTH)
        tensor("cls.bias", WIDTH)
        tensor("cls.output.weight", labels, WIDTH)
        tensor("cls.output.bias", labels)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _describe(
    writer: gguf.GGUFWriter, pooling: gguf.PoolingType | None, *, seed: int, context: int
) -> None:
    kinds = [gguf.TokenType.CONTROL] * len(SPECIAL)
    kinds += [gguf.TokenType.NORMAL] * (2 * len(LETTERS))
    kinds[UNKNOWN] = gguf.TokenType.UNKNOWN
    writer.add_name(f"tiny-bert-{seed}")
    writer.add_context_length(context)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(FEED)
    writer.add_head_count(HEADS)
    writer.add_layer_norm_eps(1e-12)
    writer.add_causal_attention(False)
    if pooling is not None:
        writer.add_pooling_type(pooling)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_vocab_size(len(TOKENS))
    writer.add_token_type_count(2)
    writer.add_tokenizer_model("bert")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(TOKENS)
    writer.add_token_types(kinds)
    writer.add_bos_token_id(CLS)
    writer.add_sep_token_id(SEP)
    writer.add_eos_token_id(SEP)
    writer.add_unk_token_id(UNKNOWN)
    writer.add_pad_token_id(PAD)
    writer.add_mask_token_id(MASK)


def _encoder(writer: gguf.GGUFWriter, tensor: Callable[..., None], *, context: int) -> None:
    def norm(name: str) -> None:
        writer.add_tensor(f"{name}.weight", np.ones(WIDTH, np.float32))
        writer.add_tensor(f"{name}.bias", np.zeros(WIDTH, np.float32))

    tensor("token_embd.weight", len(TOKENS), WIDTH)
    tensor("token_types.weight", 2, WIDTH)
    tensor("position_embd.weight", context, WIDTH)
    norm("token_embd_norm")
    for layer in range(LAYERS):
        block = f"blk.{layer}"
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            tensor(f"{block}.{name}.weight", WIDTH, WIDTH)
            tensor(f"{block}.{name}.bias", WIDTH)
        norm(f"{block}.attn_output_norm")
        tensor(f"{block}.ffn_up.weight", FEED, WIDTH)
        tensor(f"{block}.ffn_up.bias", FEED)
        tensor(f"{block}.ffn_down.weight", WIDTH, FEED)
        tensor(f"{block}.ffn_down.bias", WIDTH)
        norm(f"{block}.layer_output_norm")
