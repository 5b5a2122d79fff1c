"""Quantizing a whole file: values near the old ones, metadata kept, bad input refused."""

from __future__ import annotations

import stat
import struct
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from gguf import GGMLQuantizationType
from gguf.quants import dequantize

from rkd.backend.quantize import mix, quantize
from rkd.backend.quantize import native as llama_quantize
from rkd.backend.quantize.ggml import Ggml, engine_library
from rkd.errors import InvalidInputError, Reason
from rkd.weights import details, gguf
from rkd.weights.quantization import TENSOR_TYPES
from tests.unit.weights.gguf_bytes import Value, pair, tensor

WIDTH = 256
NAMES = (
    *("token_embd.weight", "output.weight", "output_norm.weight"),
    *("blk.0.attn_v.weight", "blk.0.ffn_down.weight", "blk.0.ffn_up.weight"),
)
META: dict[str, Value] = {
    "general.architecture": "llama",
    "general.file_type": 1,
    "llama.block_count": 1,
    "llama.context_length": 64,
    "llama.embedding_length": WIDTH,
    "llama.attention.head_count": 4,
    "tokenizer.ggml.tokens": ["a", "é", "\n"],
    "general.alignment": 64,
}


def weights(name: str) -> npt.NDArray[np.float32]:
    """The numbers of the tensor *name*, always the same."""
    rows = 1 if "norm" in name else 24
    return np.random.default_rng(len(name)).normal(0, 0.1, (rows, WIDTH)).astype(np.float32)


def write_model(path: Path, kind: int = 1, spoil: str = "") -> Path:
    """Write a model of one layer; matrices of type *kind*, norms F32; *spoil* gets an infinity."""
    table, blob = b"", b""
    for name in NAMES:
        values = weights(name)
        if name == spoil:
            values[3, 7] = np.inf
        stored = 0 if len(values) == 1 else kind
        shape = (WIDTH,) if len(values) == 1 else (WIDTH, len(values))
        table += tensor(name, shape, stored, len(blob))
        data = quantize.packed(values, stored, Ggml(engine_library()))
        blob += data + bytes(-len(data) % 64)
    head = b"GGUF" + struct.pack("<IQQ", 3, len(NAMES), len(META))
    head += b"".join(pair(key, value) for key, value in META.items()) + table
    path.write_bytes(head + bytes(-len(head) % 64) + blob)
    return path


def run(source: Path, wanted: str) -> tuple[gguf.Header, Path]:
    """Quantize with one thread less than pieces; returns the new header and file."""
    target = source.with_name(f"{wanted}.gguf")
    told: list[float] = []
    quantize.quantize(
        source,
        target,
        wanted,
        Ggml(engine_library()),
        threads=2,
        progress=lambda _, fraction: told.append(fraction),
    )
    assert told == sorted(told)
    assert told[-1] == 1.0
    return gguf.read_header(target), target


