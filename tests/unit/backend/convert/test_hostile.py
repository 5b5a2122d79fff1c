"""Checkpoints from a stranger: converted or clearly refused, in bounded time, memory and words."""

from __future__ import annotations

import json
import os
import pickle
import struct
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from rkd.backend.convert import pickle_table, pytorch, safetensors, sentencepiece, tokenizer
from rkd.backend.convert.checkpoint import convert
from rkd.backend.convert.vocabulary import MAX_TOKENS, from_tokenizer_json
from rkd.errors import InvalidInputError, Reason
from tests.growth import assert_linear
from tests.unit.backend.convert.checkpoint_bytes import config_of, tokenizer_json, write
from tests.unit.backend.convert.test_sentencepiece import delimited, model, number, varint

REASONS = {Reason.WEIGHTS_INVALID, Reason.ARCHITECTURE_UNSUPPORTED}


def refusal(work: Callable[[], object]) -> InvalidInputError | None:
    """Do *work*; return its refusal, if it is one of those allowed and fit to be sent."""
    try:
        work()
    except InvalidInputError as error:
        assert error.reason in REASONS  # noqa: PT017 - the refusal is one outcome of two
        assert len(error.message) < 1200  # noqa: PT017
        assert all(text.encode() is not None for text in (error.message, *error.metadata.values()))  # noqa: PT017
        return error
    return None


def converted(folder: Path) -> InvalidInputError | None:
    """Convert *folder*, or return the refusal."""
    target = folder.parent / f"{folder.name}.gguf"
    return refusal(lambda: convert(folder, target, "F16", progress=lambda *_: None))


def deep(levels: int) -> object:
    """A list of lists of lists."""
    value: object = 1
    for _ in range(levels):
        value = [value]
    return value


ODD: tuple[object, ...] = (
    *(None, True, False, 0, -1, 1, 2**31, 2**63, 2**64, 10**4000, -(10**300)),
    *(1e-320, 1e308, float("nan"), float("inf"), float("-inf"), -0.5),
    *("", "x", "\u202e\n\x1b[2J", "y" * 100_000, [], {}, [[]], [{}], {"a": {}}, {"type": []}),
    *([1] * 1000, ["<s>", -5], [2**40, -(2**40)], deep(60), {"rope_type": {}}, {"rope_type": []}),
    *({"name": {}, "template": 5}, [{"name": {}, "template": "x"}], {"content": {}, "id": {}}),
    *({"0": {"content": 5}}, {"9" * 5000: {"content": "x"}}, {str(MAX_TOKENS): {"content": "x"}}),
    *({"rope_type": "llama3", "factor": 1e-300, "low_freq_factor": 1e-300},),
    *({"rope_type": "llama3", "original_max_position_embeddings": 5e-324},),
)
CONFIG_FIELDS = (
    *config_of("llama"),
    *("head_dim", "rope_scaling", "rope_parameters", "layer_types", "sliding_window"),
    *("quantization_config", "hidden_activation", "partial_rotary_factor", "auto_map"),
    *("pad_token_id", "use_sliding_window", "tie_word_embeddings", "unknown", "x" * 50_000),
)


@pytest.mark.parametrize("field", CONFIG_FIELDS, ids=lambda field: str(field)[:30])
def test_any_field_of_a_config_is_a_result_or_a_refusal(field: str, tmp_path: Path) -> None:
    """Of any type and size, never anything else."""
    folder = write(tmp_path / "m", "llama")
    for value in ODD:
        (folder / "config.json").write_text(json.dumps({**config_of("llama"), field: value}))
        converted(folder)


@pytest.mark.parametrize(
    ("file", "field"),
    [
        *(("tokenizer.json", field) for field in (*tokenizer_json(), "extra")),
        *(
            ("tokenizer_config.json", key)
            for key in ("bos_token", "chat_template", "add_bos_token")
        ),
        *(("tokenizer_config.json", key) for key in ("added_tokens_decoder", "tokenizer_class")),
        ("generation_config.json", "eos_token_id"),
        ("chat_template.json", "chat_template"),
        ("added_tokens.json", "<new>"),
    ],
)
def test_any_field_of_a_tokenizer_is_a_result_or_a_refusal(
    file: str, field: str, tmp_path: Path
) -> None:
    """Of any type and size, never anything else."""
    folder = write(tmp_path / "m", "llama")
    whole = tokenizer_json() if file == "tokenizer.json" else {}
    for value in ODD:
        (folder / file).write_text(json.dumps({**whole, field: value}))
        converted(folder)


