"""What weights say of themselves."""

from __future__ import annotations

from pathlib import Path

import pytest

from rkd.library.header import details_of, is_short
from rkd.model import Details, Format, WeightsFile
from tests.unit.library.folders import put
from tests.unit.weights.gguf_bytes import build

WHOLE = build()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (WHOLE, False),
        (WHOLE[:-1], True),
        (WHOLE[:100], True),
        (b"GGUF", True),
        (b"GGUF of a kind nobody knows", False),
        (b"<!DOCTYPE html>", False),
        (b"", False),
    ],
)
def test_only_a_file_that_ends_too_early_is_short(
    tmp_path: Path, content: bytes, *, expected: bool
) -> None:
    """Garbage is not waited for: more of it would not help."""
    assert is_short(put(tmp_path / "x.gguf", content)) is expected
    assert not is_short(put(tmp_path / "x.rkllm", content))


def weights(path: Path) -> tuple[WeightsFile, ...]:
    """One file as the scan describes it."""
    kind = Format.GGUF if path.suffix == ".gguf" else Format.RKLLM
    return (WeightsFile(path, kind, path.stat().st_size, 0),)


def test_the_header_tells(tmp_path: Path) -> None:
    """Architecture and sizes; garbage tells nothing and fails nothing."""
    whole = details_of(weights(put(tmp_path / "a.gguf", WHOLE)))
    garbage = details_of(weights(put(tmp_path / "b.gguf", b"?")))

    assert (whole.architecture, whole.has_template) == ("llama", True)
    assert garbage == Details()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("chat_template.jinja", "{{ messages }}"),
        ("tokenizer_config.json", '{"chat_template": "{{ messages }}"}'),
    ],
)
def test_a_template_beside_counts(tmp_path: Path, name: str, content: str) -> None:
    """In either of the files repositories keep it in."""
    path = put(tmp_path / "x.rkllm")
    before = details_of(weights(path)).has_template
    put(tmp_path / name, content)

    assert (before, details_of(weights(path)).has_template) == (False, True)
