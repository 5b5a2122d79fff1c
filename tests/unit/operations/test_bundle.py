"""What belongs to a pulled model, and how its folder is put together."""

from __future__ import annotations

import hashlib
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rkd.errors import DataLossError, ExhaustedError, InvalidInputError, Reason
from rkd.hub.listing import Listing, RemoteFile
from rkd.hub.variants import Variant, variants_of
from rkd.library import provenance
from rkd.model import Format, Provenance
from rkd.operations.bundle import (
    LARGEST_COMPANY_BYTES,
    MOST_COMPANY,
    Item,
    assemble,
    check_space,
    company,
    have_bytes,
    items_of,
    judge,
    keep_modelfile,
    missing,
    modelfile_of,
    needs_tokenizer,
    tokenizer_files,
)
from tests.models import tiny

NOW = datetime(2026, 11, 5, tzinfo=UTC)
WEIGHTS, TOKENIZER = b"weights", b'{"a": 1}'


def listing(*files: tuple[str, int]) -> Listing:
    """Make a listing of files with sizes."""
    return Listing(
        "org/repo",
        "c" * 40,
        tuple(
            RemoteFile(path, size, "sha256", f"{n:064x}") for n, (path, size) in enumerate(files)
        ),
    )


def test_company_is_small_and_not_many() -> None:
    """A licence of a terabyte, a tokenizer of another, licences without end: left alone."""
    known = listing(
        ("tokenizer.json", LARGEST_COMPANY_BYTES + 1),
        ("LICENSE", 1 << 40),
        ("tokenizer_config.json", 9),
        ("m-Q4_0.gguf", 1 << 33),
        *((f"license-{number}.txt", 1) for number in range(500)),
    )
    (variant,) = variants_of(known)

    assert len(company(known)) == MOST_COMPANY
    assert [file.path for file in tokenizer_files(known)] == ["tokenizer_config.json"]
    assert sum(item.file.size_bytes for item in items_of(known, variant, known)) < (1 << 33) + 100


def hashed(path: str, content: bytes, algorithm: str = "sha256") -> RemoteFile:
    """A file of the hub with the digest of *content*."""
    if algorithm == "sha256":
        digest = hashlib.sha256(content).hexdigest()
    else:
        named = b"blob %d\0" % len(content) + content
        digest = hashlib.sha1(named, usedforsecurity=False).hexdigest()
    return RemoteFile(path, len(content), algorithm, digest)


class Made:
    """
    A repository of a .gguf and its tokenizer, and a stage its files come into.

    Args:
        tmp_path: where the stage is.
        more: further files of the repository.
    """

    def __init__(self, tmp_path: Path, **more: bytes) -> None:
        self.stage = tmp_path / "stage"
        self.stage.mkdir()
        self.contents = {"sub/m-Q4_0.gguf": WEIGHTS, "tokenizer.json": TOKENIZER, **more}
        files = tuple(
            hashed(path, content, "sha256" if path.endswith(".gguf") else "git-sha1")
            for path, content in self.contents.items()
        )
        self.listing = Listing("org/repo", "c" * 40, files)
        self.variant = Variant(files[:1], Format.GGUF, "Q4_0")
        self.items = items_of(self.listing, self.variant, None)

    def bring(self, *items: Item) -> None:
        """Let *items*, or all, wait in the stage."""
        for item in items or self.items:
            item.waiting(self.stage).write_bytes(self.contents[item.file.path])

    def assemble(self) -> None:
        """Put the folder together."""
        assemble(self.stage, self.items, self.listing, self.variant, NOW)

    def names(self) -> set[str]:
        """What is in the stage."""
        return {path.name for path in self.stage.iterdir()}


