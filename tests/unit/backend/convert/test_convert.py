"""Checkpoints to GGUF: golden bytes, every refusal by name, tensors where they belong."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from gguf import GGUFReader

from rkd.backend.convert.checkpoint import Converted, convert
from rkd.errors import InvalidInputError, Reason
from rkd.weights import details, gguf
from tests.unit.backend.convert.checkpoint_bytes import (
    CONFIGS,
    HIDDEN,
    config_of,
    safetensors,
    tensors_of,
    tokenizer_json,
    write,
)

GOLDEN = Path(__file__).resolve().parents[3] / "data" / "convert" / "golden.json"


def run(folder: Path, kind: str = "F16") -> tuple[Path, Converted]:
    """Convert *folder* beside it, watching that progress grows to the end."""
    told: list[float] = []
    target = folder.with_suffix(f".{kind}.gguf")
    made = convert(
        folder, target, kind, name="test", progress=lambda _, fraction: told.append(fraction)
    )
    assert told == sorted(told)
    assert told[-1] == 1.0
    return target, made


def refusal(folder: Path) -> InvalidInputError:
    """Convert *folder* and return what it is refused with."""
    with pytest.raises(InvalidInputError) as caught:
        run(folder)
    return caught.value


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("kind", ["F32", "F16", "BF16"])
def test_golden_bytes(name: str, kind: str, tmp_path: Path) -> None:
    """The file is, to the byte, the one whose logits were compared with transformers'."""
    path, made = run(write(tmp_path / "m", name), kind)
    found = hashlib.sha256(path.read_bytes()).hexdigest()

    assert found == json.loads(GOLDEN.read_text())[f"{name} {kind}"]
    assert made.size_bytes == path.stat().st_size
    assert made.warnings == ()


def test_details_read_back(tmp_path: Path) -> None:
    """Our own reader finds the model that was meant."""
    told = details.inspect(run(write(tmp_path / "m", "mistral"))[0])

    assert (told.architecture, told.quantization, told.layers) == ("llama", "F16", 3)
    assert (told.heads, told.kv_heads, told.head_size) == (4, 2, 16)
    assert (told.context_tokens, told.embedding_size, told.has_template) == (128, 48, True)


def test_tensors_are_where_they_belong(tmp_path: Path) -> None:
    """Another reader finds queries interleaved head by head, the rest as it was."""
    path, _ = run(write(tmp_path / "m", "llama"), "F32")
    found = {tensor.name: tensor.data for tensor in GGUFReader(path).tensors}
    old = tensors_of(config_of("llama"))
    queries = old["model.layers.1.self_attn.q_proj.weight"]
    half = HIDDEN // 2 // 2
    order = [head * 24 + half * (row % 2) + row // 2 for head in range(2) for row in range(24)]

    assert np.array_equal(found["blk.1.attn_q.weight"], queries[order])
    assert np.array_equal(
        found["blk.2.ffn_down.weight"], old["model.layers.2.mlp.down_proj.weight"]
    )
    assert np.array_equal(found["output.weight"], old["lm_head.weight"])
    assert len(found) == 3 + 9 * 3


def test_qwen_is_not_interleaved_and_keeps_its_biases(tmp_path: Path) -> None:
    """Qwen2's heads stay as they are; biases come along; tied output is not written."""
    path, _ = run(write(tmp_path / "m", "qwen2"), "F32")
    found = {tensor.name: tensor.data for tensor in GGUFReader(path).tensors}
    old = tensors_of(config_of("qwen2"))

    assert np.array_equal(
        found["blk.0.attn_q.weight"], old["model.layers.0.self_attn.q_proj.weight"]
    )
    assert np.array_equal(found["blk.0.attn_k.bias"], old["model.layers.0.self_attn.k_proj.bias"])
    assert "output.weight" not in found


@pytest.mark.parametrize("kind", ["F32", "F16"])
def test_gemma_norms_get_their_one(kind: str, tmp_path: Path) -> None:
    """Norms are one more than the checkpoint says, whatever the rest is written as."""
    path, _ = run(write(tmp_path / "m", "gemma"), kind)
    found = {tensor.name: tensor.data for tensor in GGUFReader(path).tensors}
    norm = tensors_of(config_of("gemma"))["model.layers.1.input_layernorm.weight"]

    assert np.array_equal(found["blk.1.attn_norm.weight"], norm + 1)


def test_shards_give_the_same_bytes(tmp_path: Path) -> None:
    """A checkpoint in two files is the checkpoint in one."""
    whole = run(write(tmp_path / "a", "llama"))[0].read_bytes()
    folder = write(tmp_path / "b", "llama")
    tensors = tensors_of(config_of("llama"))
    (folder / "model.safetensors").unlink()
    names = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
    parts = [dict(list(tensors.items())[part::2]) for part in range(2)]
    for name, part in zip(names, parts, strict=True):
        (folder / name).write_bytes(safetensors(part))
    index = {key: name for name, part in zip(names, parts, strict=True) for key in part}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))

    assert run(folder)[0].read_bytes() == whole
    (folder / names[1]).unlink()
    assert "it names is not there" in refusal(folder).message


