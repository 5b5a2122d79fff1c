"""
Write a GGUF anew with its weights in another type; memory stays at some tens of megabytes.

Metadata is copied byte for byte but for the file type; tensors are read, turned and written one
after another, rows of one tensor on several threads. Runs in a job's child.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from rkd.backend.quantize import gguf_write, mix
from rkd.backend.quantize.ggml import Ggml
from rkd.errors import InvalidInputError, Reason
from rkd.weights import details, gguf, shards
from rkd.weights.gguf import Header, Tensor
from rkd.weights.quantization import TENSOR_TYPES

Progress = Callable[[str, float], None]
"""Takes what is being done and how far it is, 0 to 1."""

_CHUNK_WEIGHTS = 2**21
"""Weights one thread turns at a time: 8 MiB as f32."""
_COPY_BYTES = 2**23
_REPLACED = ("general.file_type", "general.quantization_version")
_F32, _F16, _BF16 = 0, 1, 30
_READABLE = {_F32, _F16, _BF16}


@dataclass(frozen=True, slots=True)
class Made:
    """What was written."""

    size_bytes: int
    tensors: int
    quantization: str


def quantize(
    source: Path, target: Path, wanted: str, engine: Ggml, *, threads: int, progress: Progress
) -> Made:
    """
    Write *source* to *target* as file type *wanted* (a key of `mix.BASE`), and flush it to disk.

    *target* is overwritten; its caller removes it after an error.

    Raises:
        InvalidInputError: WEIGHTS_INVALID: *source* is broken, split, or quantized already;
            INVALID_FIELD: *wanted* is unknown.
        OSError: reading or writing failed (ENOSPC: the disk is full).
    """
    if wanted not in mix.BASE:
        raise InvalidInputError(
            Reason.INVALID_FIELD,
            f"{wanted!r} is no quantization rkd can make",
            remedy="Choose one of " + ", ".join(mix.BASE) + ".",
            metadata={"quantization": wanted},
        )
    header = gguf.read_header(source)
    details.check(header, source.name)
    _check_source(header, source.name)
    rows = _plan(header, wanted)
    pairs = [
        gguf_write.pair("general.file_type", mix.FILE_NUMBER[wanted]),
        gguf_write.pair("general.quantization_version", 2),
    ]
    with source.open("rb") as opened, target.open("wb") as out:
        kept = [_read(opened, *at) for key, at in header.spans.items() if key not in _REPLACED]
        out.write(gguf_write.head([*kept, *pairs], rows, header.alignment))
        total = sum(row.weights for row in rows) or 1
        done = 0
        with (
            mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as data,
            ThreadPoolExecutor(max_workers=threads) as pool,
        ):
            turner = _Turner(engine, pool, threads, data)
            for old, row in zip(header.tensors, rows, strict=True):
                out.writelines(turner.pieces(old, row.type, header.data_offset + old.offset))
                out.write(bytes(gguf_write.padding(row.size_bytes, header.alignment)))
                # Read once and done with: let the kernel have the pages, not this process.
                data.madvise(mmap.MADV_DONTNEED)
                done += row.weights
                progress("quantizing", done / total)
        out.flush()
        os.fsync(out.fileno())
        return Made(out.tell(), len(rows), wanted)


def _check_source(header: Header, name: str) -> None:
    if shards.is_split(header):
        raise gguf.invalid(name, "it is split", "Join its parts first: `llama-gguf-split --merge`.")
    for tensor in header.tensors:
        if len(tensor.shape) > 1 and tensor.type not in _READABLE:
            kind = TENSOR_TYPES[tensor.type].name
            raise InvalidInputError(
                Reason.WEIGHTS_INVALID,
                f"{name} is quantized already ({tensor.name} is {kind})",
                remedy="Quantize from an F32, F16 or BF16 file: each step loses a little more.",
                metadata={"file": name, "tensor": tensor.name, "type": kind},
            )


def _plan(header: Header, wanted: str) -> tuple[Tensor, ...]:
    """Decide every tensor's type and place."""
    told = details.describe(header)
    model = mix.Shape(
        architecture=told.architecture,
        layers=told.layers,
        sharing=told.heads // told.kv_heads if told.kv_heads else 1,
        has_output=any(tensor.name == "output.weight" for tensor in header.tensors),
        experts=header.number(f"{told.architecture}.expert_count"),
    )
    return gguf_write.place(
        [
            (old.name, old.shape, mix.tensor_type(old.name, old.shape, old.type, wanted, model))
            for old in header.tensors
        ],
        header.alignment,
    )


@dataclass(frozen=True, slots=True)
class _Turner:
    """Turns tensors of the mapped file *data* into type *kind*, *threads* pieces at a time."""

    engine: Ggml
    pool: ThreadPoolExecutor
    threads: int
    data: mmap.mmap

    def pieces(self, old: Tensor, kind: int, start: int) -> Iterator[bytes]:
        """Yield the tensor that begins at *start* in its new type, piece by piece, in order."""
        if kind == old.type:
            end = start + old.size_bytes
            for at in range(start, end, _COPY_BYTES):
                yield self.data[at : min(at + _COPY_BYTES, end)]
            return
        width = old.shape[0]
        height = old.weights // width
        step = max(1, _CHUNK_WEIGHTS // width)
        cuts = [(first, min(step, height - first)) for first in range(0, height, step)]
        # Not one map over all: it would take every piece of a large tensor into memory at once.
        for first in range(0, len(cuts), self.threads):
            yield from self.pool.map(
                lambda cut: self._turn(old, kind, start, *cut), cuts[first : first + self.threads]
            )

    def _turn(self, old: Tensor, kind: int, start: int, first: int, count: int) -> bytes:
        """Return *count* rows of the tensor, from row *first*."""
        width = old.shape[0]
        row_bytes = width * TENSOR_TYPES[old.type].block_bytes
        raw = self.data[start + first * row_bytes : start + (first + count) * row_bytes]
        values = as_float32(raw, old.type).reshape(count, width)
        if not np.isfinite(values).all():
            raise InvalidInputError(
                Reason.WEIGHTS_INVALID,
                f"the tensor {old.name} holds a value that is no finite number",
                remedy="The model was damaged in training or conversion; take another.",
                metadata={"tensor": old.name},
            )
        return packed(values, kind, self.engine)


def as_float32(raw: bytes, kind: int) -> npt.NDArray[np.float32]:
    """Return the numbers *raw* stands for; *kind* is F32, F16 or BF16."""
    if kind == _F16:
        return np.frombuffer(raw, np.float16).astype(np.float32)
    if kind == _BF16:
        return (np.frombuffer(raw, np.uint16).astype(np.uint32) << 16).view(np.float32)
    return np.frombuffer(raw, np.float32)


def packed(values: npt.NDArray[np.float32], kind: int, engine: Ggml) -> bytes:
    """Return *values* as type *kind*."""
    if kind == _F32:
        return values.tobytes()
    if kind == _F16:
        with np.errstate(over="ignore"):
            return values.astype(np.float16).tobytes()
    if kind == _BF16:
        return as_bfloat16(values).tobytes()
    return engine.quantize(kind, values)


def as_bfloat16(values: npt.NDArray[np.float32]) -> npt.NDArray[np.uint16]:
    """Round to the nearest bfloat16, ties to even, as ggml does."""
    bits = values.view(np.uint32)
    rounded = (bits + (0x7FFF + ((bits >> 16) & 1))) >> 16
    return rounded.astype(np.uint16)


def _read(source: BinaryIO, start: int, end: int) -> bytes:
    source.seek(start)
    return source.read(end - start)
