"""Addresses of repositories in the shapes people paste."""

from __future__ import annotations

import pytest

from rkd.modelfile.address import Address, ElsewhereError, names_hub, read

HUB = "https://huggingface.co/"
COMMIT = "a" * 40
PLAIN = Address("user/repo")
FILE = Address("user/repo", path="x.gguf", revision="main")

WRITTEN: dict[Address, list[str]] = {
    PLAIN: [
        "user/repo",
        "  user/repo/ ",
        "'user/repo'",
        "`user/repo`",
        "“user/repo”",
        "<https://huggingface.co/user/repo>",
        "[the model](https://huggingface.co/user/repo)",
        "https://huggingface.co/user/repo.",
        "https://huggingface.co/user/repo),",
        "user/repo\u200b",
        "\ufeffuser/repo",
        "HTTPS://HUGGINGFACE.CO/user/repo",
        "https:/huggingface.co/user/repo",
        "https://www.hf.co//user/repo",
        "https://huggingface.co:443/user/repo",
        "https://me:secret@huggingface.co/user/repo",
        "https://hf-mirror.com/user/repo",
        "hf-mirror.com/user/repo",
        "hf://user/repo",
        "hf://models/user/repo",
        "hf:user/repo",
        "git@hf.co:user/repo.git",
        "https://huggingface.co/user/repo.git",
        "https://huggingface.co/api/models/user/repo",
        "https://huggingface.co/user/repo/discussions",
        "https://huggingface.co/user/repo/discussions/3#65",
        "https://huggingface.co/user/repo?library=llama-cpp-python",
        "https://huggingface.co/user/repo?local-app=ollama#usage",
        "https://huggingface.co/user/repo/tree",
        "user/repo:latest",
        "%75ser/repo",
    ],
    Address("user/repo", revision="main"): [
        f"{HUB}user/repo/tree/main",
        f"{HUB}user/repo/tree/main/",
        f"{HUB}user/repo/commits/main",
        "user/repo@main",
    ],
    Address("user/repo", revision=COMMIT): [f"{HUB}user/repo/commit/{COMMIT}"],
    Address("user/repo", revision="refs/pr/1"): [
        f"{HUB}user/repo/tree/refs%2Fpr%2F1",
        f"{HUB}user/repo/tree/refs/pr/1",
        "user/repo@refs/pr/1",
    ],
    FILE: [
        f"{HUB}user/repo/blob/main/x.gguf",
        f"{HUB}user/repo/resolve/main/x.gguf?download=true",
        f"{HUB}user/repo/raw/main/x.gguf",
        f"{HUB}user/repo/blame/main/x.gguf",
        f"{HUB}user/repo/blob/main/x.gguf)",
        f"{HUB}user/repo/tree/main?show_file_info=x.gguf",
        "hf-mirror.com/user/repo/resolve/main/x.gguf",
        "user/repo/blob/main/x.gguf",
    ],
    Address("user/repo", path="a b/x.rkllm", revision="v1"): [
        f"{HUB}user/repo/blob/v1/a%20b/x.rkllm"
    ],
    Address("user/repo", path="rk3588", revision="main"): [f"{HUB}user/repo/tree/main/rk3588"],
    Address("user/repo", path="x.gguf"): [
        "user/repo/x.gguf",
        "hf://user/repo/x.gguf",
        f"{HUB}user/repo?show_file_info=x.gguf",
    ],
    Address("user/repo", tag="Q4_K_M"): [
        "user/repo:Q4_K_M",
        "user/repo:Q4_K_M/",
        "user/repo: Q4_K_M",
        '"hf.co/user/repo:Q4_K_M"',
        "huggingface.co/user/repo:Q4_K_M",
    ],
    Address("user/repo", tag="Q4_0", revision="v1.0"): [
        "user/repo@v1.0:Q4_0",
        f"{HUB}user/repo/tree/v1.0:Q4_0",
    ],
    Address("user/repo", tag="folder/x.gguf"): ["user/repo:folder/x.gguf"],
}


@pytest.mark.parametrize(
    ("address", "text"), [(one, text) for one in WRITTEN for text in WRITTEN[one]]
)
def test_every_shape_means_its_repository(address: Address, text: str) -> None:
    """Pages of the hub, mirrors of it, other tools' spellings, and what is pasted around them."""
    assert read(text) == address


@pytest.mark.parametrize(
    ("text", "why", "remedy"),
    [
        ("qwen3:8b", "one has an owner", "rkctl search qwen3 8b"),
        ("llama3.2", "one has an owner", "rkctl search llama3.2"),
        (f"{HUB}gpt2", "one has an owner", "rkctl search gpt2"),
        ("https://ollama.com/library/qwen3:8b", "Ollama's library", "rkctl search qwen3 8b"),
        ("registry.ollama.ai/library/qwen3", "Ollama's library", "rkctl search qwen3"),
        ("https://www.modelscope.cn/models/u/Qwen3-4B/files", "ModelScope", "search Qwen3 4B;"),
        ("modelscope.cn/models/u/r/resolve/master/x.gguf", "ModelScope", "rkctl search r;"),
        ("github.com/user/repo", "GitHub", "rkctl search repo"),
        ("https://example.com/user/repo", "another place", "rkctl search repo"),
        ("https://cdn-lfs.hf.co/repos/a/b", "another place", "rkctl search"),
        (f"{HUB}datasets/user/repo", "the hub's datasets", "user/repo"),
        (f"{HUB}spaces/user/repo", "the hub's spaces", "user/repo"),
        (f"{HUB}collections/user/x-1", "the hub's collections", "user/repo"),
        ("ms://user/repo", "no address of the hub", "user/repo"),
        *(
            (text, "names no repository", "user/repo:Q4_K_M")
            for text in ("", "''", "/", "/etc/passwd", "./user/repo", "../x", "user//repo")
        ),
        *(
            (text, "names no repository", "user/repo:Q4_K_M")
            for text in ("a/b/c", "user/re po", "юзер/репо", "user/../repo", "a.b/c..d", "user-/r")
        ),
        ("user/repo/blob/main/../../x.gguf", "names no repository", "user/repo"),
        ("user/repo/blob/main/%2e%2e/x.gguf", "names no repository", "user/repo"),
        ("user%2F..%2F/repo", "names no repository", "user/repo"),
    ],
)
def test_what_is_elsewhere_is_told_with_a_way_out(text: str, why: str, remedy: str) -> None:
    """Another hub's page is never taken for an owner and a repository."""
    with pytest.raises(ElsewhereError) as caught:
        read(text)

    assert why in caught.value.why
    assert remedy in caught.value.remedy


def test_a_mirror_is_a_host() -> None:
    """The one that is set; host and port as in its address."""
    assert read("mirror.lan:8080/user/repo", mirror="mirror.lan:8080") == PLAIN
    assert read("http://Mirror.lan:8080/user/repo", mirror="mirror.lan:8080") == PLAIN
    with pytest.raises(ElsewhereError):
        read("http://mirror.lan:8080/user/repo")


@pytest.mark.parametrize(
    "text", ["hf.co/u/r", "HTTPS://hf-mirror.com/u/r", "hf://u/r", "'hf.co/u'"]
)
def test_the_hub_is_known_by_its_beginning(text: str) -> None:
    """A FROM that names it is no path."""
    assert names_hub(text)
    assert not names_hub(f"./{text}")
    assert not names_hub("dir/x")
