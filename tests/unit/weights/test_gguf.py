"""The GGUF reader: what it tells, what it refuses, and that nothing else ever happens."""

from __future__ import annotations

import os
import struct
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from gguf.constants import GGML_QUANT_SIZES, LlamaFileType
from hypothesis import given, settings
from hypothesis import strategies as st

from rkd.errors import InvalidInputError, Reason
from rkd.model import Details
from rkd.weights import details, gguf, shards
from rkd.weights.allowance import MAX_HEADER_BYTES, MAX_KEPT_BYTES, MAX_WORDS
from rkd.weights.quantization import (
    FILE_TYPES,
    QUANTIZATIONS,
    TENSOR_TYPES,
    in_file_name,
)
from tests.growth import assert_linear
from tests.unit.weights.gguf_bytes import (
    DATA_BYTES,
    LLAMA,
    TENSORS,
    Value,
    build,
    pair,
    tensor,
    text,
)


def parsed(data: bytes) -> gguf.Header:
    """Read *data* as a file of that content."""
    return gguf.parse_header(lambda at, count: data[at : at + count], len(data), "x.gguf")


def refusal(data: bytes) -> InvalidInputError:
    """Read and check *data*; return what it is refused with."""
    with pytest.raises(InvalidInputError) as caught:
        details.check(parsed(data), "x.gguf")
    return caught.value


def test_tells_the_model(tmp_path: Path) -> None:
    """Architecture, sizes, quantization and template come from the header alone."""
    path = tmp_path / "x.gguf"
    path.write_bytes(build())

    assert details.inspect(path) == Details(
        architecture="llama",
        parameters=64 * 32 + 2 * 64 * 64,
        quantization="Q4_K_M",
        context_tokens=2048,
        layers=2,
        heads=4,
        kv_heads=2,
        head_size=16,
        embedding_size=64,
        has_template=True,
    )


def test_reads_scalars_and_short_arrays() -> None:
    """Numbers, switches and texts come back; vocabularies only as their length."""
    header = parsed(build(LLAMA | {"x.f": 0.5, "x.b": True, "x.a": [3, 9, 4], "x.s": "é"}))

    assert header.metadata["x.f"] == 0.5
    assert header.metadata["x.b"] is True
    assert header.number("x.a") == 9
    assert header.text("x.s") == "é"
    assert header.length("tokenizer.ggml.tokens") == 3
    assert header.data_offset % 32 == 0


def test_head_count_of_each_layer() -> None:
    """Where heads differ by layer the largest counts, and head size may be given outright."""
    header = parsed(
        build(LLAMA | {"llama.attention.head_count_kv": [1, 3], "llama.attention.key_length": 40})
    )
    told = details.describe(header)

    assert (told.kv_heads, told.head_size) == (3, 40)


def test_heads_and_groups_may_both_differ_by_layer() -> None:
    """Layers of 12 heads over 3 groups and of 20 over 5 are a model, as OpenELM's are."""
    arrays: dict[str, Value] = {
        "llama.attention.head_count": [12, 20],
        "llama.attention.head_count_kv": [3, 5],
    }
    details.check(parsed(build({**LLAMA, **arrays})), "x.gguf")


def test_version_two_reads_alike() -> None:
    """Version 2 has the layout of version 3."""
    assert parsed(build(version=2)).version == 2


def test_reads_only_the_header() -> None:
    """A source of ranges is asked for the header's windows, not for the weights."""
    data = build(data_bytes=8 * 1024 * 1024)
    asked: list[tuple[int, int]] = []

    def read(at: int, count: int) -> bytes:
        asked.append((at, count))
        return data[at : at + count]

    gguf.parse_header(read, len(data), "x")

    assert len(asked) == 2
    assert all(count <= 1024 * 1024 for _, count in asked)


def test_a_source_that_gives_less_is_refused() -> None:
    """A range that comes back short is an error, not a header of zeros."""
    data = build()
    with pytest.raises(InvalidInputError, match="only part of the header"):
        gguf.parse_header(
            lambda at, count: data[at : at + min(count, 5 if at else 64)], len(data), "x"
        )


def test_long_number_arrays_are_passed_over() -> None:
    """Token types and the like are counted, not kept."""
    header = parsed(build(LLAMA | {"x.long": list(range(5000)), "z.last": "end"}))

    assert header.metadata["x.long"] == gguf.Array(5000, 4)
    assert header.text("z.last") == "end"