def test_sixteen_bit_checkpoints(tmp_path: Path) -> None:
    """BF16 and F16 sources come out as the numbers they hold."""
    for kind in ("BF16", "F16"):
        path, _ = run(write(tmp_path / kind, "llama", kind), "F32")
        found = {tensor.name: tensor.data for tensor in GGUFReader(path).tensors}
        old = tensors_of(config_of("llama"))["lm_head.weight"]
        assert np.abs(found["output.weight"] - old).max() < 0.01


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"architectures": ["PhiForCausalLM"]}, "its architecture is PhiForCausalLM"),
        ({"architectures": []}, "its architecture is not named"),
        ({"auto_map": {"AutoModel": "x.py"}}, "Python code of its own"),
        ({"logits_scaling": 2.0}, "the field 'logits_scaling'"),
        ({"attn_logit_softcapping": 50.0}, "the field 'attn_logit_softcapping'"),
        ({"hidden_act": "relu"}, "its hidden_act is 'relu'; the engine computes silu"),
        ({"rope_scaling": {"type": "dynamic", "factor": 2.0}}, "rope scaling is 'dynamic'"),
        ({"rope_scaling": {"rope_type": "longrope"}}, "rope scaling is 'longrope'"),
        ({"rope_scaling": {"rope_type": "linear", "factor": "x"}}, "its factor is x"),
        ({"partial_rotary_factor": 0.5}, "only part of each head"),
        (
            {"rope_scaling": {"rope_type": "llama3", "low_freq_factor": 4, "high_freq_factor": 1}},
            "no room between low and high",
        ),
        ({"layer_types": ["full_attention", "linear_attention"]}, "layer_types"),
    ],
)
def test_unknown_meaning_is_refused(
    changes: dict[str, object], message: str, tmp_path: Path
) -> None:
    """What rkd cannot carry over is refused by name, with the way out."""
    caught = refusal(write(tmp_path / "m", "llama", **changes))

    assert caught.reason is Reason.ARCHITECTURE_UNSUPPORTED
    assert message in caught.message
    assert caught.remedy


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"quantization_config": {"quant_method": "awq"}}, "quantized already (awq)"),
        ({"quantization_config": {"quant_method": "bitsandbytes"}}, "(bitsandbytes)"),
        ({"num_hidden_layers": 4}, "tensors are missing, the first is blk.3."),
        ({"num_hidden_layers": 0}, "num_hidden_layers is 0"),
        ({"num_hidden_layers": 10**6}, "num_hidden_layers is 1000000"),
        ({"num_hidden_layers": True}, "num_hidden_layers is True"),
        ({"num_key_value_heads": 3}, "2 heads, 3 key/value heads"),
        ({"intermediate_size": 96}, "config.json says (96, 48)"),
        ({"vocab_size": 300}, "its shape is (320, 48)"),
        ({"vocab_size": 10}, "tokens more than the model has embeddings"),
        ({"rms_norm_eps": 0}, "rms_norm_eps is 0"),
    ],
)
def test_impossible_checkpoints_are_refused(
    changes: dict[str, object], message: str, tmp_path: Path
) -> None:
    """Quantized, contradicting or absurd checkpoints are refused, saying how."""
    caught = refusal(write(tmp_path / "m", "llama", **changes))

    assert caught.reason is Reason.WEIGHTS_INVALID
    assert message in caught.message


def test_neutral_fields_change_nothing(tmp_path: Path) -> None:
    """Bookkeeping fields and those that say nothing are passed over."""
    changes: dict[str, object] = {"use_cache": False, "unsloth_version": "1", "novelty": None}
    plain = run(write(tmp_path / "a", "llama"))[0].read_bytes()

    assert run(write(tmp_path / "b", "llama", **changes))[0].read_bytes() == plain


