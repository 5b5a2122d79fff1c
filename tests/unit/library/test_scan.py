"""From folders to models."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rkd.errors import Reason, RkdError
from rkd.library.arrival import Sightings, Writer
from rkd.library.layout import Cause
from rkd.library.scan import scan
from rkd.library.snapshot import Snapshot
from rkd.model import Format, ModelName, ModelState
from tests.unit.library.folders import put
from tests.unit.weights.gguf_bytes import build


def look(root: Path, **more: object) -> Snapshot:
    """Scan *root* with a kernel that knows of no writer."""
    judge = Sightings(ask=lambda _path: Writer.NONE).wait_s
    return scan(root, judge, **more)  # type: ignore[arg-type]


def refusal(snapshot: Snapshot, name: str) -> RkdError:
    """The error for whoever uses *name*."""
    refuse = snapshot.by_key[name].refuse
    assert refuse is not None
    return refuse()


class TestStates:
    """What a folder's files make of it."""

    def test_a_gguf_speaks_for_itself(self, tmp_path: Path) -> None:
        """No Modelfile is needed, and the derived one says FROM."""
        put(tmp_path / "x" / "x-q4.gguf")
        described = look(tmp_path).by_key["x"]

        assert described.model.state is ModelState.READY
        assert described.derived
        assert described.model.modelfile_text == "FROM ./x-q4.gguf\n"

    def test_an_rkllm_needs_a_modelfile(self, tmp_path: Path) -> None:
        """The error has the words rkllama's users know, and the command that repairs it."""
        put(tmp_path / "x" / "x.rkllm")
        snapshot = look(tmp_path)
        error = refusal(snapshot, "x")

        assert snapshot.by_key["x"].model.state is ModelState.NEEDS_MODELFILE
        assert error.reason is Reason.MODELFILE_MISSING
        assert "Modelfile not found in 'x' directory." in error.message
        assert "rkctl run x x.rkllm HF_REPO" in error.remedy

    def test_rkllamas_modelfile_is_read(self, tmp_path: Path) -> None:
        """The env form: ready, with the repository and the parameters it names."""
        put(tmp_path / "x" / "x.rkllm")
        text = 'FROM="x.rkllm"\nHUGGINGFACE_PATH="u/r"\nSYSTEM=""\nTEMPERATURE=0.5\n'
        put(tmp_path / "x" / "Modelfile", text)
        model = look(tmp_path).by_key["x"].model

        assert model.state is ModelState.READY
        assert model.recipe.huggingface_path == "u/r"
        assert model.recipe.parameter("temperature") == 0.5

    def test_both_formats_put_the_npu_first(self, tmp_path: Path) -> None:
        """The GGUF is the fallback, whatever FROM names."""
        put(tmp_path / "x" / "a.gguf")
        put(tmp_path / "x" / "z.rkllm")
        put(tmp_path / "x" / "Modelfile", "FROM ./z.rkllm\n")
        weights = look(tmp_path).by_key["x"].model.weights

        assert [file.format for file in weights] == [Format.RKLLM, Format.GGUF]

    def test_from_chooses_among_several(self, tmp_path: Path) -> None:
        """Two GGUFs: the one named."""
        put(tmp_path / "x" / "a.gguf")
        put(tmp_path / "x" / "b.gguf")
        put(tmp_path / "x" / "Modelfile", "FROM ./b.gguf\n")

        assert [f.path.name for f in look(tmp_path).by_key["x"].model.weights] == ["b.gguf"]

    def test_several_without_from_have_to_be_told(self, tmp_path: Path) -> None:
        """Which of two GGUFs is meant is nobody's guess."""
        put(tmp_path / "x" / "a.gguf")
        put(tmp_path / "x" / "b.gguf")

        assert look(tmp_path).by_key["x"].model.state is ModelState.NEEDS_MODELFILE

    def test_a_from_that_is_not_there_is_named(self, tmp_path: Path) -> None:
        """The file is missing: INVALID, and the error says which."""
        put(tmp_path / "x" / "Modelfile", "FROM ./gone.gguf\n")
        snapshot = look(tmp_path)

        assert snapshot.by_key["x"].model.state is ModelState.INVALID
        assert refusal(snapshot, "x").reason is Reason.MODEL_NOT_FOUND
        assert "gone.gguf" in refusal(snapshot, "x").message

    def test_a_bad_modelfile_keeps_its_place(self, tmp_path: Path) -> None:
        """Line and column reach whoever wants to use the model."""
        put(tmp_path / "x" / "x.gguf")
        put(tmp_path / "x" / "Modelfile", "FROM ./x.gguf\nPARAMETER temprature 1\n")
        error = refusal(look(tmp_path), "x")

        assert error.reason is Reason.INVALID_MODELFILE
        assert error.violations[0].field.startswith("line 2")

    def test_a_half_copied_folder_is_incoming(self, tmp_path: Path) -> None:
        """The weights of the folder have a download tool's name."""
        put(tmp_path / "x" / "Modelfile", "FROM ./x.gguf\n")
        put(tmp_path / "x" / "x.gguf.part")

        assert look(tmp_path).by_key["x"].model.state is ModelState.INCOMING

    def test_missing_parts_of_a_split_file_are_incoming(self, tmp_path: Path) -> None:
        """All parts together are one weights file."""
        first = put(tmp_path / "x" / "x-00001-of-00002.gguf")
        before = look(tmp_path).by_key["x"].model
        put(tmp_path / "x" / "x-00002-of-00002.gguf")
        after = look(tmp_path).by_key["x"].model

        assert before.state is ModelState.INCOMING
        assert after.state is ModelState.READY
        assert [(f.path, f.size_bytes) for f in after.weights] == [(first, 14)]

    def test_a_file_being_written_is_incoming(self, tmp_path: Path) -> None:
        """Flat or in a folder, it is listed and not used."""
        for path in (tmp_path / "flat.gguf", tmp_path / "x" / "x.gguf"):
            put(path)
        judge = Sightings(ask=lambda _path: Writer.SOME).wait_s
        found = scan(tmp_path, judge)

        assert {m.name.text: m.state for m in found.models()} == {
            "flat": ModelState.INCOMING,
            "x": ModelState.INCOMING,
        }

    def test_garbage_is_judged_when_loaded(self, tmp_path: Path) -> None:
        """A file that is no GGUF is listed; the engine's own words refuse it later."""
        put(tmp_path / "x" / "x.gguf", b"\0" * 3)

        assert look(tmp_path).by_key["x"].model.state is ModelState.READY


