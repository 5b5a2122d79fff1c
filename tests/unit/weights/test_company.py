"""Files beside weights that are no models, by their names."""

from __future__ import annotations

import pytest

from rkd.library.layout import is_projector
from rkd.weights.company import companion, companions


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("mmproj-F16.gguf", "a projector"),
        ("Qwen2.5-VL-3B-Instruct-mmproj-f16.gguf", "a projector"),
        ("X.mmproj-f16.gguf", "a projector"),
        ("m.BF16-mmproj.gguf", "a projector"),
        ("qwen2.5-vl-3b-vision-encoder.gguf", "a projector"),
        ("m-imatrix.gguf", "an imatrix"),
        ("imatrix_unsloth.gguf", "an imatrix"),
        ("mtp-m-Q8_0.gguf", "a draft"),
        ("MTP/m-Q8_0.gguf", "a draft"),
        ("my-lora-f16.gguf", "an adapter"),
        ("ggml-vocab-llama.gguf", "a vocabulary"),
        ("x-Q4_K_M-imat.gguf", ""),
        ("x-Q4_K_M-imatrix.gguf", ""),
        ("merged-lora-Q4_K_M.gguf", ""),
        ("ExploraModel-Q4_0.gguf", ""),
        ("Qwen3-VL-2B-Q8_0.gguf", ""),
    ],
)
def test_names_tell_what_is_no_model(name: str, kind: str) -> None:
    """As whole words of the name; a model made with an imatrix, or a merged adapter, is one."""
    assert companion(name) == kind
    if "/" not in name:
        assert is_projector(name) == (kind in {"a projector", "an imatrix"})


ALWAYS = {
    "a projector": [
        "mm-proj-f16.gguf",
        "mm_proj.gguf",
        "mmprojector.gguf",
        "llava-mmprojf16.gguf",
        "projector-f16.gguf",
        "multimodal-projector.gguf",
        "vision_tower.gguf",
        "vision-adapter.gguf",
        "visual-encoder.gguf",
        "audio-encoder-f16.gguf",
        "vision_encoder.rkllm",
        "mmproj/F16.gguf",
    ],
    "an imatrix": [
        "imat.gguf",
        "m.imat.gguf",
        "m-f16.imatrix.gguf",
        "imatrix-bf16.gguf",
        "importance-matrix.gguf",
        "imatrix/calibration.gguf",
    ],
    "an adapter": [
        "agi-answerer-qlora-f16.gguf",
        "m-F16-LoRA.gguf",
        "lora-adapter-q8_0.gguf",
        "adapter_model.gguf",
        "loras/x.gguf",
        "adapters/x-f16.gguf",
        "qwen0.5b_fp16_lora.rkllm",
    ],
    "a draft": [
        "mtp-Qwen3.8-27B-Q4_0.gguf",
        "drafts/x.gguf",
        "draft_model/x.gguf",
        "eagle3/x.gguf",
    ],
    "a control vector": [
        "control-vector.gguf",
        "m-cvector.gguf",
        "steering_vector.gguf",
        "creative-writing_control-vectors-v3.0/x.gguf",
    ],
    "a vocabulary": ["vocab.gguf", "tokenizer.gguf", "m-tokenizer.gguf"],
    "a vocoder": ["WavTokenizer-Large-75-F16.gguf", "vocoder.gguf"],
    "a table of embeddings": ["token_embd.gguf", "embeddings.gguf", "embed_tokens.gguf"],
    "": [
        "m-imatrix-Q4_K_M.gguf",
        "x-IQ2XXS-chat-imatrix.gguf",
        "qwen-NO_LORA-F16.rkllm",
        "m-lora-merged-f16.gguf",
        "flora-7b.gguf",
        "Phi-3-vision-Q4_K_M.gguf",
        "draftsman-7b-Q4_0.gguf",
        "Qwen3-Embedding-0.6B-f16.gguf",
        "bge-m3-q8_0.gguf",
        "language_model.rkllm",
    ],
}


@pytest.mark.parametrize(("kind", "path"), [(one, path) for one in ALWAYS for path in ALWAYS[one]])
def test_every_kind_of_companion_is_told_by_its_name(kind: str, path: str) -> None:
    """In the spellings people use, or by the folder it lies in; alone or beside a model."""
    beside = "base-7b-Q4_K_M.gguf" if path.endswith(".gguf") else "base-7b-w8a8.rkllm"
    assert companion(path) == kind
    assert companions([path, beside]) == ({path: kind} if kind else {})


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("qwen2-vl-vision.gguf", "a projector"),
        ("Qwen2.5-VL-7B-Instruct-vision.gguf", "a projector"),
        ("vision-f16.gguf", "a projector"),
        ("clip-vit-large-f16.gguf", "a projector"),
        ("minicpmv-visual.gguf", "a projector"),
        ("siglip-so400m.gguf", "a projector"),
        ("m-mtp-Q8_0.gguf", "a draft"),
        ("m-0.5B-DRAFT-Q4_0.gguf", "a draft"),
        ("m.drafter.gguf", "a draft"),
        ("Qwen3-8B-EAGLE3.gguf", "a draft"),
        ("m_speculator.gguf", "a draft"),
        ("vision.rkllm", "a projector"),
    ],
)
def test_what_may_be_either_is_one_beside_a_model(path: str, kind: str) -> None:
    """Alone it may be the model itself: `Eagle-7B`, `…-MTP-GGUF`, a repository of drafts."""
    ending = path[path.rindex(".") :]
    assert companions([path]) == {}
    assert companions([path, f"big-70b-w8a8{ending}"]) == {path: kind}


def test_all_types_of_one_model_are_that_model() -> None:
    """Whatever word is in its name; a shard is as good as a file."""
    for word in ("MTP", "Vision", "Draft", "Eagle2"):
        names = [f"m-{word}-{kind}.gguf" for kind in ("Q4_K_M", "Q8_0", "F16")]
        shards = [f"m-{word}-BF16-0000{number}-of-00002.gguf" for number in (1, 2)]
        assert companions([*names, *shards, "mmproj-F16.gguf"]) == {
            "mmproj-F16.gguf": "a projector"
        }


def test_an_adapter_of_the_npu_is_told_by_the_model_beside_it() -> None:
    """It has the model's type in its name; merged into a model it stands alone."""
    model, adapter = "Qwen-1.5B_W8A8_RK3588.rkllm", "Qwen-1.5B_W8A8_RK3588_lora.rkllm"

    assert companions([model, adapter]) == {adapter: "an adapter"}
    assert companions([adapter]) == {}
    tuned = ["tiny_w8a8_opt1-hybrid0.rkllm", "tiny_w8a8_lora.rkllm", "Other_w8a8_lora.rkllm"]
    assert companions(tuned) == {"tiny_w8a8_lora.rkllm": "an adapter"}
    assert companions(["q_w8a8.rkllm", "q_w8a8_merged_lora.rkllm", "q_NO_LORA.rkllm"]) == {}
