"""Whatever the files of a checkpoint hold, it is converted, or refused as what it is."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path

from rkd.backend.convert import pickle_table, safetensors, sentencepiece
from rkd.backend.convert.checkpoint import convert
from rkd.backend.convert.config import read_config
from rkd.backend.convert.vocabulary import from_tokenizer_json
from rkd.errors import InvalidInputError, Reason
from rkd.outside import json_object
from tests.fuzz.frame import Fuzz, Target
from tests.unit.backend.convert.checkpoint_bytes import config_of, tokenizer_json, write
from tests.unit.backend.convert.test_sentencepiece import model

REASONS = frozenset({Reason.WEIGHTS_INVALID, Reason.ARCHITECTURE_UNSUPPORTED})
NUMBERS = (
    b"NaN",
    b"Infinity",
    b"-1",
    b"1e999",
    b"9" * 30,
    b"1e-320",
    b"true",
    b"null",
    b"[]",
    b"{}",
)
JSON_WORDS = (*NUMBERS, b'"', b",", b":", b"[", b"]", b"{", b"}", b'"\\ud800"', b'"\\u0000"')


def _json(read: Callable[[dict[str, object]], object]) -> Callable[[bytes], None]:
    def run(data: bytes) -> None:
        read(json_object(data, most_items=100_000))

    return run


def test_config(fuzz: Fuzz) -> None:
    """config.json: a shape that is possible, or a typed refusal."""
    examples = tuple(json.dumps(config_of(name)).encode() for name in ("llama", "qwen2", "gemma"))
    rope = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1, "high_freq_factor": 4}
    examples += (json.dumps(config_of("llama", rope_scaling=rope)).encode(),)
    run = _json(lambda config: read_config(config, "x"))
    allowed = (InvalidInputError, ValueError)
    fuzz(Target("config", run, examples, JSON_WORDS, allowed, REASONS))


def test_tokenizer(fuzz: Fuzz) -> None:
    """tokenizer.json: a vocabulary, or a typed refusal."""
    examples = (json.dumps(tokenizer_json()).encode(),)
    run = _json(lambda table: from_tokenizer_json(table, "x"))
    allowed = (InvalidInputError, ValueError)
    fuzz(Target("tokenizer", run, examples, JSON_WORDS, allowed, REASONS, cost=4))


def test_sentencepiece(fuzz: Fuzz) -> None:
    """tokenizer.model: a vocabulary, or one of two refusals."""

    def run(data: bytes) -> None:
        sentencepiece.read(data, "x")

    allowed = (InvalidInputError, sentencepiece.NotSentencepieceError)
    words = (b"\x0a\x00", b"\x15\x00\x00\xc0\x7f", b"\xff" * 9, b"\x1a\x02", b"\x12\x02")
    fuzz(Target("sentencepiece", run, (model(), model(1)), words, allowed, REASONS))


def test_pickle(fuzz: Fuzz) -> None:
    """The opcodes of a checkpoint: a table of tensors, or refused; nothing is executed."""
    example = (
        b"\x80\x02}q\x00X\x01\x00\x00\x00aq\x01ctorch._utils\n_rebuild_tensor_v2\nq\x02((X\x07\x00"
        b"\x00\x00storageq\x03ctorch\nFloatStorage\nq\x04X\x01\x00\x00\x000q\x05X\x03\x00\x00\x00"
        b"cpuq\x06K\x10tq\x07QK\x00K\x04\x85q\x08K\x01\x85q\x09\x89ccollections\nOrderedDict\nq\x0a"
        b")Rq\x0btq\x0cRq\x0ds."
    )
    words = (
        b"t",
        b"(",
        b"\x85",
        b"\x86",
        b"q\x01",
        b"h\x01",
        b"R",
        b"s",
        b"u",
        b"\x8b",
        b"]a",
        b"Q",
    )

    def run(data: bytes) -> None:
        pickle_table.read(data)

    fuzz(Target("pickle", run, (example,), words, (pickle_table.UnreadableError,)))


def test_safetensors(fuzz: Fuzz) -> None:
    """A header and its weights: arrays inside the file, or a typed refusal."""
    row = {"dtype": "F32", "shape": [4, 4], "data_offsets": [0, 64]}
    head = json.dumps({"__metadata__": {"format": "pt"}, "a": row, "b": {**row, "dtype": "BF16"}})
    example = len(head).to_bytes(8, "little") + head.encode() + bytes(64)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.safetensors"

        def run(data: bytes) -> None:
            path.write_bytes(data)
            for tensor in safetensors.read(path):
                assert tensor.raw.nbytes <= len(data)

        words = (*JSON_WORDS, b"F16", b"F64", b"I8", b"shape", b"dtype")
        fuzz(Target("safetensors", run, (example,), words, (InvalidInputError,), REASONS))


def test_checkpoint(fuzz: Fuzz) -> None:
    """A whole folder, one of its files spoilt: a GGUF, or a typed refusal."""
    with tempfile.TemporaryDirectory() as parent:
        folder = write(Path(parent) / "m", "llama")
        files = sorted(path.name for path in folder.iterdir() if path.suffix == ".json")
        good = {name: (folder / name).read_bytes() for name in files}

        def run(data: bytes) -> None:
            name = files[len(data) % len(files)]
            (folder / name).write_bytes(data)
            try:
                convert(folder, Path(parent) / "m.gguf", progress=lambda *_: None)
            finally:
                (folder / name).write_bytes(good[name])

        examples = tuple(good.values())
        fuzz(Target("checkpoint", run, examples, JSON_WORDS, (InvalidInputError,), REASONS, cost=8))
