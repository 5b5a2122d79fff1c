"""
Make a tiny GGUF that llama.cpp really loads: 2 layers of random weights over a byte vocabulary.

Speaks nonsense, breaks characters apart (its tokens are bytes), answers in milliseconds: right for
the many tests that need an engine and no sense.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

import gguf
import numpy as np

BYTES = 256
SPECIAL = ("<pad>", "<bos>", "<eos>", "<|im_start|>", "<|im_end|>")
MERGED = "he"
"""llama.cpp wants at least one merge."""
WIDTH, HEADS, LAYERS, FEED = 64, 4, 2, 128
CONTEXT = 4096
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def byte_characters() -> list[str]:
    """The printable stand-in of each byte, as byte-level BPE vocabularies write it."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    names = {byte: chr(byte) for byte in plain}
    spare = (byte for byte in range(BYTES) if byte not in names)
    for at, byte in enumerate(spare):
        names[byte] = chr(BYTES + at)
    return [names[byte] for byte in range(BYTES)]


def write_adapter(path: Path, *, seed: int = 1, rank: int = 4) -> Path:
    """Write a LoRA adapter for the attention of `write`'s models to *path*."""
    random = np.random.default_rng(seed)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_type(gguf.GGUFType.ADAPTER)
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", float(rank))
    for layer in range(LAYERS):
        for name, shape in (("lora_a", (rank, WIDTH)), ("lora_b", (WIDTH, rank))):
            weights = random.normal(0, 0.5, shape).astype(np.float32)
            writer.add_tensor(f"blk.{layer}.attn_v.weight.{name}", weights)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def write(
    path: Path,
    *,
    seed: int = 1,
    template: str | None = TEMPLATE,
    layers: int = LAYERS,
    pooling: gguf.PoolingType | None = None,
    causal: bool = True,
    markers: tuple[str, ...] = (),
    words: tuple[str, ...] = (),
    labels: int = 0,
    texts: Mapping[str, str] | None = None,
    numbers: Mapping[str, int] | None = None,
) -> Path:
    """
    Write the model to *path*; equal seeds give equal files.

    *markers* are control tokens, *words* tokens that are read wherever their text stands, *labels*
    the outputs of a head that scores (with one the model is a Qwen3); *texts* and *numbers* are
    further metadata.
    """
    random = np.random.default_rng(seed)
    writer = gguf.GGUFWriter(path, "qwen3" if labels else "llama")
    writer.add_name(f"tiny-{seed}")
    _add(writer, texts or {}, numbers or {})
    if pooling is not None:
        writer.add_pooling_type(pooling)
    if not causal:
        writer.add_causal_attention(False)
    if template is not None:
        writer.add_chat_template(template)
    _sizes(writer, layers)
    tokens = _vocabulary(writer, markers, words)

    def matrix(name: str, *shape: int) -> None:
        writer.add_tensor(name, random.standard_normal(shape, dtype=np.float32) * 0.3)

    matrix("token_embd.weight", tokens, WIDTH)
    matrix("output.weight", tokens, WIDTH)
    writer.add_tensor("output_norm.weight", np.ones(WIDTH, np.float32))
    if labels:
        writer.add_classifier_output_labels([f"label-{at}" for at in range(labels)])
        matrix("cls.output.weight", labels, WIDTH)
    for layer in range(layers):
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            matrix(f"blk.{layer}.{name}.weight", WIDTH, WIDTH)
        matrix(f"blk.{layer}.ffn_gate.weight", FEED, WIDTH)
        matrix(f"blk.{layer}.ffn_up.weight", FEED, WIDTH)
        matrix(f"blk.{layer}.ffn_down.weight", WIDTH, FEED)
        for name in ("attn_q_norm", "attn_k_norm") if labels else ():
            writer.add_tensor(f"blk.{layer}.{name}.weight", np.ones(WIDTH // HEADS, np.float32))
        writer.add_tensor(f"blk.{layer}.attn_norm.weight", np.ones(WIDTH, np.float32))
        writer.add_tensor(f"blk.{layer}.ffn_norm.weight", np.ones(WIDTH, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _add(writer: gguf.GGUFWriter, texts: Mapping[str, str], numbers: Mapping[str, int]) -> None:
    for key, text in texts.items():
        writer.add_string(key, text)
    for key, number in numbers.items():
        writer.add_uint32(key, number)


def _sizes(writer: gguf.GGUFWriter, layers: int) -> None:
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(layers)
    writer.add_feed_forward_length(FEED)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_key_length(WIDTH // HEADS)
    writer.add_value_length(WIDTH // HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)


def _vocabulary(writer: gguf.GGUFWriter, markers: tuple[str, ...], words: tuple[str, ...]) -> int:
    """Write the vocabulary; returns how many tokens it has."""
    tokens = [*SPECIAL, *byte_characters(), MERGED, *markers, *words]
    kinds = [gguf.TokenType.CONTROL] * len(SPECIAL) + [gguf.TokenType.NORMAL] * (BYTES + 1)
    kinds += [gguf.TokenType.CONTROL] * len(markers)
    kinds += [gguf.TokenType.USER_DEFINED] * len(words)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges([f"{MERGED[0]} {MERGED[1]}"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_eot_token_id(4)
    writer.add_pad_token_id(0)
    writer.add_add_bos_token(False)
    return len(tokens)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    write(given.path, seed=given.seed)