def test_windows_are_crossed() -> None:
    """A vocabulary longer than a window is walked over in several."""
    words = [f"token-{number:07}" for number in range(150_000)]
    header = parsed(build(LLAMA | {"tokenizer.ggml.tokens": words, "z.last": "end"}))

    assert header.length("tokenizer.ggml.tokens") == 150_000
    assert header.text("z.last") == "end"


@pytest.mark.parametrize(
    ("first", "message"),
    [
        (b"GGUF"[::-1], "it begins with 46554747"),
        (b"", "it begins with nothing"),
        (b"lmgg\x00\x00", "it is an old ggml file"),
        (b"tjgg\x03\x00\x00\x00", "it is an old ggjt file"),
        (b"RKNN", "it is an .rknn file"),
        (bytes.fromhex("daeeb336"), "it is .rkllm"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "git-lfs pointer"),
        (b"<!DOCTYPE html><html>", "it is a web page"),
        (b"PK\x03\x04", "PyTorch checkpoint"),
        (struct.pack("<Q", 100) + b'{"a":', "safetensors"),
    ],
)
def test_other_files_are_named(first: bytes, message: str) -> None:
    """What is no GGUF is called by its name, with the way out."""
    caught = refusal(first)

    assert message in caught.message
    assert caught.reason is Reason.WEIGHTS_INVALID
    assert caught.remedy


BROKEN: dict[str, tuple[bytes, str]] = {
    "version 1": (build(version=1), "version 1 is no longer read"),
    "version 9": (build(version=9), "version 9 is unknown"),
    "big-endian": (build(version=0x03000000), "big-endian"),
    "absurd tensors": (build(tensor_count=2**60), "claims 1152921504606846976 tensors"),
    "absurd pairs": (build(pair_count=2**40), "metadata pairs"),
    "one pair too many": (build(pair_count=len(LLAMA) + 1), "not a usable GGUF"),
    "one tensor too many": (build(tensor_count=4), "not a usable GGUF"),
    "cut in the header": (build()[:100], "the file ends inside the header"),
    "cut in the weights": (build()[:-1], "1 are missing"),
    "no weights": (build(data_bytes=0), f"{DATA_BYTES} are missing"),
    "unknown tensor type": (build(tensors=(("a", (32,), 99, 0),)), "unknown type 99"),
    "removed tensor type": (build(tensors=(("a", (32,), 4, 0),)), "unknown type 4"),
    "no dimensions": (build(tensors=(("a", (), 0, 0),)), "0 dimensions"),
    "many dimensions": (build(tensors=(("a", (1,) * 5, 0, 0),)), "5 dimensions"),
    "empty dimension": (build(tensors=(("a", (0, 4), 0, 0),)), "the shape (0, 4)"),
    "overflow": (build(tensors=(("a", (2**62, 2**62), 0, 0),)), "the shape"),
    "half a block": (build(tensors=(("a", (33,), 8, 0),)), "no whole blocks of 32"),
    "not aligned": (build(tensors=(("a", (32,), 0, 4),)), "not aligned"),
    "far outside": (build(tensors=(("a", (32,), 0, 2**62),)), "are missing"),
    "twice the tensor": (build(tensors=(TENSORS[0], TENSORS[0])), "appears twice"),
    "twice the key": (
        b"GGUF" + struct.pack("<IQQ", 3, 0, 2) + pair("a", 1) + pair("a", 2),
        "the key 'a' appears twice",
    ),
    "unknown value type": (
        b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + text("a") + struct.pack("<I", 77),
        "unknown type 77",
    ),
    "array of arrays": (
        b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + text("a") + struct.pack("<IIQ", 9, 9, 1),
        "an array of the unknown type 9",
    ),
    "absurd array": (
        b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + text("a") + struct.pack("<IIQ", 9, 4, 2**60),
        "elements in 'a'",
    ),
    "array past the end": (
        b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + text("a") + struct.pack("<IIQ", 9, 4, 2**20),
        "the file ends inside the header",
    ),
    "absurd string in an array": (
        b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + text("a") + struct.pack("<IIQQ", 9, 8, 1, 2**60),
        "a string in 'a' claims",
    ),
    "absurd key": (
        b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 2**40) + bytes(64),
        "bytes in a key",
    ),
    "alignment of 3": (build(LLAMA | {"general.alignment": 3}), "alignment 3"),
    "alignment in words": (build(LLAMA | {"general.alignment": "x"}), "alignment x"),
    "no architecture": (build({"a": 1}), "names no architecture"),
    "a million layers": (build(LLAMA | {"llama.block_count": 1_000_000}), "block_count is 1000000"),
    "no layers": (build(LLAMA | {"llama.block_count": 0}), "block_count is 0"),
    "no context": (build(LLAMA | {"llama.context_length": 0}), "context_length is 0"),
    "norm that is no number": (
        build({**LLAMA, "llama.attention.layer_norm_rms_epsilon": float("nan")}),
        "layer_norm_rms_epsilon is nan",
    ),
    "negative norm": (
        build({**LLAMA, "llama.attention.layer_norm_rms_epsilon": -1.0}),
        "layer_norm_rms_epsilon is -1.0",
    ),
    "unknown rope scaling": (
        build({**LLAMA, "llama.rope.scaling.type": "foo"}),
        "rope scaling 'foo' is unknown",
    ),
    "experts never used": (build({**LLAMA, "llama.expert_count": 4}), "uses 0 of 4 experts"),
    "more experts than there are": (
        build({**LLAMA, "llama.expert_count": 1, "llama.expert_used_count": 8}),
        "uses 8 of 1 experts",
    ),
    "heads that do not share": (
        build({**LLAMA, "llama.attention.head_count_kv": [2, 3]}),
        "4 heads cannot share 3 key/value heads",
    ),
    "no vocabulary": (build({**LLAMA, "tokenizer.ggml.model": "none"}), "brings no vocabulary"),
    "fewer scores than tokens": (
        build({**LLAMA, "tokenizer.ggml.model": "llama"}),
        "3 tokens and not as many scores",
    ),
    "no width": (build({**LLAMA, "llama.embedding_length": "x"}), "embedding_length is missing"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_files_are_refused(case: str) -> None:
    """Each kind of damage is refused with WEIGHTS_INVALID, saying what is wrong."""
    data, message = BROKEN[case]
    caught = refusal(data)

    assert message in caught.message
    assert caught.reason is Reason.WEIGHTS_INVALID


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"general.type": "adapter"}, "a LoRA adapter, not a model"),
        ({"general.architecture": "clip"}, "a vision or audio projector"),
    ],
)
def test_other_kinds_of_gguf_are_named(more: dict[str, Value], message: str) -> None:
    """An adapter or projector is no model, and is said to be none."""
    caught = refusal(build({**LLAMA, **more}))

    assert caught.reason is Reason.ARCHITECTURE_UNSUPPORTED
    assert message in caught.message