def test_weights_lose_their_folder_and_company_comes_along(tmp_path: Path) -> None:
    """The first of a name stays; a Modelfile comes where it is small."""
    large, fits = (1 << 20) + 1, 1 << 20
    known = listing(("m.gguf", 9), ("Modelfile", fits), ("README.md", 1), ("notice.md", 1))
    made = Made(tmp_path)
    (variant,) = variants_of(known)

    assert [(item.name, item.file.path) for item in made.items] == [
        ("m-Q4_0.gguf", "sub/m-Q4_0.gguf"),
        ("tokenizer.json", "tokenizer.json"),
    ]
    assert [item.name for item in items_of(known, variant, None)] == [
        "m.gguf",
        "Modelfile",
        "notice.md",
    ]
    assert company(listing(("Modelfile", large), ("modelfile", 1), ("a/LICENSE", 1))) == ()
    assert company(listing(("tokenizer.json", LARGEST_COMPANY_BYTES))) != ()


def test_only_an_rkllm_without_tokenizer_takes_its_base_models() -> None:
    """A GGUF brings its own; an .rkllm that has one keeps it."""
    base = listing(("tokenizer.json", 5), ("LICENSE", 5), ("config.json", 5))
    bare, whole = listing(("m.rkllm", 9)), listing(("m.rkllm", 9), ("tokenizer.json", 7))
    gguf = listing(("m.gguf", 9))
    (of_bare,), (of_whole,), (of_gguf,) = map(variants_of, (bare, whole, gguf))

    assert needs_tokenizer(bare, of_bare)
    assert not needs_tokenizer(whole, of_whole)
    assert not needs_tokenizer(gguf, of_gguf)
    taken = items_of(bare, of_bare, base)
    assert [(item.name, item.listing is base) for item in taken] == [
        ("m.rkllm", False),
        ("tokenizer.json", True),
        ("config.json", True),
    ]
    assert [item.name for item in items_of(bare, of_bare, None)] == ["m.rkllm"]
    assert [item.file.size_bytes for item in items_of(whole, of_whole, base)] == [9, 7]
    assert [item.name for item in items_of(gguf, of_gguf, base)] == ["m.gguf"]


def test_what_is_here_is_not_fetched(tmp_path: Path) -> None:
    """Waiting whole, in part, or settled under its name by an assembly of these bytes."""
    made = Made(tmp_path)
    weights, tokenizer = made.items
    all_missing = missing(made.stage, made.items)
    part = weights.waiting(made.stage).with_suffix(".part")
    part.write_bytes(b"we")
    in_part = have_bytes(made.stage, weights)
    part.write_bytes(b"more than it has")
    too_much = have_bytes(made.stage, weights)
    made.bring(tokenizer)

    assert [[item.name for item in group] for group in all_missing] == [
        ["m-Q4_0.gguf"],
        ["tokenizer.json"],
    ]
    assert (in_part, too_much) == (2, len(WEIGHTS))
    assert missing(made.stage, made.items) == ((weights,),)

    made.bring()
    made.assemble()
    assert missing(made.stage, (weights,)) == ()
    assert have_bytes(made.stage, weights) == len(WEIGHTS)
    (made.stage / weights.name).unlink()
    assert missing(made.stage, (weights,)) == ((weights,),)
    assert have_bytes(made.stage, weights) == 0


def test_same_bytes_are_fetched_once_the_small_ones_first(tmp_path: Path) -> None:
    """And stand together."""
    known = Listing(
        "org/repo",
        "c" * 40,
        (hashed("m.gguf", b"x" * 99), hashed("LICENSE", b"text"), hashed("NOTICE", b"text")),
    )
    (variant,) = variants_of(known)
    groups = missing(tmp_path, items_of(known, variant, None))

    assert [[item.name for item in group] for group in groups] == [
        ["LICENSE", "NOTICE"],
        ["m.gguf"],
    ]


def test_a_pull_that_does_not_fit_is_refused_with_the_numbers(tmp_path: Path) -> None:
    """What is here already takes no more space; the reserve stays free."""
    free = shutil.disk_usage(tmp_path).free
    known = listing(("m.gguf", free * 2))
    (variant,) = variants_of(known)
    items = items_of(known, variant, None)
    with pytest.raises(ExhaustedError) as error:
        check_space(tmp_path, tmp_path, items, 7)
    provenance.write(tmp_path, Provenance(digests=(("m.gguf", items[0].digest),)))
    (tmp_path / "m.gguf").write_bytes(b"")
    check_space(tmp_path, tmp_path, items, 7)
    with pytest.raises(ExhaustedError) as for_reserve:
        check_space(tmp_path, tmp_path, items, free * 2)

    assert error.value.reason is Reason.DISK_FULL
    assert error.value.metadata["needed_bytes"] == str(free * 2)
    assert error.value.metadata["reserve_bytes"] == "7"
    assert for_reserve.value.metadata["needed_bytes"] == "0"


