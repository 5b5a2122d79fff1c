"""Projectors: good ones of five kinds, and everything that was seen to end an engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rkd.errors import InvalidInputError, Reason
from rkd.weights import gguf
from rkd.weights.projector import check, inspect, is_projector, sees
from tests.models import tiny, tiny_sight

VISION = "clip.vision."
MANY = ("v.patch_embd.weight", "v.blk.0.attn_q.weight", "v.blk.1.attn_k.weight",
        "v.blk.0.attn_v.weight")  # fmt: skip
DEADLY: dict[str, tuple[str, ...]] = {
    "mlp": ("v.position_embd.weight", "mm.0.weight", "mm.0.bias", "mm.2.weight", "mm.2.bias"),
    "idefics3": (f"{VISION}projector.scale_factor",),
    "gemma3": (),
    "internvl": ("v.class_embd", "v.position_embd.weight", f"{VISION}projector.scale_factor"),
    "qwen2vl_merger": ("v.patch_embd.weight.1", "v.blk.0.attn_q.bias", "v.blk.1.attn_v.bias"),
}
"""Left out, each ended llama.cpp b11549: at the load, or at the first picture."""
HALVED = {
    "v.patch_embd.weight": (16, 3, 14, 14),
    "v.blk.0.attn_q.weight": (16, 32),
    "v.blk.1.attn_out.weight": (16, 32),
    "v.blk.0.ffn_up.weight": (24, 32),
    "v.blk.0.ffn_down.weight": (16, 48),
}
NUMBERS: dict[str, tuple[Any, ...]] = {
    "image_size": (0, 1, 13, 100_000),
    "patch_size": (0, 1, 1_000_000),
    "embedding_length": (0, 31, 64, 1 << 30),
    "block_count": (0, 1_000_000),
    "attention.head_count": (0, 3, 1000),
    "attention.layer_norm_epsilon": (float("nan"), -1.0),
    "image_mean": ([0.5], [float("inf")] * 3),
    "image_std": ([0.5], [0.5, 0.0, 0.5]),
}


def cases() -> Iterator[Any]:
    """(kind, what is wrong with it)."""
    for kind in tiny_sight.KINDS:
        for name in (*MANY, *DEADLY[kind]):
            yield pytest.param(kind, {"without": [name]}, id=f"{kind} without {name}")
        for name, shape in HALVED.items():
            yield pytest.param(kind, {"instead": {name: shape}}, id=f"{kind} half {name}")
        for key, values in NUMBERS.items():
            for value in values:
                made = {"instead": {VISION + key: value}}
                yield pytest.param(kind, made, id=f"{kind} {key}={value}")
    for kind in ("idefics3", "internvl"):
        for scale in (0, 1, 3, 1000):
            made = {"instead": {f"{VISION}projector.scale_factor": scale}}
            yield pytest.param(kind, made, id=f"{kind} scale={scale}")
    last = {
        "mlp": "mm.0.weight",
        "internvl": "mm.model.mlp.1.weight",
        "qwen2vl_merger": "mm.2.weight",
        "gemma3": "mm.input_projection.weight",
    }
    for kind, name in last.items():
        yield pytest.param(kind, {"instead": {name: (16, 64)}}, id=f"{kind} half {name}")


@pytest.mark.parametrize("kind", tiny_sight.KINDS)
def test_a_good_one_passes(kind: str, tmp_path: Path) -> None:
    """With its model's width, and where that is not known."""
    path = tiny_sight.write_projector(tmp_path / "p.gguf", kind)

    inspect(path, tiny_sight.WIDTH)
    inspect(path)
    assert is_projector(gguf.read_header(path))


@pytest.mark.parametrize(("kind", "wrong"), list(cases()))
def test_what_ends_an_engine_is_refused(kind: str, wrong: dict[str, Any], tmp_path: Path) -> None:
    """Before one is started."""
    path = tiny_sight.write_projector(tmp_path / "p.gguf", kind, **wrong)

    with pytest.raises(InvalidInputError) as error:
        inspect(path, tiny_sight.WIDTH)
    assert error.value.reason is Reason.WEIGHTS_INVALID
    assert len(error.value.message) < 400


@pytest.mark.parametrize("kind", tiny_sight.KINDS)
def test_another_models_projector_is_refused(kind: str, tmp_path: Path) -> None:
    """It is as wide as that one's embeddings."""
    path = tiny_sight.write_projector(tmp_path / "p.gguf", kind, width=128)

    with pytest.raises(InvalidInputError, match="makes 128 numbers of a patch"):
        inspect(path, tiny_sight.WIDTH)


def test_a_model_is_no_projector_and_an_ear_no_eye(tmp_path: Path) -> None:
    """The header decides, not the name."""
    model = gguf.read_header(tiny.write(tmp_path / "mmproj.gguf"))
    ear = tiny_sight.write_projector(
        tmp_path / "ear.gguf", instead={"clip.has_vision_encoder": False}
    )
    header = gguf.read_header(ear)

    assert not is_projector(model)
    assert (is_projector(header), sees(header)) == (True, False)
    for one in (model, header):
        with pytest.raises(InvalidInputError):
            check(one, "x")


def test_an_unknown_kind_is_left_to_the_loader(tmp_path: Path) -> None:
    """What is true of all is checked; what is not known is not made up."""
    path = tiny_sight.write_projector(
        tmp_path / "p.gguf", without=["mm.0.bias"], instead={"clip.projector_type": "of tomorrow"}
    )

    inspect(path)
