"""
Read safetensors files: eight bytes of length, a JSON table, the weights. Nothing is executed.

**Source**: the format's README (huggingface/safetensors): header at most 100 MB, offsets from the
end of the header, no holes needed. Own, since the package's numpy loader refuses bfloat16.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rkd.backend.convert.tensors import (
    LAYOUTS,
    Stored,
    broken,
    map_file,
    quantized,
    shape_text,
    view,
)
from rkd.outside import json_object, quoted, shown
from rkd.weights import magic

MAX_HEADER_BYTES = 32 << 20
"""The format allows 100 MB; a table of 100,000 tensors takes 12."""
MAX_HEADER_ITEMS = 2_000_000
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
    if len(data) < 8 or not 2 <= size <= min(MAX_HEADER_BYTES, len(data) - 8):  # noqa: PLR2004 - length, then at least {}
        raise broken(path.name, "its header does not fit into the file")
    try:
        table = json_object(bytes(data[8 : 8 + size]), most_items=MAX_HEADER_ITEMS)
    except ValueError as trouble:
        raise broken(path.name, f"its header is no table, no JSON ({trouble})") from trouble
    weights = data[8 + size :]
    for name, row in table.items():
        if name != "__metadata__":
            yield _tensor(path.name, weights, name, row)


def _tensor(what: str, weights: memoryview, name: str, row: object) -> Stored:
    match row:
        case {"dtype": str(kind), "shape": [*shape], "data_offsets": [int(start), int(end)]}:
            pass
        case _:
            raise broken(what, f"its entry for {quoted(name)} is incomplete")
    if not -(2**63) < start < 2**63 > end > -(2**63):
        raise broken(what, f"{quoted(name)} reaches past the end of the file")
    if kind in _EIGHT_BIT:
        raise quantized(what, f"{shown(name[:80])} is {kind}")
    sizes = tuple(size for size in shape if type(size) is int and size >= 0)  # True is none
    if kind not in LAYOUTS or len(sizes) != len(shape):
        odd = f"the type {shown(kind[:40])} and the shape {shape_text(tuple(shape))}"
        raise broken(what, f"{quoted(name)} has {odd}")
    array = view(weights, kind, start, sizes, what)
    if array.nbytes != end - start:
        problem = f"{quoted(name)} has {end - start} bytes instead of {array.nbytes}"
        raise broken(what, problem)
    return Stored(name, kind, array)
