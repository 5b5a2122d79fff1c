"""Names people bring from elsewhere lead to the one model they mean."""

from __future__ import annotations

from pathlib import Path

import pytest

from rkd.errors import InvalidInputError, NotFoundError
from rkd.library.naming import meant
from rkd.model import Details, Format, Model, ModelName, ModelState, Provenance, WeightsFile


def model(name: str, repository: str = "", quantization: str = "", file: str = "w.gguf") -> Model:
    """A model as the snapshot holds it."""
    return Model(
        ModelName(name),
        Path("/models") / name,
        ModelState.READY,
        weights=(WeightsFile(Path("/models") / name / file, Format.GGUF, 1, 1),),
        details=Details(quantization=quantization),
        provenance=Provenance(repository=repository),
    )


BOARD = (
    model("qwen2.5-1.5b"),
    model("Qwen2.5-3B-Instruct-rk3588-w8a8-opt-0-hybrid-ratio-0.0"),
    model("Qwen2.5-Coder-3B-Instruct-rk3588-w8a8"),
    model("Llama-3.2-1B-Instruct-Q4_K_M"),
    model("deepseek-r1-distill-qwen-7b-w8a8"),
    model("phi-3-mini-4k"),
    model("a-1b-x"),
    model("a-1b-y"),
    model("mix-ud", repository="u/mixes", quantization="Q4_K_M", file="g-UD-Q4_K_XL.gguf"),
    model("mix", repository="u/mixes", quantization="Q4_K_M", file="Q4_K_XL.gguf"),
    model("mix-i1", repository="u/mixes", quantization="Q4_K_M", file="g.i1-Q4_K_M.gguf"),
    model("small-q4", repository="User/Repo-GGUF", quantization="Q4_K_M"),
    model("small-q8", repository="User/Repo-GGUF", quantization="Q8_0", file="r-Q8_0.gguf"),
)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("plain", "plain"),
        ("plain:latest", "plain"),
        ("qwen2.5:1.5b", "qwen2.5-1.5b"),
        ("QWEN2.5:1.5B", "qwen2.5-1.5b"),
        ("qwen2.5:3b", "Qwen2.5-3B-Instruct-rk3588-w8a8-opt-0-hybrid-ratio-0.0"),
        ("qwen2.5-instruct:3b", "Qwen2.5-3B-Instruct-rk3588-w8a8-opt-0-hybrid-ratio-0.0"),
        ("qwen2.5-coder:3b", "Qwen2.5-Coder-3B-Instruct-rk3588-w8a8"),
        ("llama3.2:1b", "Llama-3.2-1B-Instruct-Q4_K_M"),
        ("llama3.2:1b-instruct-q4_K_M", "Llama-3.2-1B-Instruct-Q4_K_M"),
        ("deepseek-r1:7b", "deepseek-r1-distill-qwen-7b-w8a8"),
        ("phi3:mini", "phi-3-mini-4k"),
        ("hf.co/User/Repo-GGUF:Q4_K_M", "small-q4"),
        ("https://huggingface.co/user/repo-gguf:q8_0", "small-q8"),
        ("user/repo-gguf/r-Q8_0.gguf", "small-q8"),
        ("user/repo-gguf:r-Q8_0.gguf", "small-q8"),
        ("<https://hf-mirror.com/user/repo-gguf/resolve/main/q8/r-Q8_0.gguf>", "small-q8"),
        ("user/repo-gguf:q8", "small-q8"),
        ("user/repo-gguf:r-q8-0", "small-q8"),
        ("hf.co/u/mixes:UD-Q4_K_XL", "mix-ud"),
        ("hf.co/u/mixes:Q4_K_XL", "mix"),
        ("u/mixes:i1-Q4_K_M", "mix-i1"),
    ],
)
def test_a_name_leads_to_the_model_it_means(text: str, name: str) -> None:
    """Itself; with a tag the one whose words fit; a repository the model that came from it."""
    assert meant(text, BOARD).text == name


@pytest.mark.parametrize(
    ("text", "listed"), [("a:1b", "a-1b-x, a-1b-y"), ("user/repo-gguf", "small-q4, small-q8")]
)
def test_one_that_means_several_is_refused_with_the_list(text: str, listed: str) -> None:
    """The user chooses, nobody guesses."""
    with pytest.raises(InvalidInputError, match="may mean") as caught:
        meant(text, BOARD)

    assert caught.value.metadata["models"] == listed


@pytest.mark.parametrize(
    "text", ["x:1b", "qwen2.5:", ":1b", "a:b:c", "qwen2.5:9b", "../x", "a b/c"]
)
def test_one_that_means_none_is_no_name(text: str) -> None:
    """With what to do about it."""
    with pytest.raises(InvalidInputError) as caught:
        meant(text, BOARD)

    assert caught.value.reason == "INVALID_NAME"
    assert caught.value.remedy


def test_a_repository_nothing_came_from_is_fetched_by_pull() -> None:
    """The remedy is the command; the metadata what to pull."""
    with pytest.raises(NotFoundError) as caught:
        meant("hf.co/user/other:Q4_K_M", BOARD)

    assert "`rkctl pull hf.co/user/other:Q4_K_M`" in caught.value.remedy
    assert caught.value.metadata["source"] == "hf.co/user/other:Q4_K_M"


def test_long_lists_are_cut() -> None:
    """Ten are named, the others counted."""
    many = [model(f"m-1b-{n:02}") for n in range(15)]
    with pytest.raises(InvalidInputError, match="and 5 more"):
        meant("m:1b", many)


def test_a_text_without_end_is_refused_unread() -> None:
    """Nothing is compared with it."""
    with pytest.raises(InvalidInputError):
        meant("x:" + "1" * 10_000, BOARD)
