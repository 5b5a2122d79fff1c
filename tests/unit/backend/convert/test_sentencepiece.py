"""Sentencepiece models, made field by field, and vocabularies of tokenizer.json's other kind."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest
from gguf import GGUFReader
from hypothesis import given, settings
from hypothesis import strategies as st

from rkd.backend.convert import sentencepiece
from rkd.backend.convert.checkpoint import convert
from rkd.backend.convert.vocabulary import TokenType, from_tokenizer_json
from rkd.errors import InvalidInputError
from rkd.weights import gguf
from tests.unit.backend.convert.checkpoint_bytes import write

PIECES = [
    ("<unk>", 0.0, 2),
    ("<s>", 0.0, 3),
    ("</s>", 0.0, 3),
    ("<0x0A>", 0.0, 6),
    ("\u2581a", -1.5, 1),
    ("b", -2.0, 1),
    ("\u2581\u2581", -3.0, 4),
]


def varint(value: int) -> bytes:
    """A protobuf number."""
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def delimited(number: int, data: bytes) -> bytes:
    """A protobuf message, text or bytes field."""
    return varint(number << 3 | 2) + varint(len(data)) + data


def number(field: int, value: int) -> bytes:
    """A protobuf number field."""
    return varint(field << 3) + varint(value & (2**64 - 1))


def model(kind: int = 2, *, prefix: bool = True, charsmap: bytes = b"", pad: int = -1) -> bytes:
    """A tokenizer.model of `PIECES`."""
    out = b""
    for text, score, piece_type in PIECES:
        body = delimited(1, text.encode()) + varint(2 << 3 | 5) + struct.pack("<f", score)
        out += delimited(1, body + (number(3, piece_type) if piece_type != 1 else b""))
    out += delimited(2, number(3, kind) + number(40, 0) + number(43, pad))
    normalizer = number(3, int(prefix)) + (delimited(2, charsmap) if charsmap else b"")
    return out + delimited(3, normalizer)


def test_pieces_scores_and_ids() -> None:
    """Pieces keep their order, scores and kinds; ids fall back to sentencepiece's own."""
    made = sentencepiece.read(model(), "x")

    assert made.tokens == [text.encode() for text, _, _ in PIECES]
    assert made.scores == [score for _, score, _ in PIECES]
    assert made.types == [2, 3, 3, 6, 1, 1, 4]
    assert made.ids == {"unknown": 0, "bos": 1, "eos": 2}
    assert (made.add_space_prefix, made.warnings) == (True, [])


def test_normalizer_and_padding() -> None:
    """No blank before the text, a normalizer's table, and a padding id are noticed."""
    made = sentencepiece.read(model(prefix=False, charsmap=b"x", pad=3), "x")

    assert made.add_space_prefix is False
    assert made.ids["padding"] == 3
    assert len(made.warnings) == 1


@pytest.mark.parametrize(("kind", "word"), [(1, "unigram"), (4, "char"), (9, "9")])
def test_other_kinds_are_refused(kind: int, word: str) -> None:
    """Only the BPE kind cuts text as the engine does."""
    with pytest.raises(InvalidInputError, match=f"of the {word} kind"):
        sentencepiece.read(model(kind), "x")


@given(st.binary(max_size=60), st.integers(0, 200), st.integers(0, 255))
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_a_result_or_a_clear_refusal(noise: bytes, at: int, value: int) -> None:
    """Noise and flipped bytes give a vocabulary or one of two errors."""
    flipped = bytearray(model())
    flipped[at % len(flipped)] = value
    for data in (noise, bytes(flipped)):
        try:
            size = len(sentencepiece.read(data, "x").tokens)
        except (sentencepiece.NotSentencepieceError, InvalidInputError):
            size = 0

        assert size <= len(data)


def test_a_whole_model_with_sentencepiece(tmp_path: Path) -> None:
    """Its tokens are padded to the embeddings, added ones set, the unknown marked, BOS first."""
    folder = write(tmp_path / "m", "llama")
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer.model").write_bytes(model())
    (folder / "added_tokens.json").write_text(json.dumps({"<|im_end|>": 7, "hello": 8}))
    target = tmp_path / "out.gguf"
    convert(folder, target, progress=lambda *_: None)
    header = gguf.read_header(target)
    types = GGUFReader(target).fields["tokenizer.ggml.token_type"].contents()

    assert header.text("tokenizer.ggml.model") == "llama"
    assert header.metadata["tokenizer.ggml.add_bos_token"] is True
    assert header.length("tokenizer.ggml.scores") == 320
    assert types[:9] == [2, 3, 3, 6, 1, 1, 4, 3, 4]
    assert set(types[9:]) == {TokenType.UNUSED}


def test_ranks_beside_a_tokenizer_json(tmp_path: Path) -> None:
    """Llama 3's list of ranks under tokenizer.model is passed over for tokenizer.json."""
    folder = write(tmp_path / "m", "llama")
    (folder / "tokenizer.model").write_bytes(b"IQ== 0\nIg== 1\n")
    target = tmp_path / "out.gguf"
    convert(folder, target, progress=lambda *_: None)

    assert gguf.read_header(target).text("tokenizer.ggml.model") == "gpt2"
    (folder / "tokenizer.json").unlink()
    with pytest.raises(InvalidInputError, match="no sentencepiece model"):
        convert(folder, target, progress=lambda *_: None)


def table(normalizers: list[dict[str, object]], pre: object) -> dict[str, object]:
    """A tokenizer.json of sentencepiece's kind."""
    vocab = {"<unk>": 0, "<0x0A>": 1, "a": 2, "b": 3, "ab": 4, "\u2581": 5, "\u2581ab": 6}
    return {
        "normalizer": {"type": "Sequence", "normalizers": normalizers},
        "pre_tokenizer": pre,
        "model": {
            "type": "BPE",
            "byte_fallback": True,
            "unk_token": "<unk>",
            "vocab": vocab,
            "merges": ["a b", "\u2581 ab"],
        },
    }


REPLACE: dict[str, object] = {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"}
PREPEND: dict[str, object] = {"type": "Prepend", "prepend": "\u2581"}


def test_scores_from_merges() -> None:
    """Earlier merges score higher; letters, which nothing merges into, come last."""
    made = from_tokenizer_json(table([PREPEND, REPLACE], None), "x")

    assert made.model == "llama"
    assert made.scores == [-2.0, -2.0, -2.0, -2.0, 0.0, -2.0, -1.0]
    assert made.types == [2, 6, 1, 1, 1, 1, 1]


@pytest.mark.parametrize(
    ("normalizers", "pre", "prefix"),
    [
        ([PREPEND, REPLACE], None, True),
        ([REPLACE], None, False),
        ([], {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "first"}, True),
        ([], {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "never"}, False),
        ([], {"type": "Metaspace", "replacement": "\u2581"}, True),
    ],
)
def test_blank_before_the_text(
    normalizers: list[dict[str, object]],
    pre: object,
    prefix: bool,  # noqa: FBT001 - a case
) -> None:
    """Every way to say that a blank goes before the text is understood."""
    assert from_tokenizer_json(table(normalizers, pre), "x").add_space_prefix is prefix