@given(st.binary(max_size=200) | st.binary(max_size=120).map(lambda tail: build()[:60] + tail))
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_a_result_or_a_clear_refusal(data: bytes) -> None:
    """Whatever the bytes: a header, or WEIGHTS_INVALID; never anything else."""
    try:
        details.describe(parsed(data))
        reason = None
    except InvalidInputError as refused:
        reason = refused.reason

    assert reason in {None, Reason.WEIGHTS_INVALID}


@given(st.integers(0, 900), st.integers(0, 255))
@settings(max_examples=300, deadline=None)
def test_any_flipped_byte_is_a_result_or_a_clear_refusal(at: int, value: int) -> None:
    """A good file with one byte changed anywhere is read or refused, never anything else."""
    data = bytearray(build())
    data[at % len(data)] = value
    try:
        header = parsed(bytes(data))
        details.check(header, "x")
        details.describe(header)
        reason = None
    except InvalidInputError as refused:
        reason = refused.reason

    assert reason in {None, Reason.WEIGHTS_INVALID, Reason.ARCHITECTURE_UNSUPPORTED}


def test_tables_agree_with_the_gguf_package() -> None:
    """Block sizes and file types are ggml's and llama.cpp's."""
    sizes = {int(kind): (kind.name, *size) for kind, size in GGML_QUANT_SIZES.items()}
    names = {
        int(kind): kind.name.removeprefix("MOSTLY_").removeprefix("ALL_")
        for kind in LlamaFileType
        if kind.name != "GUESSED"
    }

    assert sizes == {
        number: (row.name, row.block_weights, row.block_bytes)
        for number, row in TENSOR_TYPES.items()
    }
    assert names == FILE_TYPES


def test_quantization_without_a_file_type() -> None:
    """Without a file type, or with an unknown one, most weights decide."""
    without: dict[str, Value] = {k: v for k, v in LLAMA.items() if k != "general.file_type"}

    assert details.quantization(parsed(build(without))) == "F16"
    assert details.quantization(parsed(build(LLAMA | {"general.file_type": 999}))) == "F16"
    assert details.quantization(parsed(build(LLAMA | {"general.file_type": 1024 + 7}))) == "Q8_0"


