"""
Make tiny models that see: a projector of random weights for each of five kinds, and its text half.

The text half has the tokens the kind looks up. llama.cpp really loads them; they see colours, no
cats.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gguf
import numpy as np

from tests.models.tiny import byte_characters

KINDS = ("mlp", "idefics3", "gemma3", "internvl", "qwen2vl_merger")
WIDTH, HEADS, LAYERS, FEED, CONTEXT = 64, 4, 2, 128, 8192
VIT, VIT_HEADS, VIT_FEED, PATCH, SIDE = 32, 2, 48, 14, 56
"""VIT_FEED differs from VIT: else the loader takes the names of the two for an old file's."""
TOKENS: dict[str, tuple[str, ...]] = {
    "mlp": (),
    "internvl": ("<img>", "</img>", "<IMG_CONTEXT>"),
    "gemma3": ("<start_of_image>", "<end_of_image>", "<image_soft_token>"),
    "idefics3": (
        *("<image>", "<fake_token_around_image>", "<global-img>"),
        *(f"<row_{row}_col_{column}>" for row in range(1, 7) for column in range(1, 7)),
    ),
    "qwen2vl_merger": ("<|vision_start|>", "<|vision_end|>", "<|image_pad|>"),
}
MERGED = {"he": "h e", "ĊĊ": "Ċ Ċ"}
"""idefics3 looks up the token of two line ends."""
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@dataclass
class _File:
    """A GGUF being made; *without* names tensors and keys to leave out, *instead* other values."""

    path: Path
    architecture: str
    seed: int
    without: frozenset[str] = frozenset()
    instead: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.writer = gguf.GGUFWriter(self.path, self.architecture)
        self._random = np.random.default_rng(self.seed)

    def keys(self, values: Mapping[str, Any]) -> None:
        """Write metadata by the types of its values."""
        for key, value in values.items():
            said = self.instead.get(key, value)
            if key in self.without:
                continue
            match said:
                case bool():
                    self.writer.add_bool(key, said)
                case int():
                    self.writer.add_uint32(key, said)
                case float():
                    self.writer.add_float32(key, said)
                case str():
                    self.writer.add_string(key, said)
                case _:
                    self.writer.add_array(key, said)

    def matrix(self, name: str, *shape: int, scale: float = 0.3) -> None:
        """Write random weights."""
        values = self._random.standard_normal(self.instead.get(name, shape), dtype=np.float32)
        if name not in self.without:
            self.writer.add_tensor(name, values * scale)

    def vector(self, name: str, length: int, value: float = 0.0) -> None:
        """Write one value, *length* times."""
        if name not in self.without:
            self.writer.add_tensor(name, np.full(length, value, np.float32))

    def close(self) -> Path:
        """Write it all."""
        self.writer.write_header_to_file()
        self.writer.write_kv_data_to_file()
        self.writer.write_tensors_to_file()
        self.writer.close()
        return self.path


