"""Folders copied from a stranger: one bad item is one invalid model, the others are listed."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from rkd.errors import Reason
from rkd.events import Event
from rkd.library import verdict
from rkd.library.arrival import Sightings, Writer
from rkd.library.describe import FoundFile
from rkd.library.facts import Facts
from rkd.library.folder import MAX_FILES
from rkd.library.layout import Cause, EntryKind, FolderEntry, plan
from rkd.library.library import Library
from rkd.library.migrate import migrate
from rkd.library.modelfiles import Reading
from rkd.library.scan import scan
from rkd.library.snapshot import Snapshot
from rkd.model import Format, ModelName, ModelState, WeightsFile
from rkd.service import describing
from tests.growth import assert_linear
from tests.unit.library.folders import put
from tests.unit.weights.gguf_bytes import LLAMA, build, pair, text

GGUF = build()


def look(root: Path, **more: object) -> Snapshot:
    """Scan *root* with a kernel that knows of no writer."""
    return scan(root, Sightings(ask=lambda _path: Writer.NONE).wait_s, **more)  # type: ignore[arg-type]


def _socket(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # the paths of sockets end at 107 bytes
    try:
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(path.name)
    finally:
        os.chdir(here)


def _folder(path: Path) -> None:
    (path / "inside").mkdir(parents=True)


KINDS: dict[str, Callable[[Path], object]] = {
    "fifo": os.mkfifo,
    "socket": _socket,
    "folder": _folder,
    "device": lambda path: path.symlink_to("/dev/zero"),
    "secret": lambda path: path.symlink_to("/etc/passwd"),
    "parent": lambda path: path.symlink_to(".."),
    "loop": lambda path: path.symlink_to(path.name),
    "nowhere": lambda path: path.symlink_to("nowhere"),
    "kernel's": lambda path: path.symlink_to("/proc/kmsg"),  # a regular file, by its mode
    "name of no file": lambda path: path.symlink_to("n" * 255),
}
READ_BY_SCANS = ("Modelfile", ".rkd.json", "x.gguf", "x.rkllm", "tokenizer_config.json")


@pytest.mark.parametrize("name", READ_BY_SCANS)
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_file_is_not_opened(tmp_path: Path, kind: str, name: str) -> None:
    """Whatever it is and whatever it is called: the scan ends, the healthy model is there."""
    put(tmp_path / "healthy" / "m.gguf", GGUF)
    put(tmp_path / "bad" / "other.gguf", GGUF)
    KINDS[kind](tmp_path / "bad" / name)
    found = look(tmp_path)
    bad = found.by_key["bad"]

    assert found.by_key["healthy"].model.state is ModelState.READY
    if name == "Modelfile":
        assert bad.model.state is ModelState.INVALID
        assert bad.model.reason
    if name.startswith("x.") and kind != "folder":
        assert bad.model.state is ModelState.INVALID
        assert name in bad.model.reason
        assert bad.refuse is not None
        assert bad.refuse().reason is Reason.WEIGHTS_INVALID


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "folder"])
def test_weights_that_are_no_file_make_one_invalid_model(tmp_path: Path, kind: str) -> None:
    """Alone in their folder they are listed with the reason, and never opened."""
    (tmp_path / "bad").mkdir()
    KINDS[kind](tmp_path / "bad" / "x.gguf")
    model = look(tmp_path).by_key["bad"].model

    assert (model.state, model.weights) == (ModelState.INVALID, ())
    assert model.reason.startswith("x.gguf: ")


def test_a_modelfile_chooses_the_weights_that_are_some(tmp_path: Path) -> None:
    """A dead link beside the weights FROM names harms nobody."""
    put(tmp_path / "m" / "x.gguf", GGUF)
    put(tmp_path / "m" / "Modelfile", "FROM ./x.gguf\n")
    (tmp_path / "m" / "old.gguf").symlink_to("gone")

    assert look(tmp_path).by_key["m"].model.state is ModelState.READY


def test_weights_may_be_links_to_weights(tmp_path: Path) -> None:
    """Named so, or beginning so: another disk, the Hub's cache with its names of digests."""
    put(tmp_path / "disk" / "big.gguf", GGUF)
    put(tmp_path / "cache" / "0123abc", GGUF)
    root = tmp_path / "models"
    for name, target in (("a", "disk/big.gguf"), ("b", "cache/0123abc")):
        (root / name).mkdir(parents=True)
        (root / name / "x.gguf").symlink_to(tmp_path / target)
    models = look(root).models()

    assert [model.state for model in models] == [ModelState.READY] * 2
    assert [model.details.layers for model in models] == [2, 2]


