"""The .rknn beside an .rkllm: the only one, the one that is named, or none and why."""

from __future__ import annotations

from pathlib import Path

import pytest

from rkd.library.facts import facts_of
from rkd.library.scan import scan
from rkd.model import Model, ModelState
from tests.native import rknn, standin
from tests.unit.library.folders import put

ENV = 'FROM="m.rkllm"\nHUGGINGFACE_PATH=""\nSYSTEM=""\nTEMPERATURE=1.0\n'


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A models folder with the language half of `m`."""
    put(tmp_path / "m" / "Modelfile", ENV)
    standin.weights(tmp_path / "m" / "m.rkllm")
    return tmp_path


def seen(root: Path) -> Model:
    """The model as the library has it."""
    return scan(root, lambda _path, _status: 0.0).by_key["m"].model


def test_the_only_one_is_it(root: Path) -> None:
    """Whatever it is called."""
    rknn.encoder(root / "m" / "anything.RKNN")
    model = seen(root)

    assert model.state is ModelState.READY
    assert model.encoder is not None
    assert model.encoder.path.name == "anything.RKNN"
    assert model.npu_blind_because == ""
    assert facts_of(model).metadata["encoder.file"] == "anything.RKNN"
    assert "vision" in facts_of(model).capabilities


def test_of_several_the_modelfile_names_one(root: Path) -> None:
    """Under the name rkllama's users have."""
    for side in (448, 672):
        rknn.encoder(root / "m" / f"vision_{side}.rknn")
    blind = seen(root)
    assert (blind.state, blind.encoder) == (ModelState.READY, None)
    assert "vision_448.rknn, vision_672.rknn" in blind.npu_blind_because
    assert facts_of(blind).metadata["encoder.problem"] == blind.npu_blind_because

    put(root / "m" / "Modelfile", ENV + 'VISION_ENCODER="./vision_672.rknn"\nIMG_CONTENT="<x>"\n')
    model = seen(root)
    assert model.encoder is not None
    assert model.encoder.path.name == "vision_672.rknn"
    assert model.recipe.parameter("img_content") == "<x>"


def test_what_is_none_is_said(root: Path) -> None:
    """Named and not there; there and something else; text goes on."""
    put(root / "m" / "Modelfile", ENV + 'VISION_ENCODER="gone.rknn"\n')
    rknn.encoder(root / "m" / "other.rknn")
    assert "names gone.rknn, which is not there" in seen(root).npu_blind_because

    put(root / "m" / "Modelfile", ENV)
    put(root / "m" / "other.rknn", b"<html>")
    model = seen(root)
    assert (model.state, model.encoder) == (ModelState.READY, None)
    assert "no .rknn file" in model.npu_blind_because


def test_a_gguf_has_no_encoder(tmp_path: Path) -> None:
    """It is of the NPU's models."""
    put(tmp_path / "m" / "m.gguf", b"GGUF")
    rknn.encoder(tmp_path / "m" / "v.rknn")

    assert seen(tmp_path).encoder is None


def test_a_model_is_whole_when_its_encoder_is(root: Path) -> None:
    """Half of it copied, it is still arriving."""
    rknn.encoder(root / "m" / "v.rknn")
    snapshot = scan(root, lambda path, _status: 2.0 if path.suffix == ".rknn" else 0.0)

    assert snapshot.by_key["m"].model.state is ModelState.INCOMING