@pytest.mark.parametrize(
    ("name", "quantization"),
    [
        ("qwen2.5-1.5b-instruct-q4_k_m.gguf", "Q4_K_M"),
        ("dir/Model-Q8_0.gguf", "Q8_0"),
        ("model.IQ4_XS.gguf", "IQ4_XS"),
        ("m-UD-Q4_K_XL.gguf", "Q4_K_XL"),
        ("m-f16.gguf", "F16"),
        ("m-fp16-Q5_K_S-00001-of-00002.gguf", "Q5_K_S"),
        ("m-BF16.gguf", "BF16"),
        ("gpt-mxfp4.gguf", "MXFP4"),
        ("Qwen-w8a8_g128-rk3588.rkllm", "w8a8_g128"),
        ("Qwen_W8A8_RK3588.rkllm", "w8a8"),
        ("x-fp16.rkllm", "fp16"),
        ("plain.gguf", ""),
        ("iq4.gguf", ""),
    ],
)
def test_quantization_of_a_file_name(name: str, quantization: str) -> None:
    """Names of both formats tell their quantization, in the table's spelling."""
    assert in_file_name(name) == quantization


def test_advice_covers_every_file_type() -> None:
    """Every file type but the two newest has a row."""
    assert set(FILE_TYPES.values()) - set(QUANTIZATIONS) == {"NVFP4", "Q1_0"}


def test_tensor_rows_are_built_as_expected() -> None:
    """The builder's own row is what the reader reads: a guard for this file's other tests."""
    header = parsed(build())

    assert [(t.name, t.shape, t.type, t.offset) for t in header.tensors] == list(TENSORS)
    assert tensor("a", (1,), 0, 0).startswith(struct.pack("<Q", 1) + b"a")


_NUMBER_TYPES = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "B"} | {
    10: "Q",
    11: "q",
    12: "d",
}
_ODD_NUMBERS: dict[str, tuple[int | float, ...]] = {
    "f": (float("nan"), float("inf"), float("-inf"), -0.0, 3e38),
    "d": (float("nan"), float("inf"), float("-inf"), 1e308),
    **{code: (0, 1, 2 ** (8 * struct.calcsize(code)) - 1) for code in "BHIQ"},
    **{code: (-(2 ** (8 * struct.calcsize(code) - 1)), -1, 0) for code in "bhiq"},
}
_ODD_TEXTS = (b"", b"\xff\xfe", b"\xed\xa0\x80", b"x" * 5000, b"a\nb\x1b[2J", "\u202e".encode())


def odd_values() -> Iterator[bytes]:
    """Every type with its extremes, alone and in arrays of none, one, many and too many."""
    for kind, code in _NUMBER_TYPES.items():
        for number in _ODD_NUMBERS[code]:
            yield struct.pack(f"<I{code}", kind, number)
            for length in (0, 1, 3, 1025):
                body = struct.pack(f"<{length}{code}", *[number] * length)
                yield struct.pack("<IIQ", 9, kind, length) + body
    for raw in _ODD_TEXTS:
        stored = struct.pack("<Q", len(raw)) + raw
        yield struct.pack("<I", 8) + stored
        for length in (0, 1, 3):
            yield struct.pack("<IIQ", 9, 8, length) + stored * length


_READ_KEYS = (
    *LLAMA,
    *("general.alignment", "general.type", "split.count", "split.no", "split.tensors.count"),
    *("llama.attention.key_length", "llama.attention.layer_norm_rms_epsilon"),
    *("llama.rope.scaling.type", "llama.expert_count", "llama.expert_used_count"),
    *("tokenizer.ggml.model", "tokenizer.ggml.scores"),
)


@pytest.mark.parametrize("key", _READ_KEYS)
def test_whatever_a_key_holds_the_details_fit_into_messages(key: str, tmp_path: Path) -> None:
    """NaN, infinite, negative, huge, empty, of another type: a result or a clear refusal."""
    others = b"".join(pair(name, value) for name, value in LLAMA.items() if name != key)
    rows = b"".join(tensor(*row) for row in TENSORS)
    count = len(LLAMA) + (key not in LLAMA)
    refusals: list[InvalidInputError] = []
    for value in odd_values():
        data = b"GGUF" + struct.pack("<IQQ", 3, 3, count) + others + text(key) + value + rows
        try:
            header = parsed(data + bytes(-len(data) % 32) + bytes(DATA_BYTES))
            told = details.describe(header)
        except InvalidInputError as refused:
            refusals.append(refused)
            continue
        numbers = (told.context_tokens, told.layers, told.heads, told.kv_heads, told.head_size)
        assert all(0 <= number < 2**31 for number in (*numbers, told.embedding_size))
        assert 0 <= told.parameters < 2**63
        assert len(told.architecture.encode()) < 700
        assert told.architecture.isprintable()
        with suppress(InvalidInputError):
            details.check(header, "x.gguf")
            shards.read_rest(tmp_path / "x.gguf", header)
    assert {one.reason for one in refusals} <= {Reason.WEIGHTS_INVALID}
    assert all(len(one.message) < 1000 for one in refusals)


