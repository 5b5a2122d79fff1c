"""Converted models against their originals: same logits, same token ids, whatever was altered."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is the oracle: pip install torch transformers")
pytest.importorskip("transformers", reason="transformers is the oracle")
pytest.importorskip("sentencepiece", reason="sentencepiece trains the test's tokenizers")

import sentencepiece
import torch
from transformers import AutoModelForCausalLM, PreTrainedModel, PreTrainedTokenizerFast

from rkd.backend.convert.checkpoint import Converted, convert
from tests.slow.checkpoint_text import TEXTS
from tests.slow.checkpoints import TOKENS, byte_level, random_model, sentence_pieces
from tests.slow.engine import Engine
from tests.unit.backend.convert.checkpoint_bytes import CONFIGS, write

pytestmark = pytest.mark.slow

LARGEST = 0.05
ROOT = Path(__file__).resolve().parents[2]


def converted(folder: Path, kind: str = "F32") -> tuple[Path, Converted]:
    """Convert *folder* beside it."""
    target = folder.with_suffix(f".{kind}.gguf")
    return target, convert(folder, target, kind, progress=lambda *_: None)


def difference(folder: Path, path: Path) -> tuple[float, bool]:
    """Largest difference of any logit, and whether every position agrees on the best token."""
    original = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.no_grad():
        expected = original(torch.tensor([TOKENS])).logits[0].numpy()
    found = Engine(path).logits(list(TOKENS))
    same = bool((expected.argmax(-1) == found.argmax(-1)).all())
    return float(np.abs(expected - found).max()), same


CASES: dict[str, tuple[str, dict[str, object]]] = {
    "llama": ("llama", {}),
    "llama grouped heads": (
        "llama",
        {"num_attention_heads": 6, "num_key_value_heads": 3, "hidden_size": 96},
    ),
    "llama tied": ("llama", {"tie_word_embeddings": True}),
    "llama biased": ("llama", {"attention_bias": True, "mlp_bias": True}),
    "llama linear rope": (
        "llama",
        {"rope_parameters": {"rope_type": "linear", "factor": 2.0, "rope_theta": 10000.0}},
    ),
    "llama3 rope": (
        "llama",
        {
            "hidden_size": 128,
            "rope_parameters": {
                "rope_type": "llama3",
                "rope_theta": 500000.0,
                "factor": 8.0,
                "low_freq_factor": 1.0,
                "high_freq_factor": 4.0,
                "original_max_position_embeddings": 64,
            },
        },
    ),
    "mistral": ("mistral", {}),
    "mistral sliding": ("mistral", {"sliding_window": 64}),
    "qwen2": ("qwen2", {}),
    "qwen2 untied": ("qwen2", {"tie_word_embeddings": False}),
    "gemma": ("gemma", {}),
    "gemma wide heads": ("gemma", {"head_dim": 64, "num_key_value_heads": 2}),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("kind", ["F32", "F16"])
def test_logits_are_the_originals(
    case: str, kind: str, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """Each architecture, also altered, computes in the engine what transformers computes."""
    name, changes = CASES[case]
    folder = tmp_path / "m"
    random_model(name, **changes).save_pretrained(folder)
    byte_level(folder, "qwen2")
    path, _ = converted(folder, kind)
    largest, same = difference(folder, path)

    record_property("largest_difference", largest)
    assert same
    assert largest <= LARGEST


@pytest.mark.parametrize("way", ["shards", "bin", "bin shards", "bf16", "f16", "pth", "shared"])
def test_every_way_of_saving(way: str, tmp_path: Path) -> None:
    """Sharded, PyTorch's own, and sixteen-bit checkpoints give the same model."""
    folder = tmp_path / "m"
    folder.mkdir()
    model = random_model("llama", num_key_value_heads=1)
    if way in {"bf16", "f16", "shards"}:
        model = model.to({"bf16": torch.bfloat16, "f16": torch.float16}.get(way, torch.float32))
        model.save_pretrained(folder, max_shard_size="200KB" if way == "shards" else "5GB")
    else:
        save_as_torch(model, folder, way)
    byte_level(folder, "smollm")
    path, made = converted(folder, "BF16" if way == "bf16" else "F32")
    found = Engine(path).logits(list(TOKENS))
    with torch.no_grad():
        expected = model.float()(torch.tensor([TOKENS])).logits[0].numpy()

    assert made.warnings == ()
    assert way != "shards" or len(list(folder.glob("*.safetensors"))) > 1
    assert np.abs(found - expected).max() <= LARGEST
    assert way in {"bf16", "f16"} or (found.argmax(-1) == expected.argmax(-1)).all()