class TestNames:
    """Which folders are models, and what they are called."""

    def test_hidden_and_foreign_folders_are_no_models(self, tmp_path: Path) -> None:
        """Staging is ignored, a folder without weights is told of."""
        put(tmp_path / ".rkd-stage-1" / "x.gguf")
        put(tmp_path / "notes" / "a.txt")
        found = look(tmp_path)

        assert found.by_key == {}
        assert [(left.name, left.cause) for left in found.left] == [("notes", Cause.FOREIGN)]

    def test_rkllamas_tags_become_part_of_the_name(self, tmp_path: Path) -> None:
        """A folder `qwen:1.5b` is listed as `qwen-1.5b`, and `:latest` is dropped."""
        put(tmp_path / "qwen:1.5b" / "x.gguf")
        put(tmp_path / "smol:latest" / "x.gguf")

        assert [model.name.text for model in look(tmp_path).models()] == ["qwen-1.5b", "smol"]

    def test_names_are_unique_ignoring_case(self, tmp_path: Path) -> None:
        """The first in order wins, the other is told of."""
        put(tmp_path / "Foo" / "x.gguf")
        put(tmp_path / "foo" / "x.gguf")
        found = look(tmp_path)

        assert [model.name.text for model in found.models()] == ["Foo"]
        assert [left.name for left in found.left] == ["foo"]

    def test_a_linked_folder_is_a_model(self, tmp_path: Path) -> None:
        """Models on another disk, linked into the folder."""
        put(tmp_path / "disk" / "x.gguf")
        root = tmp_path / "models"
        root.mkdir()
        (root / "linked").symlink_to(tmp_path / "disk")
        (root / "broken").symlink_to(tmp_path / "gone")

        assert [model.name.text for model in look(root).models()] == ["linked"]