def test_a_sliding_window_limits_the_context(tmp_path: Path) -> None:
    """Where attention slides, the context ends with the window, and that is said."""
    path, made = run(write(tmp_path / "m", "mistral", sliding_window=32))

    assert gguf.read_header(path).number("llama.context_length") == 32
    assert "slides over 32 tokens" in made.warnings[0]


def test_rope_scaling_is_carried_over(tmp_path: Path) -> None:
    """Linear scaling is metadata; Llama 3's becomes a tensor of factors."""
    linear = {"rope_scaling": {"type": "linear", "factor": 4.0}}
    header = gguf.read_header(run(write(tmp_path / "a", "llama", **linear))[0])
    assert header.text("llama.rope.scaling.type") == "linear"
    assert header.metadata["llama.rope.scaling.factor"] == 4.0

    llama3 = {
        "rope_scaling": {
            "rope_type": "llama3",
            "factor": 8.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 64,
        }
    }
    path, _ = run(write(tmp_path / "b", "llama", **llama3))
    factors = next(t for t in GGUFReader(path).tensors if t.name == "rope_freqs.weight").data
    assert factors.shape == (12,)
    assert factors[0] == 1.0
    assert factors[-1] == 8.0
    assert list(factors) == sorted(factors)


@pytest.mark.parametrize(
    ("extra", "message", "reason"),
    [
        ("model.layers.0.self_attn.q_norm.weight", "which rkd does not know", "ARCHITECTURE"),
        ("model.layers.0.mlp.up_proj.qweight", "a quantized checkpoint", "ARCHITECTURE"),
        ("model.layers.0.mlp.up_proj.weight_scale_inv", "a quantized checkpoint", "ARCHITECTURE"),
        ("embed_tokens.weight", "appears twice", "WEIGHTS"),
    ],
)
def test_strange_tensors_are_refused(extra: str, message: str, reason: str, tmp_path: Path) -> None:
    """A tensor nobody knows would be lost meaning."""
    folder = write(tmp_path / "m", "llama")
    tensors = tensors_of(config_of("llama"))
    tensors[extra] = np.zeros((320, HIDDEN), np.float32)
    (folder / "model.safetensors").write_bytes(safetensors(tensors))
    caught = refusal(folder)

    assert message in caught.message
    assert caught.reason.value.startswith(reason)


def test_unused_tensors_are_told(tmp_path: Path) -> None:
    """Layers past the config's and rotary tables are left out, and counted."""
    folder = write(tmp_path / "m", "llama", num_hidden_layers=2)

    assert run(folder)[1].warnings == ("9 tensors the model does not use were left out",)


def test_values_too_large_are_refused(tmp_path: Path) -> None:
    """What F16 cannot hold is refused with the type that can; BF16 takes it."""
    folder = write(tmp_path / "m", "llama")
    tensors = tensors_of(config_of("llama"))
    tensors["lm_head.weight"][5, 5] = 1e6
    (folder / "model.safetensors").write_bytes(safetensors(tensors))

    assert "BF16" in refusal(folder).remedy
    assert run(folder, "BF16")[1].quantization == "BF16"


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("ggml-model-q4_0.bin", b"tjgg\x03\x00\x00\x00", "is an old ggjt file"),
        ("quantize_config.json", b"{}", "quantized already (GPTQ or AWQ)"),
        ("config.json", b"[]", "no JSON object"),
        ("config.json", b"{", "no JSON ("),
        ("config.json", b"[" * 100_000, "no JSON ("),
        ("model.safetensors", b"", "it is empty"),
        ("model.safetensors", b"<!DOCTYPE html>", "it is a web page"),
        ("model.safetensors", b"version https://git-lfs.github.com/spec/v1", "git-lfs"),
        ("model.safetensors", b"\xff" * 64, "header does not fit"),
        ("model.safetensors", b"\x05" + bytes(7) + b"{nope", "no JSON"),
        ("model.safetensors", b"\x02" + bytes(7) + b"{}", "tensors are missing"),
        ("model.safetensors", b"\x02" + bytes(7) + b"[]", "its header is no table"),
        ("model.safetensors", b"\x08" + bytes(7) + b'{"a":{}}', "entry for 'a' is incomplete"),
        ("tokenizer.json", b'{"model": 1}', "its tokenizer is missing"),
    ],
)
def test_broken_files_are_named(file: str, content: bytes, message: str, tmp_path: Path) -> None:
    """Each broken or foreign file of a folder is named with what is wrong."""
    folder = write(tmp_path / "m", "llama")
    (folder / file).write_bytes(content)

    assert message in refusal(folder).message