def save_as_torch(model: PreTrainedModel, folder: Path, way: str) -> None:
    """Save as `torch.save` does: one file, two with an index, or all tensors in one storage."""
    model.config.architectures = ["LlamaForCausalLM"]
    model.config.save_pretrained(folder)
    state = dict(model.state_dict())
    if way == "shared":
        flat, at = torch.cat([tensor.flatten() for tensor in state.values()]), 0
        for key, tensor in state.items():
            state[key] = flat[at : at + tensor.numel()].view(tensor.shape)
            at += tensor.numel()
        key = "model.layers.0.mlp.up_proj.weight"
        state[key] = state[key].t().contiguous().t()
    if way != "bin shards":
        torch.save(state, folder / ("model.pth" if way == "pth" else "pytorch_model.bin"))
        return
    keys = list(state)
    files = {"pytorch_model-00001-of-00002.bin": keys[::2]}
    files["pytorch_model-00002-of-00002.bin"] = keys[1::2]
    for file, names in files.items():
        torch.save({key: state[key] for key in names}, folder / file)
    index = {key: file for file, names in files.items() for key in names}
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": index}))


@pytest.mark.parametrize("style", ["qwen2", "llama3", "smollm", "gpt2"])
def test_byte_level_ids(style: str, tmp_path: Path) -> None:
    """Byte-level BPE of each pre-tokenizer gives the ids of the tokenizers package."""
    folder = tmp_path / "m"
    random_model("llama").save_pretrained(folder)
    original = byte_level(folder, style)
    engine = Engine(converted(folder)[0])

    for text in (*TEXTS, "<|im_start|>user\nhi<|im_end|>"):
        assert engine.tokenize(text, special=True) == original.encode(text).ids, text


@pytest.mark.parametrize("prefix", [True, False])
@pytest.mark.parametrize("file", ["tokenizer.model", "tokenizer.json"])
def test_sentencepiece_ids(file: str, prefix: bool, tmp_path: Path) -> None:  # noqa: FBT001 - a case
    """Sentencepiece BPE gives the original's ids, from its own file and from tokenizer.json."""
    folder = tmp_path / "m"
    random_model("llama").save_pretrained(folder)
    path = sentence_pieces(folder, prefix=prefix)
    original = sentencepiece.SentencePieceProcessor(model_file=str(path))
    if file == "tokenizer.json":
        to_json(original, folder, prefix=prefix)
        path.unlink()
    engine = Engine(converted(folder)[0])

    for text in TEXTS:
        assert engine.tokenize(text, special=False) == original.encode(text), text
        assert engine.tokenize(text, special=True)[0] == original.bos_id()


def to_json(original: sentencepiece.SentencePieceProcessor, folder: Path, *, prefix: bool) -> None:
    """Write the tokenizer.json transformers makes of a Llama tokenizer.model."""
    scores = {original.id_to_piece(i): original.get_score(i) for i in range(len(original))}
    vocab = {original.id_to_piece(i): i for i in range(len(original))}
    merges = []
    for piece, score in scores.items():
        pairs = [(piece[:at], piece[at:]) for at in range(1, len(piece))]
        merges += [
            (score, left, right) for left, right in pairs if left in vocab and right in vocab
        ]
    merges.sort(key=lambda merge: (-merge[0], vocab[merge[1]], vocab[merge[2]]))
    replace = {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"}
    normalizers = [{"type": "Prepend", "prepend": "\u2581"}] if prefix else []
    table = {
        "normalizer": {"type": "Sequence", "normalizers": [*normalizers, replace]},
        "pre_tokenizer": None,
        "added_tokens": [
            {"id": i, "content": original.id_to_piece(i), "special": True} for i in range(3)
        ],
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [
                {"SpecialToken": {"id": "<s>", "type_id": 0}},
                {"Sequence": {"id": "A", "type_id": 0}},
            ],
        },
        "model": {
            "type": "BPE",
            "byte_fallback": True,
            "unk_token": "<unk>",
            "vocab": vocab,
            "merges": [f"{left} {right}" for _, left, right in merges],
        },
    }
    (folder / "tokenizer.json").write_text(json.dumps(table))


def test_saved_fast_tokenizer(tmp_path: Path) -> None:
    """What transformers itself saves of a fast tokenizer reads back the same."""
    folder = tmp_path / "m"
    random_model("qwen2").save_pretrained(folder)
    byte_level(folder, "qwen2")
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    tokenizer.save_pretrained(folder)
    engine = Engine(converted(folder)[0])

    for text in TEXTS:
        assert engine.tokenize(text, special=True) == tokenizer(text)["input_ids"], text


@pytest.mark.parametrize("name", CONFIGS)
def test_golden_files_are_right(name: str, tmp_path: Path) -> None:
    """The files whose hashes the fast tests hold compute what transformers computes."""
    folder = write(tmp_path / "m", name)
    target = tmp_path / "out.gguf"
    convert(folder, target, "F32", name="test", progress=lambda *_: None)
    tokens = [token % 265 for token in TOKENS]
    original = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.no_grad():
        expected = original(torch.tensor([tokens])).logits[0].numpy()
    golden = json.loads((ROOT / "tests/data/convert/golden.json").read_text())

    assert np.abs(Engine(target).logits(tokens) - expected).max() <= LARGEST
    assert hashlib.sha256(target.read_bytes()).hexdigest() == golden[f"{name} F32"]
