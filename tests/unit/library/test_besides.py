"""Files that lie among models and are none: by header once they are here, by name before."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from rkd.library.layout import Cause
from rkd.library.migrate import listing, migrate
from rkd.library.scan import scan
from rkd.library.snapshot import Snapshot
from rkd.model import ModelState
from tests.hub.weights import gguf
from tests.unit.library.folders import put

THINGS = {
    "a vision or audio projector": gguf(2000, "clip", "mmproj"),
    "a LoRA adapter": gguf(2000, kind="adapter"),
    "an imatrix": gguf(2000, "imatrix", "imatrix"),
    "a control vector": gguf(2000, "controlvector"),
    "a draft": gguf(2000, "eagle3"),
    "a vocoder": gguf(2000, "wavtokenizer-dec"),
}
MODEL = gguf(3000)


def whole(_path: Path, _status: os.stat_result) -> float:
    """Nobody writes."""
    return 0.0


def seen(root: Path) -> Snapshot:
    """The folder as the library has it, after its migration."""
    outcome = migrate(root, judge=whole)
    return scan(root, whole, left=outcome.left)


@pytest.mark.parametrize(("thing", "content"), THINGS.items())
@pytest.mark.parametrize("name", ["x.gguf", "big-7b-Q4_K_M.gguf", "mmproj-F16.gguf"])
def test_dropped_flat_it_becomes_no_model(
    tmp_path: Path, thing: str, content: bytes, name: str
) -> None:
    """Whatever it is called; it stays where it is, and is told of."""
    put(tmp_path / name, content)
    put(tmp_path / "real.gguf", MODEL)
    snapshot = seen(tmp_path)

    assert list(snapshot.by_key) == ["real"]
    (left,) = snapshot.left
    assert (left.name, left.cause) == (name, Cause.FOREIGN)
    assert left.text == f"{thing}: put it into the folder of its model"
    assert (tmp_path / name).read_bytes() == content


@pytest.mark.parametrize("name", ["mmproj-F16.gguf", "m-imatrix.gguf", "m-lora-f16.gguf"])
def test_a_model_is_one_whatever_it_is_called(tmp_path: Path, name: str) -> None:
    """Its header decides, flat and in its folder."""
    put(tmp_path / name, MODEL)
    snapshot = seen(tmp_path)

    (one,) = snapshot.by_key.values()
    assert (one.model.state, one.model.weights[0].path.name) == (ModelState.READY, name)


def test_what_has_no_header_is_what_its_name_says(tmp_path: Path) -> None:
    """A projector that is damaged is no model either."""
    put(tmp_path / "X.mmproj-f16.gguf", "no gguf at all")
    put(tmp_path / "other.gguf", "no gguf at all")

    assert [one.name for one in seen(tmp_path).left] == ["X.mmproj-f16.gguf"]


def test_a_folder_of_the_hub_is_one_model(tmp_path: Path) -> None:
    """With all that lies beside weights there, under names that tell and names that do not."""
    for number, content in enumerate(THINGS.values()):
        put(tmp_path / "m" / f"part{number}.gguf", content)
    put(tmp_path / "m" / "mtp-m-Q8_0.gguf", MODEL)
    put(tmp_path / "m" / "imatrix.dat", "x")
    put(tmp_path / "m" / "m-Q4_K_M.gguf", MODEL)
    model = seen(tmp_path).by_key["m"].model

    assert model.state is ModelState.READY
    assert [file.path.name for file in model.weights] == ["m-Q4_K_M.gguf"]


def test_a_folder_for_the_npu_is_one_model(tmp_path: Path) -> None:
    """An encoder and an adapter beside the language model, told by their names; FROM wins."""
    folder = tmp_path / "m"
    for name in ("llm_w8a8.rkllm", "llm_w8a8_lora.rkllm", "vision_encoder.rkllm"):
        put(folder / name)
    put(folder / "eyes.gguf", THINGS["a vision or audio projector"])
    put(folder / "Modelfile", 'FROM="llm_w8a8.rkllm"\nHUGGINGFACE_PATH=""\n')
    model = seen(tmp_path).by_key["m"].model
    assert model.state is ModelState.READY
    assert [file.path.name for file in model.weights] == ["llm_w8a8.rkllm"]

    put(folder / "Modelfile", 'FROM="llm_w8a8_lora.rkllm"\nHUGGINGFACE_PATH=""\n', age=time.time())
    model = seen(tmp_path).by_key["m"].model
    assert [file.path.name for file in model.weights] == ["llm_w8a8_lora.rkllm"]


@pytest.mark.parametrize(("thing", "content"), THINGS.items())
def test_alone_in_a_folder_it_is_no_model(tmp_path: Path, thing: str, content: bytes) -> None:
    """It is left with its reason; where a Modelfile names it, that is refused."""
    put(tmp_path / "odd" / "x.gguf", content)
    snapshot = seen(tmp_path)
    assert not snapshot.by_key
    assert [(one.name, one.cause) for one in snapshot.left] == [("odd", Cause.FOREIGN)]

    put(tmp_path / "odd" / "Modelfile", "FROM ./x.gguf\n")
    snapshot = seen(tmp_path)
    if thing == "a vision or audio projector":
        assert snapshot.by_key["odd"].model.state is not ModelState.READY
        return
    one = snapshot.by_key["odd"]
    assert (one.model.state, one.model.reason) == (
        ModelState.INVALID,
        f"x.gguf is {thing}, not a model",
    )
    assert one.refuse is not None
    assert "ADAPTER" in one.refuse().remedy


def test_a_file_that_changes_is_asked_again(tmp_path: Path) -> None:
    """Under the same name another header is another thing."""
    put(tmp_path / "x.gguf", THINGS["an imatrix"])
    assert not seen(tmp_path).by_key

    put(tmp_path / "x.gguf", MODEL, age=time.time())
    assert list(seen(tmp_path).by_key) == ["x"]


def test_headers_are_asked_for_so_long_and_no_longer(tmp_path: Path) -> None:
    """Then names tell: a folder full of flat files holds up no start."""
    for name in ("a.gguf", "b.gguf", "c.gguf"):
        put(tmp_path / name, THINGS["an imatrix"])
    clock = iter([0.0, 0.0, *[1e9] * 9])
    entries = listing(tmp_path, whole, clock=lambda: next(clock)).entries

    assert sorted(one.besides or "-" for one in entries) == ["-", "-", "an imatrix"]
