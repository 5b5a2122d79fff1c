"""What names tell of weights, as people write them."""

from __future__ import annotations

import pytest

from rkd.weights.named import context_in, parameters_in, platform_in

CHIPS = {
    "rk3588": [
        "rk3588s",
        "RK3588S2",
        "rk3588j",
        "RK3588-NPU",
        "rk3588npu",
        "rk-3588",
        "rk_3588",
        "RK 3588",
        "3588",
        "Qwen3-4B-3588",
        "qwen-3588s-w8a8.rkllm",
        "AIBOX-3588",
        "Rockchip3588",
        "qwen2.5rk3588",
        "Qwen3-rk3588w8a8",
        "Qwen3-4B-rk3588-1.2.1-unsloth-16k",
        "RK3588/RK3588S",
        "rkllm_3588_npu",
    ],
    "rk3576": ["rk3576", "RK3576S", "rk3576j", "3576", "decoder_qwen3.w8a8.rk3576.rkllm"],
    "rk3562": ["rk3562", "RK-3562J", "qwen2-3562"],
    "rk3566": ["rk3566", "RK3566-2GB"],
    "rk3568": ["rk3568b2", "3568"],
    "rv1126b": ["rv1126b", "RV1126B-P", "rv1126bp", "RK1126B", "Qwen3-0.6B-w4a16.rv1126b.rkllm"],
    "rv1126": ["rv1126"],
    "rk1828": ["rk1828", "Qwen3-RK1828"],
    "": [
        "rk3588-rk3576",
        "rk3588_3576",
        "RK3588&RK3576",
        "rk35xx",
        "step-3588",
        "checkpoint-3576",
        "gemma-35880",
        "v1.3588",
        "Qwen3-4B-Instruct-2507",
    ],
}


@pytest.mark.parametrize(("chip", "name"), [(one, name) for one in CHIPS for name in CHIPS[one]])
def test_the_chip_is_read_in_every_spelling(chip: str, name: str) -> None:
    """Letters of a variant, separators and packaging do not matter; of two it is neither."""
    assert platform_in(name) == chip


def test_a_number_in_a_page_is_no_chip() -> None:
    """In a text the chip has its letters."""
    assert platform_in("Downloaded 3588 times; made for the RK3576.", name=False) == "rk3576"
    assert platform_in("Downloaded 3588 times.", name=False) == ""


@pytest.mark.parametrize(
    ("name", "billions"),
    [
        ("internlm2_5-1_8b-chat", 1.8),
        ("stablelm-2-zephyr-1_6b", 1.6),
        ("qwen2_1_5b", 1.5),
        ("qwen2_5_1_5b_instruct", 1.5),
        ("qwen2_5_7b", 7),
        ("Qwen2-1___5B-Instruct_W8A8_RK3588", 1.5),
        ("Llama_3_2_1B", 1),
        ("Llama_3_1_8B", 8),
        ("InternVL3_5_2B", 2),
        ("InternVL3_5-2B", 2),
        ("llama2_7b_chat", 7),
        ("qwen3vl_2b_w8a8", 2),
        ("vieneu_03b_w8a8_rk3588", 0.3),
        ("qwen25-05b", 0.5),
        ("rwkv-7-world-1b5", 1.5),
        ("RWKV-x060-World-1B6", 1.6),
        ("gemma-3n-E4B-it", 4),
        ("gemma3n-e2b", 2),
        ("gemma-4-E2B-it-UD-Q4_K_XL", 2),
        ("Qwen3-30B-A3B-Instruct-2507", 30),
        ("Qwen3-35BA3B", 35),
        ("LFM2-8B-A1B", 8),
        ("DeepSeekOCR-3B-A570M", 3),
        ("granite-3.0-1b-a400m", 1),
        ("OLMoE-1B-7B-0924", 7),
        ("Mixtral-8x7B-Instruct", 56),
        ("gemma-3-270m-it", 0.27),
        ("SmolLM2-135M-Instruct", 0.135),
        ("1.5b-instruct", 1.5),
        ("smolvlm2-2.2b-instruct", 2.2),
        ("dolphin-2.9.2-qwen2-7b-rk3588-1.1.1", 7),
        ("Llama-3-2-3B", 3),
        ("Yi-1.5-6B", 6),
        ("bitnet-b1.58-2B-4T", 2),
        ("llama3.1:8b", 8),
        ("gemma-3-4b-it-qat-4bit", 4),
        ("Qwen2.5-14B-Instruct-1M", 14),
        ("Qwen_Qwen3-0.6B-w8a8-opt0-hybrid0-npu3-ctx16384-rk3588", 0.6),
        ("Qwen3-4B-3588", 4),
        ("ERNIE-4.5-0.3B-PT", 0.3),
        ("phi-2", 0),
        ("bge-m3", 0),
        ("Qwen2.5-Instruct-1M", 0),
        ("siglip-so400m", 0),
        ("Q4_0_4_8", 0),
        ("w8a8_g128", 0),
        ("qwen-4bit", 0),
    ],
)
def test_the_size_is_read_in_every_spelling(name: str, billions: float) -> None:
    """Points, underscores, mixtures of experts; versions beside it are none."""
    assert parameters_in(name) == round(billions * 1e9)


@pytest.mark.parametrize(
    ("name", "tokens"),
    [
        ("Qwen3-4B-rk3588-1.2.1-unsloth-16k", 16_384),
        ("gemma-4-e2b-it-w8a8-8k.rkllm", 8_192),
        ("Qwen3.5-4B_w8a8_rk3588_ctx4096.rkllm", 4_096),
        ("gemma-4-E2B-it-RKLLM-RK3588-W8A8-ctx16k", 16_384),
        ("Qwen3-0.6B-w8a8-opt0-hybrid0-npu3-ctx16384-rk3588.rkllm", 16_384),
        ("qwen_4096.rkllm", 4_096),
        ("m-4096ctx-w8a8.rkllm", 4_096),
        ("m-max_context_8192.rkllm", 8_192),
        ("m-context-len-2048.rkllm", 2_048),
        ("m.seq2048.rkllm", 2_048),
        ("rwkv_ctx4096_2026", 4_096),
        ("Qwen3-4B-Instruct-2507", 0),
        ("gemma-3-4b", 0),
        ("m-w8a8_g512.rkllm", 0),
        ("m-1024x768.rkllm", 0),
    ],
)
def test_the_context_is_read_in_every_spelling(name: str, tokens: int) -> None:
    """A date, a size and a picture's side are none."""
    assert context_in(name) == tokens
