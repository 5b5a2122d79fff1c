"""What Show tells of a model's files."""

from __future__ import annotations

from pathlib import Path

import pytest

from rkd.library.facts import facts_of
from rkd.model import Details, Format, Model, ModelName, ModelState, Recipe, WeightsFile
from tests.unit.library.folders import put
from tests.unit.weights.gguf_bytes import LLAMA, build


def model(path: Path, **more: object) -> Model:
    """A model of one weights file."""
    kind = Format.GGUF if path.suffix == ".gguf" else Format.RKLLM
    weights = (WeightsFile(path, kind, 1, 0),)
    return Model(ModelName("x"), path.parent, ModelState.READY, weights, **more)  # type: ignore[arg-type]


def test_the_modelfiles_template_wins_then_the_folders_then_the_weights(tmp_path: Path) -> None:
    """In the order in which a run takes them."""
    path = put(tmp_path / "x.gguf", build())
    own = facts_of(model(path)).template
    put(tmp_path / "tokenizer_config.json", '{"chat_template": "config"}')
    config = facts_of(model(path)).template
    put(tmp_path / "chat_template.jinja", "file")
    file = facts_of(model(path)).template
    said = facts_of(model(path, recipe=Recipe(template="modelfile"))).template

    assert [own, config, file, said] == ["{{ messages }}", "config", "file", "modelfile"]


def test_long_values_and_arrays_are_left_to_programs(tmp_path: Path) -> None:
    """People see a line."""
    text = build({**LLAMA, "general.description": "x" * 1000})
    metadata = facts_of(model(put(tmp_path / "x.gguf", text))).metadata

    assert len(metadata["general.description"]) == 400
    assert "tokenizer.ggml.tokens" not in metadata
    assert "tokenizer.chat_template" not in metadata


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{ messages }}", ("completion", "chat")),
        ("{% if tools %}", ("completion", "chat", "tools")),
        ("{% if enable_thinking %}", ("completion", "chat", "thinking")),
    ],
)
def test_the_template_tells_what_a_model_can_do(
    tmp_path: Path, template: str, expected: tuple[str, ...]
) -> None:
    """Tools and thinking are things of the template."""
    path = put(tmp_path / "x.gguf", b"?")

    assert facts_of(model(path, recipe=Recipe(template=template))).capabilities == expected


def test_without_a_template_it_completes(tmp_path: Path) -> None:
    """Unless the NPU's runtime brings one."""
    cpu = facts_of(model(put(tmp_path / "x.gguf", b"?"))).capabilities
    npu = facts_of(model(put(tmp_path / "x.rkllm", b"?"))).capabilities

    assert (cpu, npu) == (("completion",), ("completion", "chat"))


def test_an_embedding_model_embeds(tmp_path: Path) -> None:
    """And nothing else."""
    path = put(tmp_path / "x.gguf", b"?")

    assert facts_of(model(path, details=Details(architecture="bert"))).capabilities == (
        "embedding",
    )


def test_files_that_cannot_be_read_are_left_out(tmp_path: Path) -> None:
    """A broken configuration and missing weights fail nothing."""
    put(tmp_path / "tokenizer_config.json", "{")

    assert facts_of(model(tmp_path / "gone.rkllm")).metadata == {}
    assert facts_of(model(tmp_path / "gone.gguf")).template == ""


def test_the_template_beside_is_the_one_a_run_takes(tmp_path: Path) -> None:
    """Of several in one file the usual one; its own file wins over the configuration."""
    path = put(tmp_path / "x.rkllm", b"?")
    listed = '[{"name": "tool_use", "template": "tools"}, {"name": "default", "template": "usual"}]'
    put(tmp_path / "tokenizer_config.json", f'{{"chat_template": {listed}}}')
    several = facts_of(model(path)).template
    put(tmp_path / "chat_template.json", '{"chat_template": "own"}')

    assert [several, facts_of(model(path)).template] == ["usual", "own"]
