"""
Write a model of 1.1 billion random weights, for benchmarks of speed that need no sense.

    python bench/random_model.py model.gguf [--layers 22]

Needs gguf and numpy. TinyLlama's shape (2048 wide, 32 heads, 4 of keys, 32,000 tokens) in Q4_0:
blocks of random bits under a scale that keeps the sums finite. 620 MB in some seconds.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import gguf
import numpy as np
import numpy.typing as npt

WIDTH, FEED, HEADS, KEY_HEADS, VOCABULARY, LAYERS = 2048, 5632, 32, 4, 32_000, 22
BLOCK, BLOCK_BYTES = 32, 18
"""Weights and bytes of a block of Q4_0: a half-precision scale, then two weights a byte.
**Source:** ggml-common.h of llama.cpp."""
SCALE = 0.006


def blocks(random: np.random.Generator, rows: int, columns: int) -> npt.NDArray[np.uint8]:
    """A matrix of random weights in Q4_0."""
    made = random.integers(0, 256, (rows, columns // BLOCK, BLOCK_BYTES), np.uint8)
    made[:, :, :2] = np.array([SCALE], np.float16).view(np.uint8)
    return made.reshape(rows, columns // BLOCK * BLOCK_BYTES)


def letters() -> list[str]:
    """The stand-in of each byte, as byte-level vocabularies write it."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    spare = iter(range(256, 512))
    return [chr(byte) if byte in plain else chr(next(spare)) for byte in range(256)]


def vocabulary() -> list[str]:
    """Two special tokens, the bytes, one merge, and names for the rest."""
    first = ["<bos>", "<eos>", *letters(), "he"]
    return [*first, *(f"word{at}" for at in range(VOCABULARY - len(first)))]


def write(path: Path, layers: int = LAYERS) -> None:
    """Write the model to *path*; equal numbers of layers give equal files."""
    random = np.random.default_rng(1)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(2048)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(layers)
    writer.add_feed_forward_length(FEED)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KEY_HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q4_0)
    writer.add_vocab_size(VOCABULARY)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(vocabulary())
    control = [gguf.TokenType.CONTROL] * 2
    writer.add_token_types([*control, *[gguf.TokenType.NORMAL] * (VOCABULARY - 2)])
    writer.add_token_merges(["h e"])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)
    writer.add_add_bos_token(False)

    def matrix(name: str, rows: int, columns: int) -> None:
        kind = gguf.GGMLQuantizationType.Q4_0
        writer.add_tensor(f"{name}.weight", blocks(random, rows, columns), raw_dtype=kind)

    matrix("token_embd", VOCABULARY, WIDTH)
    matrix("output", VOCABULARY, WIDTH)
    writer.add_tensor("output_norm.weight", np.ones(WIDTH, np.float32))
    for layer in range(layers):
        own = f"blk.{layer}"
        narrow = WIDTH // HEADS * KEY_HEADS
        matrix(f"{own}.attn_q", WIDTH, WIDTH)
        matrix(f"{own}.attn_k", narrow, WIDTH)
        matrix(f"{own}.attn_v", narrow, WIDTH)
        matrix(f"{own}.attn_output", WIDTH, WIDTH)
        matrix(f"{own}.ffn_gate", FEED, WIDTH)
        matrix(f"{own}.ffn_up", FEED, WIDTH)
        matrix(f"{own}.ffn_down", WIDTH, FEED)
        for name in ("attn_norm", "ffn_norm"):
            writer.add_tensor(f"{own}.{name}.weight", np.ones(WIDTH, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main() -> None:
    """Write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path)
    parser.add_argument("--layers", type=int, default=LAYERS)
    given = parser.parse_args()
    write(given.path, given.layers)


if __name__ == "__main__":
    main()
