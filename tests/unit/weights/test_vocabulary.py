"""A vocabulary's tokens are the bytes they stand for, in both ways of writing bytes."""

from __future__ import annotations

from pathlib import Path

import gguf
import pytest

from rkd.errors import InvalidInputError
from rkd.weights.vocabulary import read_vocabulary
from tests.models import tiny


def written(path: Path, model: str, tokens: list[str]) -> Path:
    """A GGUF with a vocabulary and nothing else."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_tokenizer_model(model)
    writer.add_token_list(tokens)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_byte_level(tmp_path: Path) -> None:
    """Each byte is a printable character; special tokens are what they are."""
    words = read_vocabulary(tiny.write(tmp_path / "t.gguf"))

    assert words[:5] == [one.encode() for one in tiny.SPECIAL]
    assert words[5 : 5 + 256] == [bytes([byte]) for byte in range(256)]
    assert words[261] == b"he"


def test_bytes_by_name(tmp_path: Path) -> None:
    """As sentencepiece has them; text is text."""
    path = written(tmp_path / "v.gguf", "llama", ["<unk>", "<0xE4>", "<0x0A>", "▁ä", "<0xG0>"])

    assert read_vocabulary(path) == [b"<unk>", b"\xe4", b"\n", "▁ä".encode(), b"<0xG0>"]


def test_none_at_all(tmp_path: Path) -> None:
    """A file without a vocabulary has no words; one that is no GGUF is said to be none."""
    none = tiny.write_adapter(tmp_path / "n.gguf")
    (tmp_path / "x").write_bytes(b"no model at all" * 9)

    assert read_vocabulary(none) == []
    with pytest.raises(InvalidInputError):
        read_vocabulary(tmp_path / "x")