HOSTILE_RECORDS: dict[str, bytes] = {
    "brackets": b"[" * 200_000,
    "braces": b'{"digests":' * 100_000,
    "long": b'{"repository":"' + b"x" * (2 << 20) + b'"}',
    "a list": b"[]",
    "null": b"null",
    "numbers": b'{"repository":1,"revision":[],"created":{},"digests":7}',
    "infinite": b'{"created":Infinity,"digests":NaN}',
    "dates": b'{"created":"99999-01-01T00:00:00","digests":{"a":1e999}}',
    "half a character": b'{"repository":"\\ud800","digests":{"\\udfff":"sha256:"}}',
    "latin-1": b'{"repository":"\xe9"}',
    "huge number": b'{"created":' + b"9" * 100_000 + b"}",
}


@pytest.mark.parametrize("case", HOSTILE_RECORDS)
def test_any_record_leaves_the_model_usable(tmp_path: Path, case: str) -> None:
    """Of unknown origin, ready, and fit to be sent."""
    put(tmp_path / "m" / "x.gguf", GGUF)
    put(tmp_path / "m" / ".rkd.json", HOSTILE_RECORDS[case])
    model = look(tmp_path).by_key["m"].model

    assert model.state is ModelState.READY
    assert describing.summary(model).SerializeToString()
    assert model.provenance.digests == ()


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "a/../../secret", "", "a\nb", "\x00"])
def test_digests_name_nothing_outside(tmp_path: Path, name: str) -> None:
    """Neither does Upload call a foreign file complete, nor does verify print its digest."""
    put(tmp_path / "m" / "x.gguf", GGUF)
    put(tmp_path / "m" / "good.json", "{}")
    digests = {name: "sha256:" + "0" * 64, "good.json": "sha256:" + "1" * 64, "x.gguf": "md5:1"}
    put(tmp_path / "m" / ".rkd.json", json.dumps({"digests": digests}))
    model = look(tmp_path).by_key["m"].model

    assert dict(model.provenance.digests) == {"good.json": "sha256:" + "1" * 64}


@pytest.mark.parametrize("odd", ["nan", "huge", "negative", "empty"])
def test_odd_headers_are_listed_with_numbers_that_fit(tmp_path: Path, odd: str) -> None:
    """NaN for heads made List INTERNAL and the next start fail; so did a context of 2^31."""
    nan = struct.pack("<IIQf", 9, 6, 1, float("nan"))
    values = {
        "nan": text("llama.attention.head_count") + nan,
        "huge": text("llama.context_length") + struct.pack("<IQ", 10, 2**64 - 1),
        "negative": text("llama.context_length") + struct.pack("<Iq", 11, -(2**63)),
        "empty": text("llama.attention.head_count") + struct.pack("<IIQ", 9, 4, 0),
    }
    kept = {key: value for key, value in LLAMA.items() if text(key) not in values[odd]}
    pairs = b"".join(pair(key, value) for key, value in kept.items()) + values[odd]
    head = b"GGUF" + struct.pack("<IQQ", 3, 0, len(kept) + 1) + pairs
    put(tmp_path / "odd" / "x.gguf", head + bytes(64))
    put(tmp_path / "healthy" / "m.gguf", GGUF)

    for model in look(tmp_path).models():
        assert describing.summary(model).SerializeToString()


NAMES = {
    "latin-1": b"caf\xe9",
    "invalid": b"\xff\xfe\xfd",
    "long": b"n" * 249,
    "controls": b"a\x1b[2J\nb\x7f",
    "bidi": "a\u202egnp".encode(),
    "blank": b"   ",
    "dashes": b"---",
}