def test_what_fits_to_the_byte_fits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And one byte less is too little."""
    known = listing(("m.gguf", 90))
    (variant,) = variants_of(known)
    items = items_of(known, variant, None)
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage._replace(free=100))
    check_space(tmp_path, tmp_path, items, 10)

    with pytest.raises(ExhaustedError):
        check_space(tmp_path, tmp_path, items, 11)


def test_a_stage_becomes_the_models_folder(tmp_path: Path) -> None:
    """Names in place of digests, nothing else left, a Modelfile, and sha256 in the record."""
    made = Made(tmp_path)
    made.bring()
    (made.stage / "half").mkdir()
    (made.stage / "half" / "x").write_bytes(b"")
    (made.stage / ".part").write_bytes(b"")
    made.assemble()
    record = provenance.read(made.stage)

    assert made.names() == {"m-Q4_0.gguf", "tokenizer.json", "Modelfile", ".rkd.json"}
    assert (made.stage / "m-Q4_0.gguf").read_bytes() == WEIGHTS
    assert (made.stage / "Modelfile").read_text(encoding="utf-8") == "FROM ./m-Q4_0.gguf\n"
    assert (record.repository, record.revision, record.created) == ("org/repo", "c" * 40, NOW)
    assert record.digests == (
        ("m-Q4_0.gguf", f"sha256:{hashlib.sha256(WEIGHTS).hexdigest()}"),
        ("tokenizer.json", f"sha256:{hashlib.sha256(TOKENIZER).hexdigest()}"),
    )


def test_an_assembly_killed_half_way_is_gone_on_with(tmp_path: Path) -> None:
    """What has its name and is in the record stays; a foreign file of that name is replaced."""
    made = Made(tmp_path)
    weights, tokenizer = made.items
    record = Provenance("org/repo", "c" * 40, NOW, ((weights.name, weights.digest),))
    provenance.write(made.stage, record)
    (made.stage / weights.name).write_bytes(WEIGHTS)
    (made.stage / tokenizer.name).write_bytes(b"somebody's")
    made.bring(tokenizer)
    made.assemble()

    assert (made.stage / weights.name).read_bytes() == WEIGHTS
    assert (made.stage / tokenizer.name).read_bytes() == TOKENIZER


@pytest.mark.parametrize("content", [b"another", b"no weights", b""])
def test_bytes_that_changed_since_they_came_never_appear(tmp_path: Path, content: bytes) -> None:
    """Of the same size or not; what differs goes, and is all that is fetched anew."""
    made = Made(tmp_path)
    made.bring()
    weights, tokenizer = made.items
    weights.waiting(made.stage).write_bytes(content)
    with pytest.raises(DataLossError) as error:
        made.assemble()

    assert error.value.reason is Reason.DIGEST_MISMATCH
    assert error.value.metadata == {"file": weights.name, "expected": weights.digest}
    assert missing(made.stage, made.items) == ((weights,),)
    assert (made.stage / tokenizer.name).read_bytes() == TOKENIZER
    assert dict(provenance.read(made.stage).digests) == {weights.name: weights.digest}


def test_a_file_that_rotted_under_its_name_is_fetched_anew(tmp_path: Path) -> None:
    """Although nothing of it waits any more."""
    made = Made(tmp_path)
    weights, tokenizer = made.items
    record = Provenance("org/repo", "c" * 40, NOW, ((weights.name, weights.digest),))
    provenance.write(made.stage, record)
    (made.stage / weights.name).write_bytes(b"rotten!")
    made.bring(tokenizer)
    with pytest.raises(DataLossError):
        made.assemble()

    assert missing(made.stage, made.items) == ((weights,),)


def test_nothing_is_written_through_a_link_in_the_stage(tmp_path: Path) -> None:
    """A name that is taken is freed first, also where two share their bytes."""
    outside = tmp_path / "outside"
    outside.write_bytes(b"somebody's")
    made = Made(tmp_path, LICENSE=b"text", NOTICE=b"text")
    made.bring()
    (made.stage / "NOTICE").symlink_to(outside)
    made.assemble()

    assert outside.read_bytes() == b"somebody's"
    assert not (made.stage / "NOTICE").is_symlink()


def test_one_fetch_serves_two_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By link, or by copy where the file system has no links."""

    def refused(*_: object) -> None:
        raise OSError

    for links in (True, False):
        home = tmp_path / str(links)
        home.mkdir()
        made = Made(home, LICENSE=b"text", NOTICE=b"text")
        made.bring()
        with monkeypatch.context() as patched:
            if not links:
                patched.setattr(Path, "hardlink_to", refused)
            made.assemble()

        assert (made.stage / "LICENSE").read_bytes() == b"text"
        assert (made.stage / "NOTICE").read_bytes() == b"text"
        assert (made.stage / "LICENSE").samefile(made.stage / "NOTICE") is links


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("FROM ./m-Q4_0.gguf\nSYSTEM Hi\n", True),
        ("FROM ./other.gguf\n", False),
        ("FROM ./m-Q4_0.gguf\nFROM ./other.gguf\n", False),
        ("SYSTEM Hi\n", False),
        ("FROM ./m-Q4_0.gguf\nNONSENSE\n", False),
    ],
)
def test_a_modelfile_of_these_weights_is_kept(tmp_path: Path, text: str, kept: bool) -> None:  # noqa: FBT001 - a table
    """The repository's or the one a model stood with; any other gives way to one of ours."""
    made = Made(tmp_path, Modelfile=text.encode())
    made.bring()
    made.assemble()
    written = (made.stage / "Modelfile").read_text(encoding="utf-8")
    (made.stage / "Modelfile").write_text("before", encoding="utf-8")
    keep_modelfile(made.stage, text, made.variant)
    stood = (made.stage / "Modelfile").read_text(encoding="utf-8")
    digests = dict(provenance.read(made.stage).digests)

    assert written == (text if kept else "FROM ./m-Q4_0.gguf\n")
    assert stood == (text if kept else "before")
    assert "Modelfile" not in digests