def write_text(path: Path, kind: str = "mlp", *, seed: int = 1, template: str = TEMPLATE) -> Path:
    """Write the half that reads and answers."""
    architecture = "qwen2vl" if kind == "qwen2vl_merger" else "llama"
    special = ("<pad>", "<bos>", "<eos>", "<|im_start|>", "<|im_end|>", *TOKENS[kind])
    tokens = [*special, *byte_characters(), *MERGED]
    plain = len(tokens) - len(special)
    file = _File(path, architecture, seed)
    writer = file.writer
    writer.add_name(f"tiny-text-{kind}")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(FEED)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    if architecture == "llama":
        writer.add_rope_dimension_count(WIDTH // HEADS)
    else:
        writer.add_rope_dimension_sections([2, 3, 3, 0])
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(tokens)
    kinds = [gguf.TokenType.CONTROL] * len(special) + [gguf.TokenType.NORMAL] * plain
    writer.add_token_types(kinds)
    writer.add_token_merges(list(MERGED.values()))
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_eot_token_id(4)
    writer.add_pad_token_id(0)
    writer.add_add_bos_token(False)
    writer.add_chat_template(template)
    file.matrix("token_embd.weight", len(tokens), WIDTH)
    file.matrix("output.weight", len(tokens), WIDTH)
    file.vector("output_norm.weight", WIDTH, 1.0)
    for layer in range(LAYERS):
        block = f"blk.{layer}."
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            file.matrix(f"{block}{name}.weight", WIDTH, WIDTH)
            if architecture == "qwen2vl" and name != "attn_output":
                file.vector(f"{block}{name}.bias", WIDTH)
        file.matrix(f"{block}ffn_gate.weight", FEED, WIDTH)
        file.matrix(f"{block}ffn_up.weight", FEED, WIDTH)
        file.matrix(f"{block}ffn_down.weight", WIDTH, FEED)
        file.vector(f"{block}attn_norm.weight", WIDTH, 1.0)
        file.vector(f"{block}ffn_norm.weight", WIDTH, 1.0)
    return file.close()


def write_projector(
    path: Path,
    kind: str = "mlp",
    *,
    width: int = WIDTH,
    seed: int = 1,
    without: Iterable[str] = (),
    instead: Mapping[str, Any] | None = None,
) -> Path:
    """
    Write the half that sees.

    Args:
        path: where.
        kind: of `KINDS`.
        width: of the model's embeddings.
        seed: equal ones give equal files.
        without: tensors and keys to leave out.
        instead: other values of keys, other shapes of tensors.
    """
    file = _File(path, "clip", seed, frozenset(without), instead or {})
    vision = "clip.vision."
    scaled = {"projector.scale_factor": 2} if kind in {"idefics3", "gemma3", "internvl"} else {}
    sized = {"preproc_image_size": 4 * SIDE} if kind == "idefics3" else {}
    numbers = {
        "image_size": SIDE,
        "patch_size": PATCH,
        "embedding_length": VIT,
        "feed_forward_length": VIT_FEED,
        "block_count": LAYERS,
        "attention.head_count": VIT_HEADS,
        "projection_dim": width,
        "attention.layer_norm_epsilon": 1e-6,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
        **scaled,
        **sized,
    }
    file.keys(
        {
            "general.type": "mmproj",
            "general.file_type": int(gguf.LlamaFileType.ALL_F32),
            "clip.has_vision_encoder": True,
            "clip.projector_type": kind,
            "clip.use_gelu": True,
            **{vision + key: value for key, value in numbers.items()},
        }
    )
    _encoder(file, kind)
    _projection(file, kind, width)
    return file.close()


def _encoder(file: _File, kind: str) -> None:
    file.matrix("v.patch_embd.weight", VIT, 3, PATCH, PATCH, scale=0.1)
    if kind == "qwen2vl_merger":
        file.matrix("v.patch_embd.weight.1", VIT, 3, PATCH, PATCH, scale=0.1)
    else:
        file.vector("v.patch_embd.bias", VIT)
        first = 1 if kind == "internvl" else 0
        if first:
            file.vector("v.class_embd", VIT)
        file.matrix("v.position_embd.weight", (SIDE // PATCH) ** 2 + first, VIT, scale=0.1)
    for layer in range(LAYERS):
        block = f"v.blk.{layer}."
        for name in ("attn_q", "attn_k", "attn_v", "attn_out"):
            file.matrix(f"{block}{name}.weight", VIT, VIT, scale=0.1)
            file.vector(f"{block}{name}.bias", VIT)
        for name in ("ln1", "ln2"):
            file.vector(f"{block}{name}.weight", VIT, 1.0)
            file.vector(f"{block}{name}.bias", VIT)
        file.matrix(f"{block}ffn_up.weight", VIT_FEED, VIT, scale=0.1)
        file.vector(f"{block}ffn_up.bias", VIT_FEED)
        file.matrix(f"{block}ffn_down.weight", VIT, VIT_FEED, scale=0.1)
        file.vector(f"{block}ffn_down.bias", VIT)
    file.vector("v.post_ln.weight", VIT, 1.0)
    file.vector("v.post_ln.bias", VIT)


def _projection(file: _File, kind: str, width: int) -> None:
    four = VIT * 4
    layers: dict[str, tuple[tuple[str, int, int], ...]] = {
        "mlp": (("mm.0", width, VIT), ("mm.2", width, width)),
        "idefics3": (("mm.model.fc", width, four),),
        "gemma3": (("mm.input_projection", VIT, width),),
        "internvl": (("mm.model.mlp.1", width, four), ("mm.model.mlp.3", width, width)),
        "qwen2vl_merger": (("mm.0", four, four), ("mm.2", width, four)),
    }
    biased = kind not in {"idefics3", "gemma3"}
    if kind == "gemma3":
        file.vector("mm.soft_emb_norm.weight", VIT, 1.0)
    if kind == "internvl":
        file.vector("mm.model.mlp.0.weight", four, 1.0)
        file.vector("mm.model.mlp.0.bias", four)
    for name, rows, columns in layers[kind]:
        file.matrix(f"{name}.weight", rows, columns, scale=0.1)
        if biased:
            file.vector(f"{name}.bias", rows)