def test_a_file_cut_anywhere_is_refused() -> None:
    """At every byte, and the refusal says that the file is incomplete."""
    data = build(data_bytes=32)
    for end in range(len(data)):
        with pytest.raises(InvalidInputError) as caught:
            parsed(data[:end])
        assert caught.value.reason is Reason.WEIGHTS_INVALID
        assert end < 4 or caught.value.remedy == gguf.INCOMPLETE


def test_what_is_kept_of_a_header_is_bounded() -> None:
    """Arrays of 16-bit numbers, which cost twenty times the file, and pairs, texts, names."""
    short = struct.pack("<IIQ", 9, 2, 1000) + bytes(2000)
    many = b"".join(text(f"k{number}") + short for number in range(8000))
    bulky = b"GGUF" + struct.pack("<IQQ", 3, 0, 8000) + many
    tracemalloc.start()
    with pytest.raises(InvalidInputError, match="absurdly large"):
        parsed(bulky)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert len(bulky) > 15_000_000
    assert peak_bytes < 1.5 * MAX_KEPT_BYTES


def test_a_header_longer_than_any_is_not_read_on() -> None:
    """Bytes are counted whether they are kept or not; it is not called incomplete."""
    words = struct.pack("<IIQ", 9, 8, 64) + text("x" * (1 << 20)) * 64
    data = b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + text("k") + words
    read_bytes = 0

    def read(at: int, count: int) -> bytes:
        nonlocal read_bytes
        read_bytes += count
        return data[at : at + count]

    with pytest.raises(InvalidInputError, match="absurdly long") as caught:
        gguf.parse_header(read, len(data), "x")
    assert caught.value.remedy != gguf.INCOMPLETE
    assert read_bytes <= MAX_HEADER_BYTES + (2 << 20)


def test_a_header_of_nothing_but_empty_words_is_not_walked() -> None:
    """Four million of them took a third of a second of a scan, each time."""
    words = struct.pack("<IIQ", 9, 8, MAX_WORDS // 2) + bytes(8 * (MAX_WORDS // 2))
    pairs = b"".join(text(f"k{number}") + words for number in range(3))
    with pytest.raises(InvalidInputError, match="absurdly many words"):
        parsed(b"GGUF" + struct.pack("<IQQ", 3, 0, 3) + pairs)


def test_all_parts_of_a_split_model_share_one_allowance(tmp_path: Path) -> None:
    """A thousand parts take no more than one."""
    count = 40
    for number in range(count):
        split: dict[str, Value] = {"split.no": number, "split.count": count}
        notes = {f"note{n}": "x" * 100_000 for n in range(20)}
        path = tmp_path / f"m-{number + 1:05}-of-{count:05}.gguf"
        path.write_bytes(build({**LLAMA, **split, **(notes if number else {})}))
    first = tmp_path / f"m-00001-of-{count:05}.gguf"
    with pytest.raises(InvalidInputError, match="absurdly"):
        shards.read_rest(first, gguf.read_header(first))


@pytest.mark.parametrize(
    "unit",
    [
        lambda number: text(f"key{number:07}") + struct.pack("<IB", 0, 1),
        lambda number: text(f"key{number:07}") + struct.pack("<IIQ", 9, 8, 3) + text("a") * 3,
        lambda number: text(f"key{number:07}") + struct.pack("<IIQ", 9, 6, 9) + bytes(36),
    ],
    ids=["numbers", "words", "arrays"],
)
def test_a_header_is_read_in_linear_time(unit: Callable[[int], bytes]) -> None:
    """Twice the pairs, twice the time; so for the words of a vocabulary."""

    def make(count: int) -> bytes:
        pairs = b"".join(unit(number) for number in range(count))
        return b"GGUF" + struct.pack("<IQQ", 3, 0, count) + pairs + bytes(32)

    assert_linear(make, parsed, most=40_000)


def test_names_of_files_are_shown_and_not_sent_raw() -> None:
    """A name that is no UTF-8 does not spoil the error that speaks of it."""
    refused = gguf.invalid(os.fsdecode(b"caf\xe9.gguf"), "why")

    assert refused.message.encode()
    assert refused.metadata["file"] == "caf\\xe9.gguf"
