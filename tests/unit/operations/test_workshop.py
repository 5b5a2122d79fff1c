"""The files of a new model, put together in its stage."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from rkd.errors import InvalidInputError, PreconditionError, Reason
from rkd.library.blobs import Blobs
from rkd.operations.workshop import (
    check,
    check_adapters,
    drop_weights,
    is_readable,
    quantization_of,
    take_adapters,
    take_checkpoint,
    take_parent,
    take_weights,
)
from tests.models import tiny, tiny_sight
from tests.unit.library.folders import put, tree

GGUF = b"GGUF\x03\0\0\0"


class FakeBlobs:
    """What was uploaded, by digest; taken by copy, which a name that is there forbids."""

    def __init__(self, folder: Path, **contents: bytes) -> None:
        self._paths = {name: put(folder / name, content) for name, content in contents.items()}

    def path_of(self, digest: str) -> Path | None:
        """Where it lies, if it is there."""
        return self._paths.get(digest)

    def take(self, digest: str, target: Path) -> None:
        """Put it at *target*."""
        if target.exists():
            raise FileExistsError(target)
        target.write_bytes(self._paths[digest].read_bytes())


@pytest.fixture
def stage(tmp_path: Path) -> Path:
    """An empty stage."""
    made = tmp_path / "stage"
    made.mkdir()
    return made


def uploads(tmp_path: Path, **contents: bytes) -> Blobs:
    """A store that holds *contents*."""
    return cast("Blobs", FakeBlobs(tmp_path / "blobs", **contents))


class TestWeights:
    """`take_weights`."""

    def test_names_lose_their_folders_and_a_gguf_gets_its_ending(
        self, tmp_path: Path, stage: Path
    ) -> None:
        """What came with them comes along; of a run before nothing stays."""
        put(stage / "tokenizer.json", b"of the run before")
        blobs = uploads(tmp_path, w=GGUF, t=b"{}")
        taken = take_weights(stage, (("./sub/blob", "w"), ("x/tokenizer.json", "t")), blobs)

        assert taken == (("blob.gguf",), ())
        assert tree(stage) == {"blob.gguf": GGUF, "tokenizer.json": b"{}"}

    def test_the_first_part_stands_for_all(self, tmp_path: Path, stage: Path) -> None:
        """And an .rkllm may stand beside it, whatever its first bytes are."""
        parts = tuple((f"m-0000{n}-of-00002.gguf", "w") for n in (2, 1))
        blobs = uploads(tmp_path, w=GGUF)

        assert take_weights(stage, (*parts, ("m.rkllm", "w")), blobs) == (
            ("m-00001-of-00002.gguf", "m.rkllm"),
            (),
        )

    @pytest.mark.parametrize(
        ("names", "said"),
        [
            (("a/m.gguf", "b/m.gguf"), "the same file name"),
            (("tokenizer.json",), "none of them is"),
            (("readme",), "none of them is"),
            (("a.gguf", "b.gguf"), "one file of a format"),
        ],
    )
    def test_what_is_no_one_model_is_refused(
        self, tmp_path: Path, stage: Path, names: tuple[str, ...], said: str
    ) -> None:
        """Naming the files."""
        store = FakeBlobs(tmp_path / "blobs", x=b"text")
        with pytest.raises(InvalidInputError, match=said):
            take_weights(stage, tuple((name, "x") for name in names), cast("Blobs", store))

    def test_a_projector_needs_its_gguf(self, tmp_path: Path, stage: Path) -> None:
        """It is one by its header and its ending; the first of several is named."""
        sight = tiny_sight.write_projector(tmp_path / "p").read_bytes()
        blobs = uploads(tmp_path, p=sight, w=GGUF)
        both = take_weights(stage, (("sight.gguf", "p"), ("m.gguf", "w")), blobs)
        with pytest.raises(InvalidInputError, match=r"sight\.gguf is a projector"):
            take_weights(stage, (("sight.gguf", "p"), ("m.rkllm", "w")), blobs)

        assert both == (("m.gguf",), ("sight.gguf",))
        assert take_weights(stage, (("odd.rkllm", "p"),), blobs) == (("odd.rkllm",), ())


def test_a_checkpoint_is_put_together_anew(tmp_path: Path, stage: Path) -> None:
    """With its folders, two files in one of them too; what a run before left is gone."""
    put(stage / ".source" / "old.bin", b"")
    blobs = uploads(tmp_path, c=b"{}", w=b"w")
    source = take_checkpoint(stage, (("sub/config.json", "c"), ("sub/m.safetensors", "w")), blobs)

    assert source.name == ".source"
    assert tree(source) == {"sub/config.json": b"{}", "sub/m.safetensors": b"w"}


def test_a_parent_takes_the_place_of_a_run_before(tmp_path: Path, stage: Path) -> None:
    """Files and folders of it go."""
    put(stage / "old" / "x", b"")
    put(stage / "old.gguf", b"")
    put(tmp_path / "parent" / "m.gguf", GGUF)
    take_parent(stage, tmp_path / "parent")

    assert tree(stage) == {"m.gguf": GGUF}


class TestAdapters:
    """`take_adapters` and `check_adapters`."""

    def test_they_get_their_plain_names(self, tmp_path: Path, stage: Path) -> None:
        """A GGUF whatever it is called, an .rkllm by its name; over those of a run before."""
        put(stage / "lora", b"old")
        blobs = uploads(tmp_path, g=GGUF, r=b"rkllm")
        placed = take_adapters(stage, (("./a/lora", "g"), ("b.RKLLM", "r")), blobs)

        assert placed == {"./a/lora": "lora", "b.RKLLM": "b.RKLLM"}
        assert tree(stage) == {"lora": GGUF, "b.RKLLM": b"rkllm"}

    @pytest.mark.parametrize("digest", ["x", "nowhere"])
    def test_anything_else_is_refused(self, tmp_path: Path, stage: Path, digest: str) -> None:
        """Naming the way out."""
        with pytest.raises(PreconditionError, match="is no GGUF") as error:
            take_adapters(stage, (("lora.bin", digest),), uploads(tmp_path, x=b"text"))

        assert error.value.reason is Reason.CAPABILITY_UNSUPPORTED

    def test_one_that_was_not_brought_is_named(self, stage: Path) -> None:
        """What is there is no matter."""
        put(stage / "here.gguf", GGUF)
        check_adapters(stage, ("./x/here.gguf",))
        with pytest.raises(InvalidInputError, match=r"gone\.gguf"):
            check_adapters(stage, ("./here.gguf", "./gone.gguf"))


def test_weights_that_are_none_are_refused(stage: Path) -> None:
    """By their header, of either format."""
    with pytest.raises(InvalidInputError) as error:
        check(put(stage / "m.rkllm", b"<html>"))

    assert error.value.reason is Reason.WEIGHTS_INVALID
    assert check(tiny.write(stage / "m.gguf")) == ()


@pytest.mark.parametrize(
    ("name", "head", "readable"),
    [
        ("m.gguf", GGUF, True),
        ("m.gguf", b"GGUF\0\0\0\x02", True),
        ("m.gguf", b"GGUF\x63\0\0\0", False),
        ("m.gguf", b"<html>\0\0", True),
        ("m.rkllm", b"GGUF\x63\0\0\0", True),
    ],
)
def test_only_a_gguf_of_tomorrow_is_left_to_its_engine(
    stage: Path,
    name: str,
    head: bytes,
    readable: bool,  # noqa: FBT001 - a table's column
) -> None:
    """In either order of bytes; what is none is judged."""
    assert is_readable(put(stage / name, head)) is readable


def test_the_type_of_a_gguf_is_read_from_its_header(stage: Path) -> None:
    """Not from its name."""
    assert quantization_of(tiny.write(stage / "m-Q4_0.gguf")) == "F32"


def test_all_parts_of_what_was_quantized_go(stage: Path) -> None:
    """And nothing that only looks like them."""
    for name in ("m-00001-of-00002.gguf", "m-00002-of-00002.gguf", "n-00001-of-00002.gguf", "x"):
        put(stage / name, b"")
    drop_weights(stage, "m-00001-of-00002.gguf")

    assert set(tree(stage)) == {"n-00001-of-00002.gguf", "x"}


def test_one_model_has_one_projector(tmp_path: Path, stage: Path) -> None:
    """Two are refused by their names, whichever fits; one is told apart from the weights."""
    text = tiny_sight.write_text(tmp_path / "t.gguf").read_bytes()
    eyes = tiny_sight.write_projector(tmp_path / "p.gguf").read_bytes()
    blobs = uploads(tmp_path, t=text, p=eyes)
    taken = take_weights(stage, (("a.gguf", "t"), ("b.gguf", "p")), blobs)

    assert taken == (("a.gguf",), ("b.gguf",))
    with pytest.raises(InvalidInputError, match=r"one projector, not b\.gguf, c\.gguf"):
        take_weights(stage, (("a.gguf", "t"), ("b.gguf", "p"), ("c.gguf", "p")), blobs)
