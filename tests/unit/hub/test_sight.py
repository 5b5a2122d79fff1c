"""Which projector or encoder comes with a model, by the names in its repository."""

from __future__ import annotations

import pytest

from rkd.hub.fit import judge_all
from rkd.hub.headroom import Headroom
from rkd.hub.listing import RemoteFile
from rkd.hub.sight import sight_of
from rkd.hub.variants import variants_of
from rkd.model import Details, Format
from tests.unit.hub.test_variants import listing


def chosen(weights: str, *names: str, platform: str = "") -> str:
    """The name of what comes with *weights*, "" for nothing."""
    files = [RemoteFile(name, 10 + at, "sha256", f"{at:064x}") for at, name in enumerate(names)]
    form = Format.RKLLM if weights.endswith(".rkllm") else Format.GGUF
    found = sight_of(files, RemoteFile(weights, 99, "sha256", "0" * 64), form, platform)
    return found.path if found else ""


@pytest.mark.parametrize(
    ("names", "wanted"),
    [
        (("mmproj-F32.gguf", "mmproj-BF16.gguf", "mmproj-F16.gguf"), "mmproj-F16.gguf"),
        (("mmproj-m-Q8_0.gguf", "mmproj-m-bf16.gguf"), "mmproj-m-Q8_0.gguf"),
        (("mmproj-m-f16.gguf", "mmproj-m-Q8_0.gguf"), "mmproj-m-f16.gguf"),
        (("m.BF16-mmproj.gguf",), "m.BF16-mmproj.gguf"),
        (("m-Instruct-vision.gguf",), "m-Instruct-vision.gguf"),
        (("clip-vit-f16.gguf", "m-audio-encoder.gguf"), "clip-vit-f16.gguf"),
        (("mmproj-model.gguf",), "mmproj-model.gguf"),
        (("mmproj-audio-F16.gguf",), ""),
        (("mmproj-audio-F16.gguf", "mmproj-vision-Q8_0.gguf"), "mmproj-vision-Q8_0.gguf"),
        (("other.gguf", "imatrix.gguf", "vision.rknn"), ""),
        (("sub/mmproj-F16.gguf", "mmproj-F32.gguf"), "mmproj-F32.gguf"),
        (("sub/mmproj-F16.gguf",), "sub/mmproj-F16.gguf"),
        ((), ""),
    ],
)
def test_one_projector_comes_with_a_gguf(names: tuple[str, ...], wanted: str) -> None:
    """F16, else Q8_0; of the same folder first; never an ear."""
    assert chosen("m-Q4_K_M.gguf", *names) == wanted


def test_a_projector_of_another_size_is_passed_over() -> None:
    """Collections hold several models."""
    names = ("mmproj-Qwen2.5-VL-7B-F16.gguf", "mmproj-Qwen2.5-VL-3B-Q8_0.gguf")

    assert chosen("Qwen2.5-VL-3B-Q4_K_M.gguf", *names) == names[1]
    assert chosen("Qwen2.5-VL-7B-Q4_K_M.gguf", *names) == names[0]


@pytest.mark.parametrize(
    ("names", "platform", "wanted"),
    [
        (("qwen3-vl-2b_vision_rk3588.rknn",), "rk3588", "qwen3-vl-2b_vision_rk3588.rknn"),
        (("v_rk3576.rknn",), "rk3588", ""),
        (("v_vision_rk3576.rknn", "v_vision_rk3588.rknn"), "rk3588", "v_vision_rk3588.rknn"),
        (("vision_896.rknn", "vision_448.rknn", "vision_672.rknn"), "rk3588", "vision_448.rknn"),
        (("vision_896.rknn", "vision_672.rknn"), "", "vision_672.rknn"),
        (("encoder.rknn", "whisper.rknn"), "rk3588", "encoder.rknn"),
        (("mmproj-F16.gguf",), "rk3588", ""),
    ],
)
def test_the_platforms_encoder_comes_with_an_rkllm(
    names: tuple[str, ...], platform: str, wanted: str
) -> None:
    """Of several the one of the usual size."""
    assert chosen("m_w8a8_rk3588.rkllm", *names, platform=platform) == wanted


def test_it_counts_in_the_verdict_and_not_in_the_weights() -> None:
    """What needs more is told with its sum."""
    plain, seeing = (
        listing(("m-Q4_0.gguf", 1000), *more) for more in ((), (("mmproj-F16.gguf", 500 << 20),))
    )
    board = Headroom(8 << 30, 8 << 30, "", 4096)
    (without,), (judged,) = (
        judge_all(variants_of(one), Details(), board) for one in (plain, seeing)
    )

    assert judged.variant.sight is not None
    assert judged.variant.size_bytes == without.variant.size_bytes == 1000
    assert judged.needed_bytes - without.needed_bytes > 500 << 20
    assert "sight" in judged.detail
    assert "sight" not in without.detail
