"""Build small GGUF files byte by byte, also broken ones, without the reader's own knowledge."""

from __future__ import annotations

import struct

Value = int | float | bool | str | list[str] | list[int]


def text(value: str) -> bytes:
    """A string as GGUF stores it."""
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def pair(key: str, value: Value) -> bytes:
    """One metadata pair."""
    out = text(key)
    match value:
        case bool():
            return out + struct.pack("<IB", 7, value)
        case int():
            return out + struct.pack("<II", 4, value)
        case float():
            return out + struct.pack("<If", 6, value)
        case str():
            return out + struct.pack("<I", 8) + text(value)
        case [str(), *_]:
            body = b"".join(text(str(item)) for item in value)
            return out + struct.pack("<IIQ", 9, 8, len(value)) + body
        case _:
            return (
                out + struct.pack("<IIQ", 9, 4, len(value)) + struct.pack(f"<{len(value)}I", *value)
            )


def tensor(name: str, shape: tuple[int, ...], kind: int, offset: int) -> bytes:
    """One row of the tensor table."""
    return (
        text(name)
        + struct.pack("<I", len(shape))
        + struct.pack(f"<{len(shape)}Q", *shape)
        + struct.pack("<IQ", kind, offset)
    )


LLAMA: dict[str, Value] = {
    "general.architecture": "llama",
    "general.file_type": 15,
    "llama.block_count": 2,
    "llama.context_length": 2048,
    "llama.embedding_length": 64,
    "llama.attention.head_count": 4,
    "llama.attention.head_count_kv": 2,
    "tokenizer.ggml.tokens": ["a", "b", "c"],
    "tokenizer.chat_template": "{{ messages }}",
}
TENSORS: tuple[tuple[str, tuple[int, ...], int, int], ...] = (
    ("token_embd.weight", (64, 32), 0, 0),
    ("blk.0.attn_q.weight", (64, 64), 1, 8192),
    ("blk.1.attn_q.weight", (64, 64), 8, 16384),
)
DATA_BYTES = 16384 + 64 * 64 // 32 * 34


def build(
    metadata: dict[str, Value] = LLAMA,
    tensors: tuple[tuple[str, tuple[int, ...], int, int], ...] = TENSORS,
    *,
    magic: bytes = b"GGUF",
    version: int = 3,
    tensor_count: int | None = None,
    pair_count: int | None = None,
    data_bytes: int = DATA_BYTES,
) -> bytes:
    """A whole file; counts may be made to lie."""
    head = magic + struct.pack(
        "<IQQ",
        version,
        len(tensors) if tensor_count is None else tensor_count,
        len(metadata) if pair_count is None else pair_count,
    )
    head += b"".join(pair(key, value) for key, value in metadata.items())
    head += b"".join(tensor(*row) for row in tensors)
    return head + bytes(-len(head) % 32) + bytes(data_bytes)
