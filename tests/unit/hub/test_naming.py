"""What names on the hub tell of a model, its tuning and its toolkit."""

from __future__ import annotations

import pytest

from rkd.hub.naming import Tuning, is_collection, stem_of, tells_nothing, toolkit_in_name, tuning_in
from rkd.hub.reference import local_name


@pytest.mark.parametrize(
    ("name", "tuning"),
    [
        ("x-w8a8-opt-1-hybrid-ratio-0.5.rkllm", Tuning(0, 0.5)),
        ("x-w8a8-opt-0-hybrid-ratio-1.0.rkllm", Tuning(1, 1.0)),
        ("x-w8a8-opt0-hybrid0-npu3-ctx16384-rk3588.rkllm", Tuning(1, 0.0)),
        ("x_opt1_hybrid0.5.rkllm", Tuning(0, 0.5)),
        ("x-opt_0.rkllm", Tuning(1, 0.0)),
        ("x_hybrid_ratio_0.2.rkllm", Tuning(0, 0.2)),
        ("x-hybridratio0.5.rkllm", Tuning(0, 0.5)),
        ("x-hybrid-rate-0.5.rkllm", Tuning(0, 0.5)),
        ("x-w8a8_level1_rk3588.rkllm", Tuning(0, 0.0)),
        ("x-optimization-level-0.rkllm", Tuning(1, 0.0)),
        ("facebook-opt-1.3b-w8a8.rkllm", None),
        ("opt-125m-w8a8.rkllm", None),
        ("Qwen3-4B-w8a8-hybrid.rkllm", None),
    ],
)
def test_the_tuning_is_read_in_every_spelling(name: str, tuning: Tuning | None) -> None:
    """A model called OPT is none."""
    assert tuning_in(name) == tuning


@pytest.mark.parametrize(
    ("name", "toolkit"),
    [
        ("Qwen2.5-1.5B-Instruct-rk3588-1.1.1", "1.1.1"),
        ("Qwen3-4B-Base-rk3576-w4a16-grq-v1.2.3-RKLLM.rkllm", "1.2.3"),
        ("Qwen3-4B-Instruct-2507_w8a8_g128_1.2.2_rk3588.rkllm", "1.2.2"),
        ("w8a8-toolkitv1.1.1", "1.1.1"),
        ("m_v120_rk3588.rkllm", "1.2.0"),
        ("m-1_2_3-rk3588.rkllm", "1.2.3"),
        ("RKLLM-toolkit-v1.2.1b1", "1.2.1b1"),
        ("m-rkllm-sdk1.3.0", "1.3.0"),
        ("1.2.3", "1.2.3"),
        ("dolphin-2.9.2-qwen2-7b", ""),
        ("TinyLlama-1.1B-Chat-v1.0", ""),
        ("Qwen3-120b.rkllm", ""),
    ],
)
def test_the_toolkit_is_read_in_every_spelling(name: str, toolkit: str) -> None:
    """Of files, folders, branches and repositories."""
    assert toolkit_in_name(name) == toolkit


@pytest.mark.parametrize(
    ("path", "stem"),
    [
        ("Qwen_Qwen3-0.6B-w8a8-opt0-hybrid0-npu3-rk3588.rkllm", "qwen_qwen3-0.6b"),
        ("Qwen3-4B-Base-rk3576-w4a16-grq-v1.2.3-RKLLM.rkllm", "qwen3-4b-base"),
        ("Qwen2-1___5B-Instruct_W8A8_RK3588.rkllm", "qwen2-1.5b-instruct"),
        ("Qwen3-rk-3588-npu-toolkitv1.1.1.rkllm", "qwen3"),
        ("decoder_qwen3.w8a8.rk3588.rkllm", "decoder_qwen3"),
        ("Qwen3W8A8.rkllm", "qwen3"),
        ("qwen3/rk3588/w8a8.rkllm", "qwen3"),
        ("rk3588/language_model_w8a8.rkllm", ""),
        ("q4_k_m/model-00001-of-00002.gguf", ""),
        ("llm.rkllm", ""),
        ("TinyLlama-1.1B-Chat-v1.0-rk3588-w8a8.rkllm", "tinyllama-1.1b-chat-v1.0"),
    ],
)
def test_what_remains_of_a_file_name_is_the_model(path: str, stem: str) -> None:
    """Without type, chip, tuning, toolkit and cores; a folder tells where the file does not."""
    assert stem_of(path) == stem


@pytest.mark.parametrize(
    ("repository", "kind", "name"),
    [
        ("o/Qwen3-4B-Base-rk3576-w4a16-v1.2.3-RKLLM", "w4a16", "qwen3-4b-base-w4a16"),
        ("o/RK3588-NPU-Qwen3-4B", "w8a8", "qwen3-4b-w8a8"),
        ("o/Qwen3-4B-3588", "w8a8", "qwen3-4b-w8a8"),
        ("o/Qwen3-4B-w8a8-g128-rk-3588", "w8a8_g128", "qwen3-4b-w8a8-g128"),
        ("o/Llama-3.2-3B-RK3588-RKLLM-toolkit-v1.2.0b1", "w8a8", "llama-3.2-3b-w8a8"),
        ("o/Qwen2.5-Omni-rkllm-v120", "", "qwen2.5-omni"),
        ("o/Qwen3-0.6B-w4a16.rv1126b.rkllm", "w4a16", "qwen3-0.6b-w4a16"),
    ],
)
def test_local_names_are_the_models(repository: str, kind: str, name: str) -> None:
    """No chip, no toolkit, no packaging, the type once, however each is spelt."""
    assert local_name(repository, kind) == name


@pytest.mark.parametrize(
    "name", ["rkllm-models", "RKLLM_models", "rk3588", "models-rkllm-1.2.3", "RK-3588-LLMs"]
)
def test_a_repository_of_everything_tells_nothing(name: str) -> None:
    """Then a file gives the name."""
    assert tells_nothing(f"user/{name}")


def test_one_model_in_many_ways_is_no_collection() -> None:
    """Types, chips, toolkits and tunings are of one; another size or family makes several."""
    one = [
        "Qwen3-4B-rk3588-w8a8-opt-1-hybrid-ratio-0.0.rkllm",
        "rk3576/Qwen3-4B_w4a16_g128_1.2.2.rkllm",
        "Qwen3-4B-Q4_K_M.gguf",
        "qwen3-4b.i1-IQ3_XXS.gguf",
    ]
    assert not is_collection(one)
    assert is_collection([*one, "Qwen3-0.6B-w8a8.rkllm"])
    assert is_collection([*one, "gemma-3-4b-w8a8.rkllm"])