@pytest.mark.parametrize("case", NAMES)
def test_any_name_can_be_told(tmp_path: Path, case: str) -> None:
    """Of folders, weights, flat files and strangers: every text of the answer is clean UTF-8."""
    name = os.fsdecode(NAMES[case])
    put(tmp_path / name / "m.gguf", GGUF)
    put(tmp_path / "inside" / f"{name}.gguf", GGUF)
    put(tmp_path / "inside2" / f"{name}.rkllm")
    put(tmp_path / f"{name}.gguf", GGUF)
    put(tmp_path / f"{name}.txt")
    put(tmp_path / f"{name}x" / "notes.txt")
    put(tmp_path / "healthy" / "m.gguf", GGUF)
    judge = Sightings(ask=lambda _path: Writer.NONE).wait_s
    planned = migrate(tmp_path, judge=judge, dry_run=True).left
    found = look(tmp_path, left=planned)

    assert found.by_key["healthy"].model.state is ModelState.READY
    for described in found.by_key.values():
        assert describing.summary(described.model).SerializeToString()
        describing.everything(described.model, Facts()).SerializeToString()
        if described.refuse is not None:
            assert described.refuse().message.encode()
    for left in found.left:
        assert (left.name + left.text).isprintable()
        assert left.name.encode()


def test_a_name_the_worker_could_not_be_told_is_no_ready_model(tmp_path: Path) -> None:
    """Paths that are no UTF-8 cannot be sent to a worker: the reason says to rename."""
    put(tmp_path / os.fsdecode(b"caf\xe9") / "m.gguf", GGUF)
    put(tmp_path / "m" / os.fsdecode(b"caf\xe9.gguf"), GGUF)
    models = look(tmp_path).models()

    assert {model.state for model in models} == {ModelState.INVALID}
    assert all("rename it" in model.reason for model in models)


def test_times_out_of_range_are_clamped(tmp_path: Path) -> None:
    """The year 30,000 and the time before the epoch are dates a message can hold."""
    for name, age in (("late", 900_000_000_000), ("early", -5_000_000)):
        put(tmp_path / name / "x.gguf", GGUF, age=age)

    for model in look(tmp_path).models():
        assert describing.summary(model).modified.seconds >= 0


def test_a_folder_of_too_many_files_is_one_invalid_model(tmp_path: Path) -> None:
    """It is looked into so far and no further."""
    put(tmp_path / "m" / "x.gguf", GGUF)
    put(tmp_path / "healthy" / "x.gguf", GGUF)
    many = tmp_path / "m" / "many"
    many.mkdir()
    for number in range(MAX_FILES):
        (many / str(number)).touch()
    found = look(tmp_path)

    assert found.by_key["m"].model.reason == f"m: it holds more than {MAX_FILES} files"
    assert found.by_key["healthy"].model.state is ModelState.READY


