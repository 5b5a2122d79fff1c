"""The half that sees, found by its header among the files of a model."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rkd.library.facts import facts_of
from rkd.library.scan import scan
from rkd.model import Model, ModelState
from tests.models import tiny, tiny_sight
from tests.unit.library.folders import LONG_AGO, put

EAR = {"clip.has_vision_encoder": False}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A models folder with the text half of `m`."""
    (tmp_path / "m").mkdir()
    tiny_sight.write_text(tmp_path / "m" / "text.gguf")
    return tmp_path


def seen(root: Path, name: str = "m") -> Model:
    """The model as the library has it."""
    for path in (root / name).iterdir():
        os.utime(path, (LONG_AGO, LONG_AGO))
    return scan(root, lambda _path, _status: 0.0).by_key[name].model


@pytest.mark.parametrize("name", ["mmproj-F16.gguf", "m.BF16-mmproj.gguf", "vision.gguf", "z.gguf"])
def test_a_projector_is_found_by_its_header(root: Path, name: str) -> None:
    """Whatever it is called; the weights stay the weights."""
    tiny_sight.write_projector(root / "m" / name)
    model = seen(root)

    assert model.state is ModelState.READY
    assert [file.path.name for file in model.weights] == ["text.gguf"]
    assert model.projector is not None
    assert model.projector.path.name == name
    assert model.projector.size_bytes == (root / "m" / name).stat().st_size
    assert "vision" in facts_of(model).capabilities
    assert facts_of(model).metadata["projector.kind"] == "mlp"


def test_a_model_called_like_a_projector_is_a_model(root: Path) -> None:
    """Two models need a Modelfile, whatever they are called."""
    tiny.write(root / "m" / "mmproj-not.gguf")
    model = seen(root)

    assert model.state is ModelState.NEEDS_MODELFILE
    assert model.projector is None


def test_of_several_the_modelfile_names_one(root: Path) -> None:
    """Until then pictures are refused with the list, and text goes on."""
    for name in ("mmproj-F16.gguf", "mmproj-Q8_0.gguf"):
        tiny_sight.write_projector(root / "m" / name)
    blind = seen(root)

    assert (blind.state, blind.projector) == (ModelState.READY, None)
    assert "mmproj-F16.gguf, mmproj-Q8_0.gguf" in blind.blind_because
    assert "FROM" in blind.blind_because

    put(root / "m" / "Modelfile", "FROM ./text.gguf\nFROM ./mmproj-Q8_0.gguf\n")
    model = seen(root)
    assert model.state is ModelState.READY
    assert model.projector is not None
    assert model.projector.path.name == "mmproj-Q8_0.gguf"


@pytest.mark.parametrize("name", ["mmproj.gguf", "eyes.gguf"])
def test_a_from_may_name_a_projector_of_any_name(root: Path, name: str) -> None:
    """It is there, though it is no weights; one that is not there is said."""
    put(root / "m" / "Modelfile", f"FROM ./text.gguf\nFROM ./{name}\n")
    tiny_sight.write_projector(root / "m" / name)
    assert seen(root).projector is not None

    (root / "m" / name).unlink()
    model = seen(root)
    assert model.projector is None
    assert name in (model.blind_because or model.reason)


def test_what_would_end_the_engine_is_not_given_to_it(root: Path) -> None:
    """Damaged, of another model, an ear: each with its reason; the text half is ready."""
    path = root / "m" / "mmproj.gguf"
    for how, said in (
        ({"without": ["mm.2.weight"]}, "mm.2.weight is missing"),
        ({"width": 128}, "makes 128 numbers of a patch"),
        ({"instead": EAR}, "has no vision encoder"),
    ):
        tiny_sight.write_projector(path, **how)  # type: ignore[arg-type]
        model = seen(root)
        assert (model.state, model.projector) == (ModelState.READY, None)
        assert said in model.blind_because
        assert facts_of(model).metadata["projector.problem"]
        assert "vision" not in facts_of(model).capabilities

    path.write_bytes(path.read_bytes()[:200])
    assert seen(root).blind_because


def test_an_ear_beside_an_eye_is_passed_over(root: Path) -> None:
    """Only one of them sees."""
    tiny_sight.write_projector(root / "m" / "mmproj-audio.gguf", instead=EAR)
    tiny_sight.write_projector(root / "m" / "mmproj-vision.gguf")
    model = seen(root)

    assert model.projector is not None
    assert model.projector.path.name == "mmproj-vision.gguf"


def test_without_time_for_headers_names_decide(root: Path) -> None:
    """The next look reads them."""
    tiny_sight.write_projector(root / "m" / "mmproj.gguf")
    clock = iter([0.0, *[1e9] * 100])
    put(root / "a" / "text.gguf", "no gguf at all")
    first = scan(root, lambda _path, _status: 0.0, clock=lambda: next(clock))
    again = scan(root, lambda _path, _status: 0.0, previous=first)

    assert first.by_key["m"].sketched
    assert first.by_key["m"].model.projector is not None
    assert again.by_key["m"].model.projector == first.by_key["m"].model.projector
    assert not again.by_key["m"].sketched


def test_a_model_is_whole_when_its_projector_is(root: Path) -> None:
    """Half of it copied, it is still arriving."""
    tiny_sight.write_projector(root / "m" / "mmproj.gguf")
    snapshot = scan(root, lambda path, _status: 2.0 if "mmproj" in path.name else 0.0)

    assert snapshot.by_key["m"].model.state is ModelState.INCOMING


def test_nothing_changes_for_a_model_that_only_reads(root: Path) -> None:
    """No projector, no word about one."""
    model = seen(root)

    assert (model.projector, model.blind_because) == (None, "")
    assert not [key for key in facts_of(model).metadata if key.startswith("projector")]