def test_no_modelfile_to_keep_is_none(tmp_path: Path) -> None:
    """An empty text writes nothing."""
    made = Made(tmp_path)
    keep_modelfile(made.stage, "", made.variant)

    assert made.names() == set()


def test_an_rkllm_names_where_its_tokenizer_is_from() -> None:
    """The base model's repository where it came from there, else its own."""
    base = Listing("org/base", "b" * 40, (RemoteFile("tokenizer.json", 5, "sha256", "0" * 64),))
    bare = listing(("sub/m.rkllm", 9))
    (variant,) = variants_of(bare)
    with_base = modelfile_of(items_of(bare, variant, base), bare, variant)
    alone = modelfile_of(items_of(bare, variant, None), bare, variant)

    assert 'FROM="m.rkllm"' in with_base
    assert 'HUGGINGFACE_PATH="org/base"' in with_base
    assert 'HUGGINGFACE_PATH="org/repo"' in alone


def test_weights_no_engine_runs_are_refused_before_anybody_sees_them(tmp_path: Path) -> None:
    """With the way out of a puller; a version of tomorrow is left to the engine."""
    variant = Variant((hashed("sub/m.gguf", b"x"),), Format.GGUF, "Q4_0")
    (tmp_path / "m.gguf").write_bytes(b"<html>no weights</html>")
    with pytest.raises(InvalidInputError) as error:
        judge(tmp_path, variant)
    tiny.write(tmp_path / "m.gguf")
    judge(tmp_path, variant)
    (tmp_path / "m.gguf").write_bytes(b"GGUF\x63\0\0\0")
    judge(tmp_path, variant)

    assert error.value.reason is Reason.WEIGHTS_INVALID
    assert "rkctl files" in error.value.remedy