def test_safetensors_bounds(tmp_path: Path) -> None:
    """Offsets outside the file, other types and lying sizes are refused."""
    folder = write(tmp_path / "m", "llama")
    for row, message in (
        ({"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}, "past the end"),
        ({"dtype": "F32", "shape": [1], "data_offsets": [0, 8]}, "has 8 bytes instead of 4"),
        ({"dtype": "I64", "shape": [1], "data_offsets": [0, 8]}, "has the type I64"),
        ({"dtype": "F8_E4M3", "shape": [4], "data_offsets": [0, 4]}, "quantized already"),
        ({"dtype": "F32", "shape": ["x"], "data_offsets": [0, 4]}, "the shape ['x']"),
        ({"dtype": "F32", "shape": [1], "data_offsets": [-8, -4]}, "past the end"),
    ):
        head = json.dumps({"a": row}).encode()
        data = len(head).to_bytes(8, "little") + head + bytes(16)
        (folder / "model.safetensors").write_bytes(data)
        assert message in refusal(folder).message


def tokenizer_with(folder: Path, **changes: object) -> Path:
    """Change the top of tokenizer.json."""
    (folder / "tokenizer.json").write_text(json.dumps({**tokenizer_json(), **changes}))
    return folder


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": {"type": "WordPiece", "vocab": {"a": 1}}}, "its tokenizer is WordPiece"),
        ({"model": {"type": "BPE", "vocab": {}}}, "no vocabulary"),
        ({"model": {"type": "BPE", "vocab": {"a": "b"}}}, "a token without a number"),
        ({"model": {"type": "BPE", "vocab": {"a": 1}, "merges": ["x"]}}, "holds the merge 'x'"),
        ({"pre_tokenizer": None}, "its pre-tokenizer is unknown to rkd: none"),
        ({"pre_tokenizer": {"type": "Whitespace"}}, "unknown to rkd: Whitespace"),
        ({"pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": True}}, "puts a blank"),
        ({"normalizer": {"type": "Lowercase"}}, "normalizes text with Lowercase"),
        ({"model": {"vocab": {"a": 1}, "end_of_word_suffix": "</w>"}}, "uses end_of_word_suffix"),
        ({"pre_tokenizer": {"type": "Digits", "individual_digits": True}}, "rkd: digits"),
    ],
)
def test_unknown_tokenizers_are_refused(
    changes: dict[str, object], message: str, tmp_path: Path
) -> None:
    """A tokenizer that would cut text differently in the engine is refused."""
    folder = tokenizer_with(write(tmp_path / "m", "llama"), **changes)

    assert message in refusal(folder).message


def test_no_tokenizer_is_said(tmp_path: Path) -> None:
    """A folder without tokenizer files is told how to get them."""
    folder = write(tmp_path / "m", "llama")
    (folder / "tokenizer.json").unlink()

    assert "save_pretrained" in refusal(folder).remedy


def test_special_tokens_and_padding(tmp_path: Path) -> None:
    """Ids come from the tokenizer's words, a second end is kept, missing tokens are unused ones."""
    path, _ = run(write(tmp_path / "m", "llama"))
    header = gguf.read_header(path)

    assert header.number("tokenizer.ggml.bos_token_id") == 1
    assert header.number("tokenizer.ggml.eos_token_id") == 2
    assert header.number("tokenizer.ggml.eot_token_id") == 3
    assert header.length("tokenizer.ggml.tokens") == 320
    assert header.metadata["tokenizer.ggml.add_bos_token"] is False
    assert header.text("tokenizer.ggml.pre") == "qwen2"
    reader = GGUFReader(path)
    types = reader.fields["tokenizer.ggml.token_type"].contents()
    assert types[:4] == [3, 3, 3, 1]
    assert types[-1] == 5


def test_post_processor_decides_on_bos(tmp_path: Path) -> None:
    """A post-processor that begins with a special token means BOS."""
    single = [{"SpecialToken": {"id": "<s>"}}, {"Sequence": {"id": "A"}}]
    processor = {"type": "TemplateProcessing", "single": single}
    folder = tokenizer_with(
        write(tmp_path / "m", "llama"),
        post_processor={"type": "Sequence", "processors": [{"type": "ByteLevel"}, processor]},
    )

    assert gguf.read_header(run(folder)[0]).metadata["tokenizer.ggml.add_bos_token"] is True