@pytest.mark.parametrize("field", ["vocab", "merges", "type", "unk_token", "byte_fallback"])
def test_any_field_of_a_vocabulary_is_a_result_or_a_refusal(field: str, tmp_path: Path) -> None:
    """Sparse and negative ids, merges of anything, halves of characters."""
    folder = write(tmp_path / "m", "llama")
    more: tuple[object, ...] = (
        *({"a": MAX_TOKENS - 1}, {"a": MAX_TOKENS}, {"a": -1}, {"a": True}, {"\ud800": 0}),
        *(["a"], ["a b c"], [["a", 1]], [["\ud800", "a"]], [deep(50)]),
    )
    for value in (*ODD, *more):
        table = tokenizer_json()
        table["model"] = {**table["model"], field: value}  # type: ignore[dict-item]
        (folder / "tokenizer.json").write_text(json.dumps(table))
        converted(folder)


JSON_FILES = ("config.json", "tokenizer.json", "tokenizer_config.json", "generation_config.json")
BAD_JSON = {
    "brackets": b"[" * 200_000,
    "braces": b'{"a":' * 200_000,
    "deeper than allowed": b'{"a":' + b"[" * 80 + b"]" * 80 + b"}",
    "too many items": b'{"a":[' + b"0," * 4_000_001 + b"0]}",
    "half a character": b'{"a":"\\ud800"}',
    "huge number": b'{"a":' + b"9" * 100_000 + b"}",
    "latin-1": b'{"a":"\xe9"}',
    "nothing": b"",
}


@pytest.mark.parametrize("case", BAD_JSON)
@pytest.mark.parametrize("file", JSON_FILES)
def test_bad_json_is_named(file: str, case: str, tmp_path: Path) -> None:
    """By the file's name, whatever is wrong with it."""
    folder = write(tmp_path / "m", "llama")
    (folder / file).write_bytes(BAD_JSON[case])
    error = converted(folder)

    assert error is not None
    assert error.message.startswith(f"{file} cannot be read: no JSON")


@pytest.mark.parametrize(
    "file", [*JSON_FILES, "tokenizer.model", "model.safetensors", "old.bin", "chat_template.jinja"]
)
@pytest.mark.parametrize("kind", ["fifo", "secret", "device"])
def test_what_is_no_file_of_the_folder_is_not_opened(file: str, kind: str, tmp_path: Path) -> None:
    """A FIFO holds no worker, a link brings nobody's secrets into a model."""
    folder = write(tmp_path / "m", "llama")
    (folder / file).unlink(missing_ok=True)
    if kind == "fifo":
        os.mkfifo(folder / file)
    else:
        (folder / file).symlink_to("/etc/passwd" if kind == "secret" else "/dev/zero")
    error = converted(folder)

    assert error is not None
    assert error.reason is Reason.WEIGHTS_INVALID


class TestSafetensors:
    """The table of tensors."""

    def read(self, path: Path, head: bytes) -> InvalidInputError | None:
        """Read a file of the header *head* and 64 bytes of weights."""
        path.write_bytes(len(head).to_bytes(8, "little") + head + bytes(64))
        return refusal(lambda: list(safetensors.read(path)))

    @pytest.mark.parametrize("key", ["dtype", "shape", "data_offsets"])
    def test_any_row_is_a_result_or_a_refusal(self, key: str, tmp_path: Path) -> None:
        """Of any type, with any number; a name of any length."""
        good = {"dtype": "F32", "shape": [4, 4], "data_offsets": [0, 64]}
        more = ([0, 4], [4] * 9, [10**4000] * 1000, [0, 10**4000], [-(2**63), 2**63], [1, True])
        for value in (*ODD, *more):
            for name in ("a", "n" * 100_000, "\u202e"):
                head = json.dumps({name: {**good, key: value}}).encode()
                self.read(tmp_path / "x.safetensors", head)

    @pytest.mark.parametrize("case", BAD_JSON)
    def test_a_bad_table_is_named(self, case: str, tmp_path: Path) -> None:
        """Depth, items, characters."""
        assert self.read(tmp_path / "x.safetensors", BAD_JSON[case]) is not None

    def test_a_table_longer_than_any_is_not_read(self, tmp_path: Path) -> None:
        """The format allows 100 MB."""
        path = tmp_path / "x.safetensors"
        size = 40 << 20
        with path.open("wb") as file:
            file.write(size.to_bytes(8, "little") + b"{")
            file.truncate(size + 1000)
        error = refusal(lambda: list(safetensors.read(path)))

        assert error is not None
        assert "does not fit" in error.message

    def test_a_table_is_read_in_linear_time(self, tmp_path: Path) -> None:
        """Twice the tensors, twice the time."""
        path = tmp_path / "x.safetensors"
        row = {"dtype": "F32", "shape": [4, 4], "data_offsets": [0, 64]}

        def make(count: int) -> bytes:
            return json.dumps({f"t{number}": row for number in range(count)}).encode()

        assert_linear(make, lambda head: self.read(path, head), most=100_000)


