"""A FROM is classified by its text: path, model of the board, repository of the hub."""

from __future__ import annotations

from pathlib import Path

import pytest

from rkd.modelfile.source import SourceKind, classify, repository_of


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("/abs/x.gguf", SourceKind.PATH),
        ("./x", SourceKind.PATH),
        ("../x", SourceKind.PATH),
        (".", SourceKind.PATH),
        ("~/x", SourceKind.PATH),
        ("x.gguf", SourceKind.PATH),
        ("X.RKLLM", SourceKind.PATH),
        ("dir/x", SourceKind.PATH),
        ("my model", SourceKind.PATH),
        ("smollm2", SourceKind.MODEL),
        ("smollm2:latest", SourceKind.MODEL),
        ("llama3.2:1b", SourceKind.MODEL),
        ("hf.co/user/repo", SourceKind.HUB),
        ("hf.co/user/repo:Q4_K_M", SourceKind.HUB),
    ],
)
def test_kind(text: str, kind: SourceKind) -> None:
    """Endings and slashes say path, a plain name says model, the hub's hosts say hub."""
    assert classify(text).kind is kind


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hf.co/u/r:Q4_K_M", ("u/r", "Q4_K_M", "", "")),
        ("https://huggingface.co/u/r.x-1", ("u/r.x-1", "", "", "")),
        ("huggingface.co/u/r@main:q8_0", ("u/r", "q8_0", "", "main")),
        (
            "https://huggingface.co/u/r/resolve/abc/d/x.gguf?download=true",
            ("u/r", "", "d/x.gguf", "abc"),
        ),
        ("https://huggingface.co/u/r/tree/main", ("u/r", "", "", "main")),
        ("hf.co/u/r/x.rkllm", ("u/r", "", "x.rkllm", "")),
        ("hf.co/u/r:x.rkllm", ("u/r", "x.rkllm", "", "")),
        ("hf://u/r", ("u/r", "", "", "")),
    ],
)
def test_hub_parts(text: str, expected: tuple[str, str, str, str]) -> None:
    """Repository, quantization, file and revision are read from every way to write them."""
    found = classify(text)

    assert (found.repository, found.selector, found.file, found.revision) == expected


@pytest.mark.parametrize(
    ("text", "repository"),
    [("u/r", "u/r"), ("https://huggingface.co/u/r/tree/main", "u/r"), ("u", ""), ("../..", "")],
)
def test_repository_of(text: str, repository: str) -> None:
    """A HUGGINGFACE_PATH is `user/repo` or any URL of it."""
    assert repository_of(text) == repository


def test_relative_to_the_modelfile() -> None:
    """A relative path is meant from the Modelfile's folder."""
    assert classify("./x.gguf").path(Path("/models/m")) == Path("/models/m/x.gguf")
    assert classify("/y.gguf").path(Path("/models/m")) == Path("/y.gguf")
