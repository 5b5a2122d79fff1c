"""Texts of tokens are found in the file as it stands."""

from __future__ import annotations

from pathlib import Path

import pytest

from rkd.weights.gguf import Header, read_header
from rkd.weights.tokens import TokenTexts
from tests.models import tiny


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A model with two more tokens."""
    return tiny.write(tmp_path / "t.gguf", markers=("<gap>",), words=("größer",))


def test_a_token_is_found_by_its_whole_text(weights: Path) -> None:
    """Part of one is none."""
    vocabulary = TokenTexts.of(weights, read_header(weights))

    assert all(map(vocabulary.has, ("<gap>", "größer", "<pad>", tiny.MERGED)))
    assert not any(map(vocabulary.has, ("<gap", "gap>", "größe", "")))


def test_a_token_has_its_text(weights: Path) -> None:
    """From the first to the last; there is nothing behind."""
    vocabulary = TokenTexts.of(weights, read_header(weights))
    last = len(tiny.SPECIAL) + tiny.BYTES + 2

    assert vocabulary.text(0) == "<pad>"
    assert (vocabulary.text(last - 1), vocabulary.text(last)) == ("<gap>", "größer")
    assert vocabulary.text(last + 1) == ""


def test_a_file_without_a_vocabulary_has_no_token(weights: Path) -> None:
    """Nor has one of which the header does not tell where it stands."""
    header = read_header(weights)
    bare = Header(3, {}, (), header.alignment, 0, 0, {})

    assert not TokenTexts.of(weights, bare).has("<pad>")
    assert TokenTexts(b"\xff" * 12).text(3) == ""
