"""Write GGUF headers: metadata pairs and the tensor table; what is in them is the callers'."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from rkd.weights.gguf import Tensor

ALIGNMENT = 32
"""What GGUF aligns tensors to when a file does not say."""

Value = bool | int | float | str | Sequence[str] | Sequence[bytes] | Sequence[int] | Sequence[float]

_BOOL, _U32, _I32, _F32, _STRING, _ARRAY = 7, 4, 5, 6, 8, 9


def place(
    tensors: Sequence[tuple[str, tuple[int, ...], int]], alignment: int
) -> tuple[Tensor, ...]:
    """Give each (name, shape, type) its offset, one behind the other."""
    rows: list[Tensor] = []
    offset = 0
    for name, shape, kind in tensors:
        row = Tensor(name, shape, kind, offset)
        rows.append(row)
        offset += row.size_bytes + padding(row.size_bytes, alignment)
    return tuple(rows)


def padding(size_bytes: int, alignment: int) -> int:
    """How many bytes follow *size_bytes* up to the next multiple of *alignment*."""
    return -size_bytes % alignment


def head(pairs: Sequence[bytes], rows: Sequence[Tensor], alignment: int) -> bytes:
    """Return everything before the weights, padded to them."""
    table = b"".join(
        text(row.name)
        + struct.pack(f"<I{len(row.shape)}QIQ", len(row.shape), *row.shape, row.type, row.offset)
        for row in rows
    )
    counts = struct.pack("<IQQ", 3, len(rows), len(pairs))
    whole = b"GGUF" + counts + b"".join(pairs) + table
    return whole + bytes(padding(len(whole), alignment))


def pair(key: str, value: Value) -> bytes:
    """Return one metadata pair; whole numbers become u32, lists i32, f32 or strings."""
    start = text(key)
    match value:
        case bool():
            return start + struct.pack("<IB", _BOOL, value)
        case int():
            return start + struct.pack("<II", _U32, value)
        case float():
            return start + struct.pack("<If", _F32, value)
        case str():
            return start + struct.pack("<I", _STRING) + text(value)
        case _:
            return start + _array(value)


def text(value: str | bytes) -> bytes:
    """Return a string as GGUF stores it."""
    encoded = value.encode() if isinstance(value, str) else value
    return struct.pack("<Q", len(encoded)) + encoded


def _array(values: Sequence[str | bytes | int | float]) -> bytes:
    first = values[0] if values else 0
    if isinstance(first, str | bytes):
        body = b"".join(text(item) for item in values if isinstance(item, str | bytes))
        return struct.pack("<IIQ", _ARRAY, _STRING, len(values)) + body
    kind, letter = (_F32, "f") if isinstance(first, float) else (_I32, "i")
    return struct.pack(f"<IIQ{len(values)}{letter}", _ARRAY, kind, len(values), *values)
