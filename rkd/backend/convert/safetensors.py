"""
Read safetensors files: eight bytes of length, a JSON table, the weights. Nothing is executed.

**Source**: the format's README (huggingface/safetensors): header at most 100 MB, offsets from the
end of the header, no holes needed. Own, since the package's numpy loader refuses bfloat16.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from rkd.backend.convert.tensors import LAYOUTS, Stored, broken, map_file, quantized, view
from rkd.weights import magic

_MAX_HEADER_BYTES = 100_000_000
_EIGHT_BIT = frozenset({"F8_E4M3", "F8_E5M2", "F8_E8M0", "F4", "I8", "U8"})


def read(path: Path) -> Iterator[Stored]:
    """
    Yield every tensor of *path*, as views of the mapped file.

    Raises:
        InvalidInputError: WEIGHTS_INVALID.
    """
    data = map_file(path)
    kind = magic.name(bytes(data[:64]))
    if kind and kind != "a safetensors file":
        raise broken(path.name, f"it is {kind}")
    size = int.from_bytes(data[:8], "little")
    if len(data) < 8 or not 2 <= size <= min(_MAX_HEADER_BYTES, len(data) - 8):  # noqa: PLR2004 - length, then at least {}
        raise broken(path.name, "its header does not fit into the file")
    try:
        table = json.loads(bytes(data[8 : 8 + size]))
    except (ValueError, RecursionError) as trouble:
        raise broken(path.name, f"its header is no JSON ({trouble})") from trouble
    if not isinstance(table, dict):
        raise broken(path.name, "its header is no table")
    weights = data[8 + size :]
    for name, row in table.items():
        if name != "__metadata__":
            yield _tensor(path.name, weights, name, row)


def _tensor(what: str, weights: memoryview, name: str, row: object) -> Stored:
    match row:
        case {"dtype": str(kind), "shape": [*shape], "data_offsets": [int(start), int(end)]}:
            pass
        case _:
            raise broken(what, f"its entry for {name[:80]!r} is incomplete")
    if kind in _EIGHT_BIT:
        raise quantized(what, f"{name} is {kind}")
    sizes = tuple(size for size in shape if isinstance(size, int) and size >= 0)
    if kind not in LAYOUTS or len(sizes) != len(shape):
        raise broken(what, f"{name[:80]!r} has the type {kind} and the shape {shape}")
    array = view(weights, kind, start, sizes, what)
    if array.nbytes != end - start:
        raise broken(what, f"{name[:80]!r} has {end - start} bytes instead of {array.nbytes}")
    return Stored(name, kind, array)