class TestRescan:
    """Looking again costs little and misses nothing."""

    def test_unchanged_folders_are_not_described_again(self, tmp_path: Path) -> None:
        """The very same object comes back."""
        put(tmp_path / "x" / "x.gguf")
        first = look(tmp_path)
        second = look(tmp_path, previous=first)

        assert second.by_key["x"] is first.by_key["x"]

    def test_a_changed_modelfile_is_seen(self, tmp_path: Path) -> None:
        """Another version, and another recipe."""
        put(tmp_path / "x" / "x.gguf")
        first = look(tmp_path)
        put(tmp_path / "x" / "Modelfile", "FROM ./x.gguf\nSYSTEM Be brief.\n")
        second = look(tmp_path, previous=first)

        assert second.by_key["x"].model.recipe.system == "Be brief."
        assert second.by_key["x"].model.version != first.by_key["x"].model.version

    def test_only_touched_folders_are_looked_at(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A thousand untouched models cost one listing of the models folder."""
        for number in range(20):
            put(tmp_path / f"m{number}" / "x.gguf")
        first = look(tmp_path)
        looked: list[str] = []
        genuine = os.scandir

        def counting(path: str | Path) -> object:
            looked.append(str(path))
            return genuine(path)

        monkeypatch.setattr(os, "scandir", counting)
        put(tmp_path / "m3" / "Modelfile", "FROM ./x.gguf\n")
        second = look(tmp_path, previous=first, touched=frozenset({"m3"}))

        assert looked == [str(tmp_path), str(tmp_path / "m3")]
        assert not second.by_key["m3"].derived
        assert len(second.by_key) == 20

    def test_what_went_is_gone(self, tmp_path: Path) -> None:
        """A removed folder leaves the snapshot without being named."""
        put(tmp_path / "x" / "x.gguf")
        first = look(tmp_path)
        (tmp_path / "x" / "x.gguf").unlink()
        (tmp_path / "x").rmdir()

        assert look(tmp_path, previous=first, touched=frozenset()).by_key == {}


def test_model_names_of_a_snapshot_are_sorted(tmp_path: Path) -> None:
    """By key, as pages of a list want them."""
    for name in ("b", "A", "c"):
        put(tmp_path / name / "x.gguf")

    assert [m.name for m in look(tmp_path).models()] == [ModelName(n) for n in ("A", "b", "c")]


def test_a_long_modelfile_in_utf16_is_read_whole(tmp_path: Path) -> None:
    """Twice the bytes for the same text: cut at the bound it would be another text."""
    put(tmp_path / "x" / "x.gguf")
    text = "FROM ./x.gguf\nSYSTEM " + "a" * 600_000 + "\n"
    put(tmp_path / "x" / "Modelfile", text.encode("utf-16"))
    model = look(tmp_path).by_key["x"].model

    assert model.state is ModelState.READY
    assert model.recipe.system == "a" * 600_000


class TestLongLooks:
    """What one look has no time for is asked in the next; nobody waits for it."""

    class Clock:
        """Every glance at it takes a second."""

        def __init__(self) -> None:
            self.now_s = 0.0

        def __call__(self) -> float:
            """Tell the time."""
            self.now_s += 1.0
            return self.now_s

    def test_every_model_is_listed_and_the_next_looks_ask_the_rest(self, tmp_path: Path) -> None:
        """Until all headers were read; what was read is not read again."""
        for number in range(20):
            put(tmp_path / f"m{number:02}" / "x.gguf", build())
        found = look(tmp_path, clock=self.Clock())
        asked = [sum(model.details.layers > 0 for model in found.models())]

        assert all(model.state is ModelState.READY for model in found.models())
        assert not found.whole
        while not found.whole:
            before = found
            found = look(tmp_path, previous=before, touched=frozenset(), clock=self.Clock())
            asked.append(sum(model.details.layers > 0 for model in found.models()))
            assert found.by_key["m00"] is before.by_key["m00"]
        assert asked == sorted(set(asked))
        assert 0 < asked[0] < asked[-1] == 20

    def test_a_folder_that_is_named_is_asked_at_once(self, tmp_path: Path) -> None:
        """Whoever wants to use a model gets what its header says."""
        for number in range(20):
            put(tmp_path / f"m{number:02}" / "x.gguf", build())
        first = look(tmp_path, clock=self.Clock())
        then = look(tmp_path, previous=first, touched=frozenset({"m19"}), clock=self.Clock())

        assert not first.by_key["m19"].model.details.layers
        assert then.by_key["m19"].model.details.layers == 2
