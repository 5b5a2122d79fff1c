"""What kind of work a create is, and what it may not ask for."""

from __future__ import annotations

import json
from pathlib import PurePosixPath

import pytest

from rkd.errors import InvalidInputError, Reason
from rkd.model import ModelName
from rkd.operations.order import MAX_FILES, CreateOrder, Work, file_name, inside

DIGEST = "sha256:" + "0" * 64


def order(modelfile: str = "", *files: str, **more: str) -> CreateOrder:
    """A create of `x` that brought *files*."""
    brought = tuple((name, DIGEST) for name in files)
    return CreateOrder(ModelName("x"), modelfile, brought, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wanted", "work"),
    [
        (order("FROM ./a.gguf", "./a.gguf"), Work.WEIGHTS),
        (order("FROM C:\\a.gguf", "C:\\a.gguf"), Work.WEIGHTS),
        (order("FROM ./a.rkllm", "./a.rkllm"), Work.WEIGHTS),
        (order("FROM ./blob", "./blob"), Work.WEIGHTS),
        (order("FROM .", "model.safetensors", "config.json"), Work.CHECKPOINT),
        (order("FROM .", "sub/pytorch_model.bin", "sub/config.json"), Work.CHECKPOINT),
        (order("FROM .", "model.safetensors", "tokenizer.json"), Work.WEIGHTS),
        (order("FROM .", "a.gguf", "config.json"), Work.WEIGHTS),
        (order("FROM ./0", *map(str, range(MAX_FILES))), Work.WEIGHTS),
        (order("FROM smollm2"), Work.PARENT),
        (order("FROM smollm2\nADAPTER ./a.gguf", "./a.gguf"), Work.PARENT),
        (order("FROM hf.co/u/r:Q4_0"), Work.HUB),
        (order("FROM hf.co/u/r:Q4_0", parent="r-q4_0"), Work.PARENT),
        (order(existing_file="x.rkllm", huggingface_path="u/r"), Work.EXISTING),
        (order(existing_file="x.rkllm", huggingface_path="https://hf.co/u/r"), Work.EXISTING),
        (order(existing_file="x.rkllm"), Work.EXISTING),
        (order("FROM ./x.rkllm\nSYSTEM a", existing_file="X.rkllm"), Work.EXISTING),
        (order('FROM="x.rkllm"\nHUGGINGFACE_PATH=""', existing_file="x.rkllm"), Work.EXISTING),
    ],
)
def test_work(wanted: CreateOrder, work: Work) -> None:
    """By what FROM names and what was brought."""
    assert wanted.work() is work


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        (order("FROM ./a.gguf"), "files"),
        (order("FROM /etc/passwd"), "files"),
        (order("FROM ./a.gguf\nFROM ./b.gguf"), "modelfile"),
        (order("FROM ./a", "./a", "./a"), "files"),
        (order("FROM ./a", "a/.."), "files.name"),
        (order("FROM ./a", "a/.rkd.json"), "files.name"),
        (order("FROM ./a", "Modelfile"), "files.name"),
        (order("FROM p", quantize="Q17"), "quantize"),
        (order(existing_file="../x.rkllm"), "existing_file"),
        (order(existing_file="x.txt"), "existing_file"),
        (order("FROM x", existing_file="x.rkllm"), "existing_file"),
        (order("FROM ./x.gguf", existing_file="x.rkllm"), "existing_file"),
        (order("FROM ./x.rkllm\nFROM /etc/passwd", existing_file="x.rkllm"), "modelfile"),
        (order("FROM ./x.gguf\nADAPTER ../a", existing_file="x.gguf"), "modelfile"),
        (order("FROM .rkd.json\nFROM x.gguf", existing_file="x.gguf"), "modelfile"),
        (
            order("FROM x.rkllm", existing_file="x.rkllm", huggingface_path="u/r"),
            "huggingface_path",
        ),
        (order(existing_file="x.rkllm", huggingface_path="not a repo"), "huggingface_path"),
        (CreateOrder(ModelName("x"), "FROM ./a", (("./a", "md5:1"),)), "files.digest"),
    ],
)
def test_refused(wanted: CreateOrder, field: str) -> None:
    """INVALID_FIELD naming the field."""
    with pytest.raises(InvalidInputError) as caught:
        wanted.work()

    assert caught.value.reason is Reason.INVALID_FIELD
    assert caught.value.violations[0].field == field