def test_a_folder_that_cannot_be_looked_into_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Locked away, or gone between listing and looking."""
    put(tmp_path / "healthy" / "x.gguf", GGUF)
    put(tmp_path / "gone" / "x.gguf", GGUF)
    put(tmp_path / "locked" / "x.gguf", GGUF)
    genuine = os.scandir

    def scandir(path: Path) -> object:
        if Path(path).name == "gone":
            raise FileNotFoundError(2, "gone")
        if Path(path).name == "locked":
            raise PermissionError(13, "Permission denied")
        return genuine(path)

    monkeypatch.setattr(os, "scandir", scandir)
    found = look(tmp_path)

    assert list(found.by_key) == ["healthy"]
    assert [(left.name, left.cause) for left in found.left] == [("locked", Cause.UNREADABLE)]


def test_a_defect_of_a_reader_costs_one_model(tmp_path: Path) -> None:
    """Even what nobody thought of ends no scan."""
    put(tmp_path / "bad" / "x.gguf", GGUF)
    put(tmp_path / "healthy" / "x.gguf", GGUF)

    def judge(path: Path, _status: os.stat_result) -> float:
        if path.parent.name == "bad":
            raise TypeError("nobody thought of this")
        return 0.0

    found = scan(tmp_path, judge)

    assert found.by_key["bad"].model.reason == "bad: rkd failed to read it (TypeError)"
    assert found.by_key["healthy"].model.state is ModelState.READY


class _Awkward(tuple[FoundFile, ...]):
    """Files that nobody can compare."""

    __slots__ = ()
    __hash__ = tuple.__hash__

    def __eq__(self, _other: object) -> bool:
        raise TypeError("nobody thought of this")


def test_a_defect_before_a_model_is_described_costs_one_model(tmp_path: Path) -> None:
    """The listing of a folder and what is known of it are no exception."""
    put(tmp_path / "bad" / "x.gguf", GGUF)
    put(tmp_path / "healthy" / "x.gguf", GGUF)
    known = replace(look(tmp_path).folders["bad"], files=_Awkward())

    found = look(tmp_path, previous=Snapshot(folders={"bad": known}))

    assert found.by_key["bad"].model.reason == "bad: rkd failed to read it (TypeError)"
    assert found.by_key["healthy"].model.state is ModelState.READY


def test_a_defect_at_a_flat_file_hides_no_other(tmp_path: Path) -> None:
    """Neither what migrates nor what lists arriving files ends with one of them."""
    put(tmp_path / "bad.gguf", GGUF)
    put(tmp_path / "good.gguf", GGUF)

    def judge(path: Path, _status: os.stat_result) -> float:
        if path.name == "bad.gguf":
            raise TypeError("nobody thought of this")
        return 0.0

    assert [move.name for move in migrate(tmp_path, judge=judge).moved] == ["good.gguf"]
    assert list(scan(tmp_path, judge).by_key) == ["good"]


async def test_who_follows_goes_on_after_a_defect(tmp_path: Path) -> None:
    """A look that failed once is not the last one."""
    told = {"first": asyncio.Event(), "second": asyncio.Event()}

    def publish(event: Event) -> None:
        told[event.subject].set()
        if event.subject == "first":
            raise TypeError("nobody thought of this")

    library = Library(tmp_path, publish=publish)
    await library.start()
    try:
        for name, seen in told.items():
            put(tmp_path / name / "x.gguf", GGUF)
            library.changed(frozenset({name}))
            await asyncio.wait_for(seen.wait(), 30)
    finally:
        await library.close()


async def test_a_start_comes_up_with_every_healthy_model(tmp_path: Path) -> None:
    """All of the above in one folder, flat and hidden things too."""
    for number, make in enumerate(KINDS.values()):
        for name in READ_BY_SCANS:
            put(tmp_path / f"m{number}{name.strip('.')}" / "y.gguf", GGUF)
            make(tmp_path / f"m{number}{name.strip('.')}" / name)
        make(tmp_path / f"flat{number}.gguf")
        make(tmp_path / f".rkd-stage-{number}")
        make(tmp_path / f".rkd-replace-{number}.json")
    for case, record in HOSTILE_RECORDS.items():
        put(tmp_path / case.replace(" ", "") / "x.gguf", GGUF)
        put(tmp_path / case.replace(" ", "") / ".rkd.json", record)
    put(tmp_path / "healthy" / "x.gguf", GGUF)
    library = Library(tmp_path, publish=lambda _event: None)
    await library.start()
    try:
        assert library.get(ModelName("healthy")).state is ModelState.READY
        assert len(library.models()) > 50
    finally:
        await library.close()


@pytest.mark.parametrize(
    "entry",
    [
        lambda number: FolderEntry(f"x-{number % 99999 + 1:05}-of-99999.gguf", EntryKind.FILE),
        lambda number: FolderEntry(f"x-00001-of-{number % 1000 + 1:05}.gguf", EntryKind.FILE),
        lambda number: FolderEntry(f"m{number}.gguf", EntryKind.FILE),
        lambda number: FolderEntry(f"m{number}.gguf.aria2", EntryKind.FILE),
        lambda number: FolderEntry(f"m{number}.txt", EntryKind.FILE),
        lambda number: FolderEntry(f"f{number}", EntryKind.FOLDER, children=("x.gguf",)),
    ],
    ids=["parts", "splits", "models", "partial", "strangers", "folders"],
)
def test_a_layout_is_planned_in_linear_time(entry: Callable[[int], FolderEntry]) -> None:
    """However many entries a models folder has, and however alike they are."""
    children = tuple(f"x-{number + 1:05}-of-00999.gguf" for number in range(999))
    folder = FolderEntry("x", EntryKind.FOLDER, children=children)
    assert_linear(
        lambda count: [folder, *(entry(number) for number in range(count))], plan, most=40_000
    )


def test_a_folder_of_many_weights_is_described_in_linear_time(tmp_path: Path) -> None:
    """Parts of splits that never are whole, half-copied files, rivals."""

    def make(count: int) -> tuple[list[str], tuple[WeightsFile, ...], Reading]:
        names = [f"x{number}-00001-of-00001.gguf" for number in range(count)]
        weights = tuple(WeightsFile(tmp_path / name, Format.GGUF, 1, 1) for name in names)
        return names, weights, Reading(sources=tuple(f"./{name}" for name in names))

    assert_linear(
        make,
        lambda given: verdict.judge(ModelName("x"), given[0], given[1], given[2], whole=True),
        most=40_000,
    )
