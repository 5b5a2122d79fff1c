"""Files beside weights that are no models, by their names."""

from __future__ import annotations

import pytest

from rkd.library.layout import is_projector
from rkd.weights.company import companion


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