def pickled(*parts: bytes) -> bytes:
    """A pickle of those opcodes."""
    return b"\x80\x02" + b"".join(parts) + b"."


class TestPickle:
    """The opcodes, which are never executed."""

    @pytest.mark.parametrize(
        "table",
        [
            pickled(b"}", b"(" + b"K\x01" * 20 + b"t", b"K\x01", b"s"),
            pickled(b"K\x01", b"\x85q\x01h\x01h\x01\x86" * 60_000, b"}", b"h\x01K\x01s"),
            pickled(b"]", b"q\x00", b"h\x00a" * 1000),
            pickled(b"}q\x00", b"X\x0a\x00\x00\x00state_dict", b"h\x00s"),
            pickled(b"K\x01" * 3_000_000),
            pickled(b"".join(b"K\x01r" + struct.pack("<I", n) for n in range(600_000))),
            pickled(b"\x8b" + struct.pack("<i", 2**31 - 1)),
            pickled(b"\x8b\x00\x00\x10\x00" + b"\xff" * (1 << 20)),
            pickled(b"\x8d" + struct.pack("<Q", 2**63) + b"x"),
            pickled(b"L" + b"9" * 100_000 + b"L\n"),
            pickled(b"I" + b"9" * 100_000 + b"\n"),
            pickled(b"X\xff\xff\xff\xff"),
            pickled(b"cposix\nsystem\n", b"X\x02\x00\x00\x00id\x85R"),
            pickled(b"c" + b"a" * 100_000 + b"\n" + "\u202e".encode() * 100 + b"\n"),
            pickled(b"V\\ud800\n", b"V\\udfff\n", b"\x93"),
            pickled(b"(" * 100_000),
            pickled(b"(" * 100_000 + b"t" * 100_000),
        ],
        ids=lambda table: f"{len(table)}-{table[2:8].hex()}",
    )
    def test_odd_opcodes_are_refused(self, table: bytes) -> None:
        """Bombs of hashes, memory, numbers and depth; code; all before they cost anything."""
        with pytest.raises(pickle_table.UnreadableError) as caught:
            pickle_table.read(table)
        assert len(str(caught.value)) < 600
        assert str(caught.value).encode()

    def test_nothing_is_executed(self, tmp_path: Path) -> None:
        """A pickle that would make a file makes none."""

        class Bomb:
            def __reduce__(self) -> tuple[object, tuple[str]]:
                return os.mkdir, (str(tmp_path / "made"),)

        with pytest.raises(pickle_table.UnreadableError, match="which is code"):
            pickle_table.read(pickle.dumps({"a": Bomb()}, protocol=2))
        assert not (tmp_path / "made").exists()

    @pytest.mark.parametrize(
        "unit",
        [b"K\x01", b"]", b"(t0", b"}", b"K\x010", b"(K\x01K\x02t0"],
        ids=["numbers", "lists", "groups", "tables", "drops", "pairs"],
    )
    def test_opcodes_take_linear_time(self, unit: bytes) -> None:
        """Twice the pickle, twice the time."""

        def read(table: bytes) -> None:
            with suppress(pickle_table.UnreadableError):
                pickle_table.read(table)

        assert_linear(lambda size: pickled(unit * (size // len(unit))), read, most=1 << 18)


class TestArchive:
    """PyTorch's zip."""

    def archive(self, path: Path, rebuild: bytes, numbers: int = 16) -> Path:
        """One storage of sixteen numbers, and a tensor rebuilt from it by *rebuild*."""
        storage = (
            b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000"
            b"X\x03\x00\x00\x00cpu" + _long(numbers) + b"tQ"
        )
        table = pickled(
            b"}X\x01\x00\x00\x00a",
            b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + rebuild,
            b"\x89}tRs",
        )
        with zipfile.ZipFile(path, "w") as made:
            made.writestr("archive/data.pkl", table)
            made.writestr("archive/data/0", bytes(64))
        return path

    @pytest.mark.parametrize("numbers", [16, 0, -1, 2**40, 2**70])
    def test_any_place_of_a_tensor_is_a_result_or_a_refusal(
        self, numbers: int, tmp_path: Path
    ) -> None:
        """Offsets, shapes and strides of any size; a small file never becomes a large model."""
        odd = (0, 4, 17, -1, 2**62, 2**200)
        for offset in odd:
            for size in odd:
                for stride in odd:
                    rebuild = _long(offset) + _group(size) + _group(stride)
                    path = self.archive(tmp_path / "x.bin", rebuild, numbers)
                    made: list[int] = []
                    refusal(lambda p=path, m=made: m.extend(t.raw.size for t in pytorch.read(p)))  # type: ignore[misc]
                    assert all(count <= 16 for count in made)

    def test_an_archive_of_too_many_names_is_not_opened(self, tmp_path: Path) -> None:
        """The directory's length is looked at before zipfile reads it whole."""
        path = self.archive(tmp_path / "x.bin", _long(0) + _group(4) + _group(1))
        data = bytearray(path.read_bytes())
        at = data.rfind(b"PK\x05\x06")
        data[at + 12 : at + 16] = struct.pack("<I", 1 << 30)
        path.write_bytes(data)
        error = refusal(lambda: list(pytorch.read(path)))

        assert error is not None
        assert "absurdly long" in error.message

    def test_damaged_and_encrypted_archives_are_refused(self, tmp_path: Path) -> None:
        """Every byte changed once, the flag of encryption among them."""
        path = self.archive(tmp_path / "x.bin", _long(0) + _group(4) + _group(1))
        data = path.read_bytes()
        for at in range(len(data)):
            spoilt = bytearray(data)
            spoilt[at] ^= 0xFF
            path.write_bytes(spoilt)
            refusal(lambda: list(pytorch.read(path)))


def _long(value: int) -> bytes:
    body = value.to_bytes(32, "little", signed=True)
    return b"\x8a" + bytes([len(body)]) + body


def _group(*values: int) -> bytes:
    return b"(" + b"".join(map(_long, values)) + b"t"


class TestSentencepiece:
    """The fields of a protobuf."""

    def test_scores_that_are_no_numbers_are_refused(self) -> None:
        """An engine sorts by them."""
        for score in (float("nan"), float("inf")):
            piece = delimited(1, b"a") + varint(2 << 3 | 5) + struct.pack("<f", score)
            with pytest.raises(sentencepiece.NotSentencepieceError, match="has the score"):
                sentencepiece.read(delimited(1, piece), "x")

    def test_more_pieces_than_any_vocabulary_are_refused(self) -> None:
        """Two bytes each would become a hundred."""
        with pytest.raises(sentencepiece.NotSentencepieceError, match="pieces"):
            sentencepiece.read(b"\x0a\x00" * (MAX_TOKENS + 1), "x")

    def test_repeated_specifications_warn_once(self) -> None:
        """Whatever is repeated."""
        again = delimited(3, delimited(2, b"map")) * 1000

        assert len(sentencepiece.read(model() + again, "x").warnings) == 1

    def test_a_file_longer_than_any_is_not_read(self, tmp_path: Path) -> None:
        """By its size alone."""
        folder = write(tmp_path / "m", "llama")
        with (folder / "tokenizer.model").open("wb") as file:
            file.truncate(tokenizer.MAX_SENTENCEPIECE_BYTES + 1)
        error = converted(folder)

        assert error is not None
        assert "longer than" in error.message

    @pytest.mark.parametrize("unit", [b"\x0a\x00", number(9, 1), delimited(3, b""), b"\x15aaaa"])
    def test_fields_take_linear_time(self, unit: bytes) -> None:
        """Twice the file, twice the time."""

        def read(data: bytes) -> None:
            with suppress(sentencepiece.NotSentencepieceError, InvalidInputError):
                sentencepiece.read(data, "x")

        assert_linear(lambda size: unit * (size // len(unit)), read, most=1 << 18)


def words(count: int) -> Iterator[str]:
    """So many words."""
    return (f"w{number}" for number in range(count))


@pytest.mark.parametrize("kind", ["vocab", "merges", "added"])
def test_a_tokenizer_is_read_in_linear_time(kind: str) -> None:
    """Twice the words, merges or added tokens, twice the time."""

    def make(count: int) -> dict[str, object]:
        table = tokenizer_json()
        inner = dict(table["model"])  # type: ignore[call-overload]
        if kind == "vocab":
            inner["vocab"] = {word: place for place, word in enumerate(words(count))}
        elif kind == "merges":
            inner["merges"] = [f"{word} {word}" for word in words(count)]
        else:
            table["added_tokens"] = [
                {"id": place + 300, "content": f"<|{word}|" * 3}
                for place, word in enumerate(words(count))
            ]
        return {**table, "model": inner}

    assert_linear(make, lambda table: from_tokenizer_json(table, "x"), most=200_000)
