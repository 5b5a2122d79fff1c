"""
Read PyTorch checkpoints (`.bin`, `.pth`): a zip archive of a pickle and one file a storage.

The pickle is read by `pickle_table.py`, never executed; the weights are mapped, not copied.
"""

from __future__ import annotations

import math
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from rkd.backend.convert import pickle_table
from rkd.backend.convert.pickle_table import STORAGES, Placed
from rkd.backend.convert.tensors import Stored, broken, map_file, quantized, shape_text, view
from rkd.outside import open_regular, quoted, shown
from rkd.weights import magic

_MAX_PICKLE_BYTES = 16 << 20
"""A checkpoint of 10,000 tensors takes 2 MB."""
MAX_DIRECTORY_BYTES = 32 << 20
"""Of the archive: one entry a storage, some 100 bytes each."""
_LOCAL_HEADER_BYTES = 30
_END_BYTES = 65_536 + 22 + 20 + 56
_DAMAGED = (
    *(zipfile.BadZipFile, NotImplementedError, EOFError, OSError, ValueError),
    *(RuntimeError, OverflowError, struct.error, KeyError),
)
"""What zipfile raises for damaged and encrypted archives."""


def read(path: Path) -> Iterator[Stored]:
    """
    Yield every tensor of *path*, as views of the mapped file.

    Raises:
        InvalidInputError: WEIGHTS_INVALID: damaged, not of PyTorch's zip kind, compressed, or
            holding anything but tensors.
    """
    data = map_file(path)
    what = path.name
    if bytes(data[:4]) != b"PK\x03\x04":
        kind = magic.name(bytes(data[:64])) or "no zip archive"
        problem = f"it is {kind}; PyTorch 1.6 and later save zip archives"
        raise broken(path.name, problem)
    _check_directory(data, what)
    table_name, pickled, entries = _opened(path)
    try:
        tensors = pickle_table.read(pickled)
    except pickle_table.UnreadableError as trouble:
        raise broken(what, f"its table of tensors holds {trouble}") from trouble
    folder = table_name.removesuffix("data.pkl")
    for name, placed in tensors.items():
        entry = entries.get(f"{folder}data/{placed.storage.key}")
        if entry is None:
            raise broken(what, f"the weights of {quoted(name)} are missing")
        yield _tensor(what, data, name, placed, entry)


def _opened(path: Path) -> tuple[str, bytes, dict[str, zipfile.ZipInfo]]:
    """Read the archive's directory and its table: the table's name, its bytes, all entries."""
    try:
        with open_regular(path, within=path.parent) as file, zipfile.ZipFile(file) as archive:
            entries = {entry.filename: entry for entry in archive.infolist()}
            table_name = next((n for n in entries if n.split("/", 1)[-1] == "data.pkl"), "")
            if not table_name:
                raise broken(path.name, "it holds no data.pkl")
            entry = entries[table_name]
            if entry.file_size > _MAX_PICKLE_BYTES:
                raise broken(path.name, "its table of tensors is absurdly long")
            if entry.compress_type != zipfile.ZIP_STORED:
                raise broken(path.name, "it is compressed, which PyTorch never does")
            return table_name, archive.read(table_name), entries
    except _DAMAGED as trouble:
        raise broken(path.name, quoted(str(trouble))) from trouble


def _check_directory(data: memoryview, what: str) -> None:
    """
    Refuse a directory of absurd length, which zipfile would read whole.

    **Source**: PKWARE's APPNOTE 4.3.14 to 4.3.16: the end record, and its larger form.
    """
    tail = bytes(data[-_END_BYTES:])
    at = tail.rfind(b"PK\x05\x06")
    size = int.from_bytes(tail[at + 12 : at + 16], "little") if at >= 0 else 0
    locator = tail[at - 20 : at] if at >= 20 else b""  # noqa: PLR2004 - the locator's length
    if locator.startswith(b"PK\x06\x07"):
        place = int.from_bytes(locator[8:16], "little")
        size = max(size % 0xFFFFFFFF, int.from_bytes(data[place + 40 : place + 48], "little"))
    if size > MAX_DIRECTORY_BYTES:
        raise broken(what, "its list of files is absurdly long")


def _tensor(
    what: str, data: memoryview, name: str, placed: Placed, entry: zipfile.ZipInfo
) -> Stored:
    storage = placed.storage
    kind = STORAGES.get(storage.type)
    if kind is None:
        raise quantized(what, f"{shown(name[:80])} has {storage.type.removeprefix('torch ')}")
    if entry.compress_type != zipfile.ZIP_STORED:
        raise broken(what, "it is compressed, which PyTorch never does")
    local = bytes(data[entry.header_offset : entry.header_offset + _LOCAL_HEADER_BYTES])
    if len(local) < _LOCAL_HEADER_BYTES or local[:4] != b"PK\x03\x04":
        raise broken(what, f"the weights of {quoted(name)} are not where the archive says")
    # The local header's own name and extra field: torch pads the latter to align the weights.
    lengths = int.from_bytes(local[26:28], "little") + int.from_bytes(local[28:30], "little")
    start = entry.header_offset + _LOCAL_HEADER_BYTES + lengths
    flat = view(data, kind, start, (storage.numbers,), what)
    if flat.nbytes > entry.file_size or len(placed.shape) != len(placed.strides):
        raise broken(what, f"the weights of {quoted(name)} are cut short")
    if not 0 < math.prod(placed.shape) <= storage.numbers:
        raise broken(what, f"{quoted(name)} has the shape {shape_text(placed.shape)}")
    last = placed.offset + sum(
        (size - 1) * stride for size, stride in zip(placed.shape, placed.strides, strict=True)
    )
    if last >= storage.numbers or max(placed.strides, default=0) > storage.numbers:
        raise broken(what, f"{quoted(name)} reaches past its weights")
    array = np.lib.stride_tricks.as_strided(
        flat[placed.offset :],
        placed.shape,
        tuple(stride * flat.itemsize for stride in placed.strides),
        writeable=False,
    )
    return Stored(name, kind, array)
