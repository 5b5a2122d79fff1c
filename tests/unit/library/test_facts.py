"""What Show tells of a model's files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from rkd.capability.template import TemplateTraits
from rkd.capability.traits import traits_of
from rkd.inference import LoadSpec
from rkd.library.facts import facts_of
from rkd.model import (
    BackendKind,
    Details,
    Format,
    Model,
    ModelName,
    ModelState,
    Recipe,
    WeightsFile,
)
from tests.unit.library.folders import put
from tests.unit.weights.gguf_bytes import LLAMA, build


def model(path: Path, **more: object) -> Model:
    """A model of one weights file."""
    kind = Format.GGUF if path.suffix == ".gguf" else Format.RKLLM
    weights = (WeightsFile(path, kind, 1, 0),)
    return Model(ModelName("x"), path.parent, ModelState.READY, weights, **more)  # type: ignore[arg-type]


def test_the_modelfiles_template_wins_then_the_weights_on_the_cpu(tmp_path: Path) -> None:
    """In the order in which a run takes them: files beside a GGUF are not asked."""
    path = put(tmp_path / "x.gguf", build())
    own = facts_of(model(path)).template
    put(tmp_path / "tokenizer_config.json", '{"chat_template": "config"}')
    config = facts_of(model(path)).template
    put(tmp_path / "chat_template.jinja", "file")
    file = facts_of(model(path)).template
    said = facts_of(model(path, recipe=Recipe(template="modelfile"))).template

    assert [own, config, file, said] == ["{{ messages }}"] * 3 + ["modelfile"]


@pytest.mark.parametrize("name", ["chat_template.jinja", "chat_template.json"])
def test_what_is_shown_is_what_the_backend_of_the_run_takes(tmp_path: Path, name: str) -> None:
    """Of a model with weights for both: the NPU takes the file, the CPU what its GGUF holds."""
    gguf, npu = put(tmp_path / "x.gguf", build()), put(tmp_path / "x.rkllm", b"?")
    put(tmp_path / name, "file" if name.endswith("jinja") else '{"chat_template": "file"}')
    both = replace(
        model(gguf),
        weights=(WeightsFile(npu, Format.RKLLM, 1, 0), WeightsFile(gguf, Format.GGUF, 1, 0)),
    )

    loads = [
        LoadSpec(BackendKind.NPU, str(npu), tokenizer_folder=str(tmp_path)),
        LoadSpec(BackendKind.CPU, str(gguf), tokenizer_folder=str(tmp_path)),
    ]
    assert [facts_of(both, load.backend).template for load in loads] == ["file", "{{ messages }}"]
    assert [traits_of(load)[0].plain for load in loads] == [
        TemplateTraits.of("file"), TemplateTraits.of("{{ messages }}"),
    ]  # fmt: skip
    assert facts_of(both).template == "file"


def test_an_empty_template_is_none(tmp_path: Path) -> None:
    """TEMPLATE "" sends messages as they are, whatever the weights bring."""
    path = put(tmp_path / "x.gguf", build())

    assert facts_of(model(path, recipe=Recipe(template=""))).template == ""


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