@pytest.mark.parametrize("text", ["", "SYSTEM x", "FROM x\nPARAMETER temprature 1", "FROM x\nNO y"])
def test_a_bad_modelfile_is_refused_with_its_place(text: str) -> None:
    """Before anything is done."""
    with pytest.raises(InvalidInputError) as caught:
        order(text).work()

    assert caught.value.reason is Reason.INVALID_MODELFILE
    assert caught.value.violations[0].field.startswith("line ")


def test_the_journal_keeps_everything() -> None:
    """Written down and read back it is the same order, under the same key."""
    wanted = order("FROM ./a", "./a", quantize="Q4_K_M")

    assert CreateOrder.restored(wanted.request()) == wanted
    assert CreateOrder.restored(wanted.request()).key == wanted.key


def test_the_same_work_has_the_same_key() -> None:
    """And other work under the same name another one."""
    assert order("FROM a").key == order("FROM a").key
    assert order("FROM a").key != order("FROM b").key
    assert order("FROM b").key.split(" ")[0] == "x"


def test_an_uploaded_name_becomes_its_last_part() -> None:
    """Whatever the client's machine calls folders."""
    assert [file_name(name) for name in ("./a/b.gguf", "C:\\a\\b.gguf", "b.gguf")] == ["b.gguf"] * 3


@pytest.mark.parametrize("name", ["../a", "/a", "a/../b", ".hidden/a", "a\\b", "a/.git"])
def test_a_checkpoint_stays_inside(name: str) -> None:
    """No path leads out of the folder it is put together in."""
    with pytest.raises(InvalidInputError):
        inside(name)


def test_a_path_inside_is_kept() -> None:
    """As it is."""
    assert inside("sub/config.json") == PurePosixPath("sub/config.json")


LONG = "z" * 200


@pytest.mark.parametrize(
    ("wanted", "most"),
    [
        (order("FROM ./a", "./a", quantize=LONG), 40),
        (order("FROM ./a", "." + LONG), 160),
        (order(existing_file=LONG), 160),
        (order(existing_file="x.gguf", huggingface_path=LONG), 160),
    ],
)
def test_an_error_quotes_no_more_than_its_share(wanted: CreateOrder, most: int) -> None:
    """Of what may be megabytes."""
    with pytest.raises(InvalidInputError) as error:
        wanted.work()
    (said,) = error.value.violations

    assert said.description.count("z") in {most, most - 1}
    with pytest.raises(InvalidInputError) as outside:
        inside("/" + LONG)
    assert outside.value.violations[0].description.count("z") == 159


def test_more_files_than_a_model_has_are_refused() -> None:
    """By their number, before one of them is looked at."""
    with pytest.raises(InvalidInputError, match="is the most"):
        order("FROM ./0", *map(str, range(MAX_FILES + 1))).work()


@pytest.mark.parametrize("files", [[["a", DIGEST, "more"]], [["a", "0" * 101]], [["a"]], ["a"], 3])
def test_a_record_of_another_shape_is_damaged(files: object) -> None:
    """And told as that."""
    kept = order("FROM ./a", "./a").request()
    with pytest.raises(InvalidInputError, match="is damaged"):
        CreateOrder.restored(kept | {"files": json.dumps(files)})

    assert CreateOrder.restored(kept | {"files": json.dumps([["a", "0" * 100]])}).files


@pytest.mark.parametrize(
    "wanted",
    [
        order("", "./a.gguf", existing_file="x.gguf"),
        order("", existing_file="x.gguf", quantize="Q8_0"),
    ],
)
def test_a_file_in_place_comes_alone(wanted: CreateOrder) -> None:
    """Neither files nor a type to make of it: it stays what it is."""
    with pytest.raises(InvalidInputError, match="stands alone: no files or quantize with it"):
        wanted.work()
