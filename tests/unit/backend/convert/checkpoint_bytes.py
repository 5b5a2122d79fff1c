"""Small checkpoints made of numpy alone, always the same: config, tokenizer, safetensors."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
Json = dict[str, object]

VOCABULARY = 320
HIDDEN, FORWARD, LAYERS, CONTEXT = 48, 88, 3, 128

CONFIGS: dict[str, Json] = {
    "llama": {
        "architectures": ["LlamaForCausalLM"],
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "rope_theta": 50000.0,
    },
    "mistral": {
        "architectures": ["MistralForCausalLM"],
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "sliding_window": None,
    },
    "qwen2": {
        "architectures": ["Qwen2ForCausalLM"],
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "tie_word_embeddings": True,
        "use_sliding_window": False,
        "sliding_window": 64,
    },
    "gemma": {
        "architectures": ["GemmaForCausalLM"],
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": 32,
        "hidden_act": "gelu_pytorch_tanh",
    },
}
COMMON: Json = {
    "hidden_size": HIDDEN,
    "intermediate_size": FORWARD,
    "num_hidden_layers": LAYERS,
    "vocab_size": VOCABULARY,
    "max_position_embeddings": CONTEXT,
    "rms_norm_eps": 1e-5,
    "hidden_act": "silu",
    "torch_dtype": "float32",
    "bos_token_id": 1,
    "eos_token_id": [2, 3],
}


def config_of(name: str, **changes: object) -> Json:
    """The config.json of one of `CONFIGS`."""
    return {**COMMON, **CONFIGS[name], "model_type": name, **changes}


def tensors_of(config: Json) -> dict[str, Array]:
    """Every tensor transformers' model of that config has."""
    heads, groups = int(str(config["num_attention_heads"])), int(str(config["num_key_value_heads"]))
    size = int(str(config.get("head_dim", HIDDEN // heads)))
    rng = np.random.default_rng(5)

    def matrix(*shape: int) -> Array:
        return rng.normal(0, 0.15, shape).astype(np.float32)

    found = {"model.embed_tokens.weight": matrix(VOCABULARY, HIDDEN)}
    for layer in range(LAYERS):
        at = f"model.layers.{layer}."
        found |= {
            at + "input_layernorm.weight": 1 + matrix(HIDDEN),
            at + "post_attention_layernorm.weight": 1 + matrix(HIDDEN),
            at + "self_attn.q_proj.weight": matrix(heads * size, HIDDEN),
            at + "self_attn.k_proj.weight": matrix(groups * size, HIDDEN),
            at + "self_attn.v_proj.weight": matrix(groups * size, HIDDEN),
            at + "self_attn.o_proj.weight": matrix(HIDDEN, heads * size),
            at + "mlp.gate_proj.weight": matrix(FORWARD, HIDDEN),
            at + "mlp.up_proj.weight": matrix(FORWARD, HIDDEN),
            at + "mlp.down_proj.weight": matrix(HIDDEN, FORWARD),
        }
        if config["model_type"] == "qwen2":
            found |= {
                at + "self_attn.q_proj.bias": matrix(heads * size),
                at + "self_attn.k_proj.bias": matrix(groups * size),
                at + "self_attn.v_proj.bias": matrix(groups * size),
            }
    found["model.norm.weight"] = 1 + matrix(HIDDEN)
    if config["model_type"] in {"llama", "mistral"}:
        found["lm_head.weight"] = matrix(VOCABULARY, HIDDEN)
    return found


def safetensors(tensors: dict[str, Array], kind: str = "F32") -> bytes:
    """A safetensors file of *tensors*; BF16 keeps the upper half of each number."""
    table: Json = {"__metadata__": {"format": "pt"}}
    blob = b""
    for name, values in tensors.items():
        match kind:
            case "BF16":
                data = (values.view(np.uint32) >> 16).astype(np.uint16).tobytes()
            case "F16":
                data = values.astype(np.float16).tobytes()
            case _:
                data = values.tobytes()
        offsets = [len(blob), len(blob) + len(data)]
        table[name] = {"dtype": kind, "shape": list(values.shape), "data_offsets": offsets}
        blob += data
    head = json.dumps(table).encode()
    head += b" " * (-len(head) % 8)
    return struct.pack("<Q", len(head)) + head + blob


def byte_letters() -> list[str]:
    """GPT-2's printable stand-ins of the 256 bytes, in the order of the bytes."""
    plain = {*range(33, 127), *range(161, 173), *range(174, 256)}
    extra = iter(range(256, 512))
    return [chr(byte if byte in plain else next(extra)) for byte in range(256)]


def tokenizer_json() -> Json:
    """A byte-level BPE of 3 special tokens, 256 bytes and a few merges, of Qwen2's kind."""
    words = ["<unk>", "<s>", "</s>", *byte_letters()]
    merges = [("t", "h"), ("th", "e"), ("i", "n"), ("Ġ", "a"), ("Ġ", "the"), ("e", "r")]
    words += [left + right for left, right in merges]
    pattern = (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
        r"|\s*[\r\n]+|\s+(?!\S)|\s+"
    )
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {"id": i, "content": words[i], "special": True, "single_word": False, "lstrip": False}
            | {"rstrip": False, "normalized": False}
            for i in range(3)
        ],
        "normalizer": {"type": "NFC"},
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [
                {
                    "type": "Split",
                    "pattern": {"Regex": pattern},
                    "behavior": "Isolated",
                    "invert": False,
                },
                {
                    "type": "ByteLevel",
                    "add_prefix_space": False,
                    "trim_offsets": False,
                    "use_regex": False,
                },
            ],
        },
        "post_processor": None,
        "decoder": None,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": "",
            "end_of_word_suffix": "",
            "fuse_unk": False,
            "byte_fallback": False,
            "vocab": {word: index for index, word in enumerate(words)},
            "merges": [list(merge) for merge in merges],
        },
    }


def write(folder: Path, name: str, kind: str = "F32", **changes: object) -> Path:
    """Write a whole checkpoint into *folder*; *changes* go into its config."""
    folder.mkdir(exist_ok=True)
    config = config_of(name, **changes)
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer_json()))
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"bos_token": "<s>", "eos_token": "</s>", "chat_template": "{{ messages }}"})
    )
    (folder / "model.safetensors").write_bytes(safetensors(tensors_of(config_of(name)), kind))
    return folder
