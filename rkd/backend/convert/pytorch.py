"""
Read PyTorch checkpoints (`.bin`, `.pth`): a zip archive of a pickle and one file a storage.

The pickle is read by `pickle_table.py`, never executed; the weights are mapped, not copied.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from rkd.backend.convert import pickle_table
from rkd.backend.convert.pickle_table import STORAGES, Placed
from rkd.backend.convert.tensors import Stored, broken, map_file, quantized, view
from rkd.weights import magic

_MAX_PICKLE_BYTES = 64 * 1024 * 1024
_LOCAL_HEADER_BYTES = 30


def read(path: Path) -> Iterator[Stored]:
    """
    Yield every tensor of *path*, as views of the mapped file.

    Raises:
        InvalidInputError: WEIGHTS_INVALID: damaged, not of PyTorch's zip kind, compressed, or
            holding anything but tensors.
    """
    data = map_file(path)
    if bytes(data[:4]) != b"PK\x03\x04":
        kind = magic.name(bytes(data[:64])) or "no zip archive"
        problem = f"it is {kind}; PyTorch 1.6 and later save zip archives"
        raise broken(path.name, problem)
    try:
        with zipfile.ZipFile(path) as archive:
            entries = {entry.filename: entry for entry in archive.infolist()}
            table_name = next((n for n in entries if n.split("/", 1)[-1] == "data.pkl"), "")
            if not table_name:
                raise broken(path.name, "it holds no data.pkl")
            if entries[table_name].file_size > _MAX_PICKLE_BYTES:
                raise broken(path.name, "its table of tensors is absurdly long")
            pickled = archive.read(table_name)
    except (zipfile.BadZipFile, NotImplementedError, EOFError, ValueError) as trouble:
        raise broken(path.name, str(trouble)) from trouble
    try:
        tensors = pickle_table.read(pickled)
    except pickle_table.UnreadableError as trouble:
        raise broken(path.name, f"its table of tensors holds {trouble}") from trouble
    folder = table_name.removesuffix("data.pkl")
    for name, placed in tensors.items():
        entry = entries.get(f"{folder}data/{placed.storage.key}")
        if entry is None:
            raise broken(path.name, f"the weights of {name[:80]!r} are missing")
        yield _tensor(path.name, data, name, placed, entry)


def _tensor(
    what: str, data: memoryview, name: str, placed: Placed, entry: zipfile.ZipInfo
) -> Stored:
    storage = placed.storage
    kind = STORAGES.get(storage.type)
    if kind is None:
        raise quantized(what, f"{name} has {storage.type.removeprefix('torch ')}")
    if entry.compress_type != zipfile.ZIP_STORED:
        raise broken(what, "it is compressed, which PyTorch never does")
    local = bytes(data[entry.header_offset : entry.header_offset + _LOCAL_HEADER_BYTES])
    if len(local) < _LOCAL_HEADER_BYTES or local[:4] != b"PK\x03\x04":
        raise broken(what, f"the weights of {name[:80]!r} are not where the archive says")
    # The local header's own name and extra field: torch pads the latter to align the weights.
    lengths = int.from_bytes(local[26:28], "little") + int.from_bytes(local[28:30], "little")
    start = entry.header_offset + _LOCAL_HEADER_BYTES + lengths
    flat = view(data, kind, start, (storage.numbers,), what)
    if flat.nbytes > entry.file_size or len(placed.shape) != len(placed.strides):
        raise broken(what, f"the weights of {name[:80]!r} are cut short")
    last = placed.offset + sum(
        (size - 1) * stride for size, stride in zip(placed.shape, placed.strides, strict=True)
    )
    if all(placed.shape) and last >= storage.numbers:
        raise broken(what, f"{name[:80]!r} reaches past its weights")
    array = np.lib.stride_tricks.as_strided(
        flat[placed.offset :],
        placed.shape,
        tuple(stride * flat.itemsize for stride in placed.strides),
        writeable=False,
    )
    return Stored(name, kind, array)
