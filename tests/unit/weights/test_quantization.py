"""What a kind of quantization says of sizes."""

from __future__ import annotations

import pytest

from rkd.weights.quantization import (
    FILE_TYPES,
    QUANTIZATIONS,
    REMOVED,
    guessed_bytes,
    in_file_name,
    is_foreign,
)


@pytest.mark.parametrize(
    ("quantization", "bits"),
    [("Q4_K_M", 4.5), ("Q8_0", 8.5), ("F16", 16), ("IQ4_XS", 4.25), ("w8a8", 8), ("w4a16_g128", 4)],
)
def test_sizes_are_guessed_by_the_bits_of_the_kind(quantization: str, bits: float) -> None:
    """The longest kind that fits the name decides; a kind nobody knows gives no guess."""
    assert guessed_bytes(8_000_000, quantization) == 1_000_000 * bits
    assert guessed_bytes(0, quantization) == 0
    assert guessed_bytes(8_000_000, "very small") == 0


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("gemma-4-E2B-it-UD-Q4_K_XL.gguf", "Q4_K_XL"),
        ("m-UD-IQ1_M.gguf", "IQ1_M"),
        ("m.i1-IQ3_XXS.gguf", "IQ3_XXS"),
        ("m-Q2_K_L.gguf", "Q2_K_L"),
        ("m-q4_k_m.gguf", "Q4_K_M"),
        ("m.Q4KM.gguf", "Q4_K_M"),
        ("m-q4k_m.gguf", "Q4_K_M"),
        ("m-Q4-K-M.gguf", "Q4_K_M"),
        ("m-Q4_KM.gguf", "Q4_K_M"),
        ("m-IQ2XXS.gguf", "IQ2_XXS"),
        ("m-q8.gguf", "Q8_0"),
        ("m-Q6.gguf", "Q6_K"),
        ("m-Q4_K.gguf", "Q4_K"),
        ("gemma-3-4b-it-q4_0_s.gguf", "Q4_0"),
        ("m-fp16.gguf", "F16"),
        ("m-FP32.gguf", "F32"),
        ("m-float16.gguf", "F16"),
        ("m-BF16-00001-of-00002.gguf", "BF16"),
        ("gpt-oss-20b-mxfp4.gguf", "MXFP4"),
        ("gpt-oss-20b-MXFP4_MOE.gguf", "MXFP4_MOE"),
        ("m-nvfp4.gguf", "NVFP4"),
        ("m-fp8.gguf", "FP8"),
        ("Bonsai-8B-Q1_0_g128.gguf", "Q1_0_g128"),
        ("m-TQ2_0.gguf", "TQ2_0"),
        ("x-TQ4_1S.gguf", "TQ4_1S"),
        ("ggml-model-i2_s.gguf", "I2_S"),
        ("m-IQ4_KSS.gguf", "IQ4_KSS"),
        ("m-IQ2_KT.gguf", "IQ2_KT"),
        ("m-IQ3_K_R4.gguf", "IQ3_K_R4"),
        ("m-Q4_0_R8.gguf", "Q4_0_R8"),
        ("m.f16.q6_k.gguf", "Q6_K"),
        ("m-Q4_0-4-8.gguf", "Q4_0_4_8"),
        ("m-IQ4_NL_4_4.gguf", "IQ4_NL_4_4"),
        ("m-int4.gguf", ""),
        ("m-8bit.gguf", ""),
        ("m_w8a8.rkllm", "w8a8"),
        ("m-w8a8-g128.rkllm", "w8a8_g128"),
        ("m-W8A8G256.rkllm", "w8a8_g256"),
        ("m-W8_A8.rkllm", "w8a8"),
        ("m-rk3588w8a8.rkllm", "w8a8"),
        ("Qwen3W8A8.rkllm", "w8a8"),
        ("qwen-w8a8rk3588.rkllm", "w8a8"),
        ("m.w4a16_g64.rk3576.rkllm", "w4a16_g64"),
        ("m_w4a8_g32.rkllm", "w4a8_g32"),
        ("ds_r1_qwen_7b_w4_rkllm.rkllm", "w4a16"),
        ("m-int8.rkllm", "w8a8"),
        ("m-f16.rkllm", "fp16"),
        ("m_bf16.rkllm", "fp16"),
        ("m_w16a16.rkllm", "fp16"),
        ("from-Q4_K_M.rkllm", ""),
        ("from-Q4_K_M-w8a8.rkllm", "w8a8"),
    ],
)
def test_a_type_is_read_in_every_spelling(name: str, kind: str) -> None:
    """Dashes, missing underscores, other words; of a .rkllm only what its toolkit makes."""
    assert in_file_name(name) == kind


@pytest.mark.parametrize(
    ("kind", "foreign"),
    [
        *((row, False) for row in QUANTIZATIONS),
        *((name, False) for name in FILE_TYPES.values()),
        *((kind, False) for kind in ("", "Q4_K_XL", "Q8_K_XL", "Q6_K_L", "Q3_K", "Q1_0_g128")),
        *((kind, True) for kind in REMOVED),
        *((kind, True) for kind in ("IQ4_KS", "IQ4_KSS", "IQ5_K", "IQ2_KT", "IQ2_KL", "IQ1_BN")),
        *((kind, True) for kind in ("IQ3_K_R4", "Q4_K_R4", "I2_S", "TL1", "TQ4_1S", "FP8", "Q6_0")),
    ],
)
def test_types_of_other_programs_are_known(kind: str, *, foreign: bool) -> None:
    """What the engine's tables have is read; removed repacks and forks' own types are not."""
    assert is_foreign(kind) is foreign
