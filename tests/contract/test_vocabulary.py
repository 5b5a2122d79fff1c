"""Tokens of a vocabulary alone are those of the model, and its bytes are those of the text."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from rkd.backend.backend import Backend, Spells
from rkd.backend.llamacpp.backend import LlamaCppBackend
from rkd.backend.llamacpp.vocabulary import GgufVocabulary
from rkd.backend.vocabulary import VocabularyBackend
from rkd.errors import InvalidInputError, PreconditionError, Reason
from rkd.inference import LoadSpec
from rkd.model import BackendKind
from tests.contract.npu import loaded
from tests.contract.npu import spec as npu_spec
from tests.contract.wire_client import WireBackend
from tests.models import tiny, tiny_bert
from tests.native.tokenizer import write_tokenizer

TEXTS = ("", "he said: hehe", "Grüße, 世界 🙂", "<|im_start|>user\nhi<|im_end|>", "\x00a")
WAYS = [(True, True), (True, False), (False, True), (False, False)]


@pytest.fixture(params=["direct", "worker"])
def vocabulary(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Backend]:
    """One that is not loaded yet."""
    backend = VocabularyBackend() if request.param == "direct" else WireBackend(tmp_path)
    yield backend
    backend.close()


def spec(weights: Path) -> LoadSpec:
    """A load of its vocabulary."""
    return LoadSpec(BackendKind.CPU, str(weights), vocabulary_only=True)


@pytest.mark.parametrize("write", [tiny.write, tiny_bert.write], ids=["bytes", "words"])
def test_a_ggufs_tokens_are_the_engines(
    vocabulary: Backend, write: Callable[[Path], Path], tmp_path: Path
) -> None:
    """With special tokens and without, around and inside; and back."""
    weights = write(tmp_path / "t.gguf")
    engine = LlamaCppBackend(lambda: None, tmp_path)
    vocabulary.load(spec(weights), lambda _: None)
    engine.load(replace(spec(weights), vocabulary_only=False, context_tokens=256), lambda _: None)
    try:
        for text in TEXTS:
            for add, parse in WAYS:
                own = engine.tokenize(text, add_special=add, parse_special=parse)
                ids = vocabulary.tokenize(text, add_special=add, parse_special=parse)
                assert ids == own
                assert vocabulary.detokenize(ids) == engine.detokenize(own)
    finally:
        engine.close()


def test_bytes_of_tokens_are_those_of_the_text(vocabulary: Backend, tmp_path: Path) -> None:
    """Parts of a character too; an id the model does not have is named."""
    vocabulary.load(spec(tiny.write(tmp_path / "t.gguf")), lambda _: None)
    assert isinstance(vocabulary, Spells)
    ids = vocabulary.tokenize("he🙂<eos>", add_special=False, parse_special=True)

    pieces = vocabulary.spell(ids)

    assert pieces == (b"he", *(bytes([one]) for one in "🙂".encode()), b"<eos>")
    for wrong in (-1, len(tiny.SPECIAL) + tiny.BYTES + 1):
        with pytest.raises(InvalidInputError, match=r"token_ids\[1\]"):
            vocabulary.spell((5, wrong))


def test_a_damaged_file_fails_the_load(vocabulary: Backend, tmp_path: Path) -> None:
    """LOAD_FAILED, not a dead process."""
    garbage = tmp_path / "garbage.gguf"
    garbage.write_bytes(b"GGUF" + bytes(range(256)) * 16)
    with pytest.raises(PreconditionError) as caught:
        vocabulary.load(spec(garbage), lambda _: None)
    assert caught.value.reason is Reason.LOAD_FAILED


def test_a_library_that_is_not_known_is_not_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it fills in otherwise than expected may lie otherwise too."""
    weights = tiny.write(tmp_path / "t.gguf")
    assert GgufVocabulary(weights).vocabulary_size == len(tiny.SPECIAL) + tiny.BYTES + 1
    monkeypatch.setattr("rkd.backend.llamacpp.vocabulary.KNOWN_NUMBERS", (0, 0, 0, 0, 0))
    with pytest.raises(PreconditionError) as caught:
        GgufVocabulary(weights)
    assert caught.value.metadata == {"capability": "vocabulary"}


def test_without_the_wheel_the_model_is_to_be_loaded(tmp_path: Path) -> None:
    """The refusal is the one a pool knows what to do with; a native engine may be there."""

    def none() -> Path:
        raise PreconditionError(Reason.CAPABILITY_UNSUPPORTED, "not installed")

    with pytest.raises(PreconditionError) as caught:
        GgufVocabulary(tiny.write(tmp_path / "t.gguf"), none)
    assert caught.value.metadata == {"capability": "vocabulary"}


class TestOfTheNpu:
    """The files beside the weights."""

    def test_tokens_are_the_backends(self, vocabulary: Backend, tmp_path: Path) -> None:
        """And so are their bytes."""
        write_tokenizer(tmp_path, words=("yes",))
        change = {"tokenizer_folder": str(tmp_path)}
        asked = replace(npu_spec("1.3.0", tmp_path), vocabulary_only=True, **change)
        vocabulary.load(replace(asked, runtime_library=""), lambda _: None)
        assert isinstance(vocabulary, Spells)
        with loaded("1.3.0", tmp_path, change=change) as npu:
            for text in TEXTS:
                for add, parse in WAYS:
                    own = npu.backend.tokenize(text, add_special=add, parse_special=parse)
                    ids = vocabulary.tokenize(text, add_special=add, parse_special=parse)
                    assert ids == own
                    assert vocabulary.detokenize(ids) == npu.backend.detokenize(own)

        ids = vocabulary.tokenize("hé🙂<s>yes", add_special=False, parse_special=True)
        assert b"".join(vocabulary.spell(ids)) == "hé🙂<s>yes".encode()
        assert vocabulary.spell(ids)[-2:] == (b"<s>", b"yes")

    def test_weights_alone_have_no_tokens(self, vocabulary: Backend, tmp_path: Path) -> None:
        """CAPABILITY_UNSUPPORTED, as of the model itself."""
        asked = replace(npu_spec("1.3.0", tmp_path), vocabulary_only=True)
        with pytest.raises(PreconditionError) as caught:
            vocabulary.load(replace(asked, tokenizer_folder=str(tmp_path)), lambda _: None)
        assert caught.value.metadata == {"capability": "tokenize"}