def values_of(path: Path, header: gguf.Header, name: str) -> npt.NDArray[np.float32]:
    """Read a tensor back with the gguf package's own arithmetic."""
    row = next(row for row in header.tensors if row.name == name)
    start = header.data_offset + row.offset
    raw = np.frombuffer(path.read_bytes()[start : start + row.size_bytes], np.uint8)
    shape = (-1, TENSOR_TYPES[row.type].block_bytes * WIDTH // TENSOR_TYPES[row.type].block_weights)
    return dequantize(raw.reshape(shape), GGMLQuantizationType(row.type)).reshape(-1, WIDTH)


ERROR = {
    "F32": 0.0003,
    "F16": 0.0003,
    "BF16": 0.003,
    "Q8_0": 0.006,
    "Q6_K": 0.02,
    "Q5_K_M": 0.04,
    "Q5_K_S": 0.04,
    "Q5_0": 0.05,
    "Q4_K_M": 0.08,
    "Q4_K_S": 0.08,
    "Q4_1": 0.09,
    "IQ4_NL": 0.09,
    "IQ4_XS": 0.09,
    "Q4_0": 0.1,
    "Q3_K_M": 0.16,
}
"""Largest root mean square error allowed, in standard deviations of the weights."""


@pytest.mark.parametrize("wanted", mix.BASE)
def test_values_stay_near(wanted: str, tmp_path: Path) -> None:
    """Each type keeps every tensor within its error, as another reader of the file sees it."""
    header, path = run(write_model(tmp_path / "m.gguf"), wanted)

    for name in NAMES:
        found, expected = values_of(path, header, name), weights(name)
        error = float(np.sqrt(np.mean((found - expected) ** 2)) / expected.std())
        assert error <= ERROR[wanted], name
    assert details.describe(header).quantization == wanted


def test_metadata_is_kept(tmp_path: Path) -> None:
    """All but the file type comes over byte for byte, alignment too."""
    source = write_model(tmp_path / "m.gguf")
    header, path = run(source, "Q4_K_M")
    old = gguf.read_header(source)
    data, before = path.read_bytes(), source.read_bytes()

    for key, (start, end) in old.spans.items():
        if key != "general.file_type":
            new_start, new_end = header.spans[key]
            assert data[new_start:new_end] == before[start:end]
    assert header.alignment == 64
    assert header.data_offset % 64 == 0
    assert header.number("general.quantization_version") == 2


@pytest.mark.parametrize("kind", [0, 1, 30])
def test_every_whole_type_is_read(kind: int, tmp_path: Path) -> None:
    """F32, F16 and BF16 sources give the same Q8_0 up to their own rounding."""
    header, path = run(write_model(tmp_path / "m.gguf", kind), "Q8_0")
    found = values_of(path, header, "blk.0.ffn_up.weight")

    assert np.abs(found - weights("blk.0.ffn_up.weight")).max() < 0.005


def test_large_tensors_go_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut into pieces of a few rows, the file is the same to the byte."""
    source = write_model(tmp_path / "m.gguf")
    whole = run(source, "Q4_K_M")[1].read_bytes()
    monkeypatch.setattr(quantize, "_CHUNK_WEIGHTS", 5 * WIDTH)

    assert run(source, "Q4_K_M")[1].read_bytes() == whole


def test_what_is_quantized_is_refused(tmp_path: Path) -> None:
    """A second quantization is refused, naming the tensor."""
    with pytest.raises(InvalidInputError, match="quantized already") as caught:
        run(write_model(tmp_path / "m.gguf", 8), "Q4_K_M")

    assert caught.value.metadata["type"] == "Q8_0"


def test_infinities_are_refused(tmp_path: Path) -> None:
    """A value that is no number is named by its tensor instead of spoiling a block."""
    with pytest.raises(InvalidInputError, match=r"blk\.0\.ffn_up\.weight holds a value"):
        run(write_model(tmp_path / "m.gguf", spoil="blk.0.ffn_up.weight"), "Q8_0")


def test_unknown_types_are_refused(tmp_path: Path) -> None:
    """A type rkd cannot make is refused with those it can."""
    with pytest.raises(InvalidInputError) as caught:
        run(write_model(tmp_path / "m.gguf"), "Q2_K")

    assert caught.value.reason is Reason.INVALID_FIELD
    assert "Q4_K_M" in caught.value.remedy


def test_bfloat16_rounds_to_even() -> None:
    """Halves round to the even neighbour, as ggml rounds."""
    values = np.array([1.0, 1.00390625, 1.01171875, -1.00390625], np.float32)

    assert quantize.as_bfloat16(values).tolist() == [0x3F80, 0x3F80, 0x3F82, 0xBF80]


def test_native_tool(tmp_path: Path) -> None:
    """A native llama-quantize is run with source, target, type and threads; its steps are told."""
    source = write_model(tmp_path / "m.gguf")
    tool = tmp_path / "llama-quantize"
    tool.write_text(
        '#!/bin/sh\necho "[ 1/ 2] a"\necho "[ 2/ 2] b"\n[ $3 = Q8_0 ] && cp "$1" "$2"\n'
    )
    tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
    told: list[float] = []
    made = llama_quantize.quantize(
        tool,
        source,
        tmp_path / "out.gguf",
        "Q8_0",
        threads=2,
        progress=lambda _, fraction: told.append(fraction),
    )

    assert told == [0.5, 1.0]
    assert made.tensors == len(NAMES)
    with pytest.raises(InvalidInputError, match=r"exit 1\).*2/ 2"):
        llama_quantize.quantize(
            tool, source, tmp_path / "o", "Q4_K_M", threads=1, progress=lambda *_: None
        )