@pytest.mark.parametrize(
    ("files", "template"),
    [
        ({"chat_template.jinja": "A"}, "A"),
        ({"tokenizer_config.json": {"chat_template": "B"}}, "B"),
        (
            {
                "tokenizer_config.json": {
                    "chat_template": [
                        {"name": "tool_use", "template": "X"},
                        {"name": "default", "template": "C"},
                    ]
                }
            },
            "C",
        ),
        ({"tokenizer_config.json": {}, "chat_template.json": {"chat_template": "D"}}, "D"),
        (
            {
                "tokenizer_config.json": {"chat_template": "B"},
                "chat_template.json": {"chat_template": "D"},
            },
            "D",
        ),
        ({"tokenizer_config.json": {}}, ""),
    ],
)
def test_chat_template_is_found(files: dict[str, object], template: str, tmp_path: Path) -> None:
    """The template is found in every place people keep it."""
    folder = write(tmp_path / "m", "llama")
    for name, content in files.items():
        text = content if isinstance(content, str) else json.dumps(content)
        (folder / name).write_text(text)

    assert gguf.read_header(run(folder)[0]).text("tokenizer.chat_template") == template


def test_tokens_without_embeddings_are_left_out(tmp_path: Path) -> None:
    """An added token past the embeddings is dropped with a word about it."""
    table = tokenizer_json()
    added = [{"id": 320, "content": "[PAD]", "special": True}]
    folder = tokenizer_with(write(tmp_path / "m", "llama"), added_tokens=added)
    path, made = run(folder)

    assert table["added_tokens"]
    assert gguf.read_header(path).length("tokenizer.ggml.tokens") == 320
    assert "1 added tokens have no embedding" in made.warnings[0]


def test_unknown_target_types_are_refused(tmp_path: Path) -> None:
    """Checkpoints become F16, BF16 or F32; quantizing is the next step."""
    with pytest.raises(InvalidInputError) as caught:
        run(write(tmp_path / "m", "llama"), "Q8_0")

    assert caught.value.reason is Reason.INVALID_FIELD


@pytest.mark.parametrize(
    ("gone", "there", "message"),
    [
        ("config.json", "", "no config.json is in the folder"),
        ("model.safetensors", "training_args.bin", "no safetensors or PyTorch weights"),
        ("model.safetensors", "adapter_config.json", "it is a LoRA adapter, not a model"),
    ],
)
def test_incomplete_folders_are_named(gone: str, there: str, message: str, tmp_path: Path) -> None:
    """A folder without its config or weights, or with an adapter's, is said to be so."""
    folder = write(tmp_path / "m", "llama")
    (folder / gone).unlink()
    if there:
        (folder / there).write_bytes(b"{}")

    assert message in refusal(folder).message


def test_llama3_words_without_whole_words_first(tmp_path: Path) -> None:
    """Llama 3's expression without ignore_merges gets the name that merges every word."""
    table = tokenizer_json()
    text = json.dumps(table).replace("p{N}|", "p{N}{1,3}|")
    folder = write(tmp_path / "m", "llama")
    (folder / "tokenizer.json").write_text(text)
    assert gguf.read_header(run(folder)[0]).text("tokenizer.ggml.pre") == "smaug-bpe"

    whole = json.loads(text)
    whole["model"]["ignore_merges"] = True
    (folder / "tokenizer.json").write_text(json.dumps(whole))
    assert gguf.read_header(run(folder)[0]).text("tokenizer.ggml.pre") == "llama-bpe"


def test_what_the_tokenizers_config_says(tmp_path: Path) -> None:
    """A Llama tokenizer's own settings decide on BOS; BERT's processing puts both ends."""
    folder = tokenizer_with(
        write(tmp_path / "m", "llama"), post_processor={"type": "BertProcessing"}
    )
    header = gguf.read_header(run(folder)[0])
    assert header.metadata["tokenizer.ggml.add_eos_token"] is True

    settings = {"tokenizer_class": "LlamaTokenizer", "add_bos_token": False}
    settings["added_tokens_decoder"] = {"5": {"content": "<tool>", "special": False}, "x": 1}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    path, _ = run(folder)
    assert gguf.read_header(path).metadata["tokenizer.ggml.add_bos_token"] is False
    assert GGUFReader(path).fields["tokenizer.ggml.token_type"].contents()[5] == 4
