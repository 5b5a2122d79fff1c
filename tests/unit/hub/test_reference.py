"""Names of models on the hub as people write them."""

from __future__ import annotations

import pytest

from rkd.errors import InvalidInputError, Reason
from rkd.hub.reference import Reference, local_name, parse, with_revision
from rkd.model import ModelName


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("user/repo", Reference("user/repo")),
        ("user/repo:Q4_K_M", Reference("user/repo", "Q4_K_M")),
        ("user/repo:latest", Reference("user/repo")),
        ("user/repo:folder/x.gguf", Reference("user/repo", "folder/x.gguf")),
        ("hf.co/user/repo:Q8_0", Reference("user/repo", "Q8_0")),
        ("HF.co/user/repo", Reference("user/repo")),
        ("huggingface.co/user/repo", Reference("user/repo")),
        ("https://huggingface.co/user/repo/", Reference("user/repo")),
        (
            "https://huggingface.co/user/repo/blob/main/x-Q4_0.gguf?download=true",
            Reference("user/repo", "x-Q4_0.gguf", "main"),
        ),
        ("https://huggingface.co/user/repo/tree/v2", Reference("user/repo", "", "v2")),
        (
            "HTTPS://HuggingFace.co/user/repo?show_file_info=x-Q4_0.gguf",
            Reference("user/repo", "x-Q4_0.gguf"),
        ),
        (
            "https://huggingface.co/user/repo/tree/main/Q8_0",
            Reference("user/repo", "Q8_0", "main"),
        ),
        ("user/repo/file.rkllm", Reference("user/repo", "file.rkllm")),
        ("mirror.example:8080/user/repo", Reference("user/repo")),
        ("http://mirror.example:8080/user/repo:Q4_0", Reference("user/repo", "Q4_0")),
    ],
)
def test_every_spelling_means_the_same(text: str, expected: Reference) -> None:
    """Hosts, addresses of a browser, rkllama's file form and mirrors are understood."""
    assert parse(text, endpoint="http://mirror.example:8080") == expected


@pytest.mark.parametrize(
    "text", ["", "repo", "a/b/c", "../x", "user/../repo", "/etc/passwd", "user/re po", "a b/c"]
)
def test_what_is_no_repository_is_refused(text: str) -> None:
    """INVALID_FIELD names the field; nothing is asked of the hub."""
    with pytest.raises(InvalidInputError) as caught:
        parse(text)

    assert caught.value.reason is Reason.INVALID_FIELD
    assert caught.value.violations[0].field == "source"


def test_a_revision_asked_for_wins() -> None:
    """Over the one in an address, and that one over main."""
    assert with_revision(Reference("a/b", "", "v1"), "v2").revision == "v2"
    assert with_revision(Reference("a/b", "", "v1"), "").revision == "v1"
    assert with_revision(Reference("a/b"), "").revision == "main"


@pytest.mark.parametrize(
    ("repository", "quantization", "expected"),
    [
        ("Qwen/Qwen2.5-1.5B-Instruct-GGUF", "Q4_K_M", "qwen2.5-1.5b-instruct-q4_k_m"),
        ("org/TinyLlama-rk3588-w8a8", "w8a8", "tinyllama-w8a8"),
        ("org/Qwen3-1.7B-RKLLM-v1.2.3", "w8a8", "qwen3-1.7b-w8a8"),
        ("org/TinyLlama-1.1B-Chat-v1.0-GGUF", "Q4_0", "tinyllama-1.1b-chat-v1.0-q4_0"),
        ("org/model", "", "model"),
        ("org/gguf", "", "gguf"),
        ("org/" + "x" * 140, "Q4_0", "x" * 128),
    ],
)
def test_local_names_are_names(repository: str, quantization: str, expected: str) -> None:
    """A made name is a valid model name, without packaging, with the quantization once."""
    name = local_name(repository, quantization)

    assert name == expected
    assert ModelName.parse(name).text == name


@pytest.mark.parametrize("endpoint", ["https://me:s3cret@mirror.lan:8080", "http://[", "nonsense"])
def test_a_mirror_is_known_by_its_place(endpoint: str) -> None:
    """A password in its address is no part of what people write; one that is none harms none."""
    assert parse("user/repo:Q4_0", endpoint=endpoint) == Reference("user/repo", "Q4_0")
    if "mirror" in endpoint:
        found = parse("https://mirror.lan:8080/user/repo", endpoint=endpoint)
        assert found == Reference("user/repo")
