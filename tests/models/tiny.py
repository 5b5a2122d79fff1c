"""
Make a tiny GGUF that llama.cpp really loads: 2 layers of random weights over a byte vocabulary.

Speaks nonsense, breaks characters apart (its tokens are bytes), answers in milliseconds: right for
the many tests that need an engine and no sense.
"""

from __future__ import annotations

import argparse
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
) -> Path:
    """Write the model to *path*; equal seeds give equal files. *markers* are control tokens."""
    random = np.random.default_rng(seed)
    tokens = [*SPECIAL, *byte_characters(), MERGED, *markers]
    kinds = [gguf.TokenType.CONTROL] * len(SPECIAL) + [gguf.TokenType.NORMAL] * (BYTES + 1)
    kinds += [gguf.TokenType.CONTROL] * len(markers)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name(f"tiny-{seed}")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(layers)
    writer.add_feed_forward_length(FEED)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    if pooling is not None:
        writer.add_pooling_type(pooling)
    if not causal:
        writer.add_causal_attention(False)
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
    if template is not None:
        writer.add_chat_template(template)

    def matrix(name: str, *shape: int) -> None:
        writer.add_tensor(name, random.standard_normal(shape, dtype=np.float32) * 0.3)

    matrix("token_embd.weight", len(tokens), WIDTH)
    matrix("output.weight", len(tokens), WIDTH)
    writer.add_tensor("output_norm.weight", np.ones(WIDTH, np.float32))
    for layer in range(layers):
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            matrix(f"blk.{layer}.{name}.weight", WIDTH, WIDTH)
        matrix(f"blk.{layer}.ffn_gate.weight", FEED, WIDTH)
        matrix(f"blk.{layer}.ffn_up.weight", FEED, WIDTH)
        matrix(f"blk.{layer}.ffn_down.weight", WIDTH, FEED)
        writer.add_tensor(f"blk.{layer}.attn_norm.weight", np.ones(WIDTH, np.float32))
        writer.add_tensor(f"blk.{layer}.ffn_norm.weight", np.ones(WIDTH, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    write(given.path, seed=given.seed)
