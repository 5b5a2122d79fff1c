"""Stages appear, replace and disappear whole, whatever instant the process dies at."""

from __future__ import annotations

import errno
import json
import os
from itertools import count
from pathlib import Path

import pytest

from rkd.library.staging import Staging
from tests.unit.library.folders import put, tree
from tests.unit.library.killing import Step, killed_at

OLD = {"m/x.gguf": b"old", "m/old.txt": b"gone with the old"}
NEW = {"m/x.gguf": b"new"}


def fresh(tmp_path: Path, number: int) -> Path:
    """A models folder with one model."""
    root = tmp_path / str(number)
    put(root / "m" / "x.gguf", b"old")
    put(root / "m" / "old.txt", b"gone with the old")
    return root


def hidden(root: Path) -> list[str]:
    """What of ours is left in *root*."""
    return [path.name for path in root.glob(".rkd-*")]


def test_a_stage_appears_under_its_name(tmp_path: Path) -> None:
    """With everything that was put into it, and nothing before."""
    staging = Staging(tmp_path)
    stage = staging.open("one")
    put(stage / "x.gguf", b"new")
    before = tree(tmp_path)
    staging.commit(stage, "m")

    assert before == {}
    assert tree(tmp_path) == NEW


def test_a_taken_name_is_not_touched(tmp_path: Path) -> None:
    """Neither a folder nor a file of that name is replaced unasked."""
    root = fresh(tmp_path, 0)
    (root / "file").write_bytes(b"")
    staging = Staging(root)
    stage = staging.open("one")
    put(stage / "x.gguf", b"new")
    for name in ("m", "file"):
        with pytest.raises(FileExistsError):
            staging.commit(stage, name)

    assert tree(root) == OLD | {"file": b""}


def test_a_replacement_changes_the_case_of_a_name(tmp_path: Path) -> None:
    """`M` takes the place of `m`."""
    root = fresh(tmp_path, 0)
    staging = Staging(root)
    stage = staging.open("one")
    put(stage / "x.gguf", b"new")
    staging.commit(stage, "M", replaces="m")

    assert tree(root) == {"M/x.gguf": b"new"}
    assert hidden(root) == []


def test_a_create_killed_anywhere_is_whole_or_nothing(tmp_path: Path) -> None:
    """SIGKILL at every step, then a start: the model is there or nothing of it."""
    seen = set()
    for victim in count():
        root = tmp_path / str(victim)
        root.mkdir()

        def work(step: Step, root: Path = root) -> None:
            staging = Staging(root, step=step)
            stage = staging.open("one")
            put(stage / "x.gguf", b"new")
            staging.commit(stage, "m")

        was_killed = killed_at(work, victim)
        assert tree(root) in ({}, NEW)
        Staging(root).recover()
        assert hidden(root) == []
        seen.add(bool(tree(root)))
        if not was_killed:
            break

    assert seen == {True, False}


def test_a_replacement_killed_anywhere_leaves_the_old_or_the_new(tmp_path: Path) -> None:
    """SIGKILL at every step, also of the recovery itself: never neither, never a mixture."""
    seen = set()
    for victim in count():
        root = fresh(tmp_path, victim)

        def work(step: Step, root: Path = root) -> None:
            staging = Staging(root, step=step)
            stage = staging.open("one")
            put(stage / "x.gguf", b"new")
            staging.commit(stage, "m", replaces="m")

        was_killed = killed_at(work, victim)
        again = 0
        while killed_at(lambda step, root=root: Staging(root, step=step).recover(), again):  # type: ignore[misc]
            again += 1
        assert tree(root) in (OLD, NEW)
        assert hidden(root) == []
        seen.add(tree(root) == NEW)
        if not was_killed:
            assert victim >= 6
            break

    assert seen == {True, False}


def test_a_delete_killed_anywhere_is_done_or_undone(tmp_path: Path) -> None:
    """SIGKILL at every step: all of the model or nothing."""
    for victim in count():
        root = fresh(tmp_path, victim)
        was_killed = killed_at(lambda step, root=root: Staging(root, step=step).remove("m"), victim)  # type: ignore[misc]
        assert tree(root) in (OLD, {})
        Staging(root).recover()
        assert tree(root) in (OLD, {})
        assert hidden(root) == []
        if not was_killed:
            assert tree(root) == {}
            return


def test_a_delete_does_not_follow_links(tmp_path: Path) -> None:
    """Neither a link inside a model nor a model that is a link takes its target along."""
    outside = put(tmp_path / "outside" / "x.gguf")
    root = fresh(tmp_path, 0)
    (root / "m" / "linked").symlink_to(outside.parent)
    (root / "alias").symlink_to(outside.parent)
    staging = Staging(root)
    staging.remove("m")
    staging.remove("alias")

    assert outside.exists()
    assert tree(root) == {}


def test_a_stage_somebody_goes_on_with_is_kept(tmp_path: Path) -> None:
    """A download that resumes after a restart finds what it had."""
    staging = Staging(tmp_path)
    put(staging.open("pull-1") / "x.gguf", b"half")
    put(staging.open("pull-2") / "x.gguf", b"half")
    recovered = staging.recover(frozenset({"pull-1"}))

    assert recovered.swept == (".rkd-stage-pull-2",)
    assert (staging.open("pull-1") / "x.gguf").read_bytes() == b"half"


def test_a_name_taken_before_recovery_loses_nobody(tmp_path: Path) -> None:
    """Killed in the middle of a replacement, then somebody copies a model there by hand."""
    root = fresh(tmp_path, 0)

    def work(step: Step) -> None:
        staging = Staging(root, step=step)
        stage = staging.open("one")
        put(stage / "x.gguf", b"new")
        staging.commit(stage, "m", replaces="m")

    steps: list[str] = []
    Staging(fresh(tmp_path, 1), step=steps.append)
    assert killed_at(work, 3)
    assert tree(root) == {}
    put(root / "m" / "x.gguf", b"by hand")
    Staging(root).recover()

    assert tree(root) == {"m/x.gguf": b"by hand"}
    assert (root / ".rkd-old-one" / "x.gguf").read_bytes() == b"old"


def test_a_garbled_journal_is_void(tmp_path: Path) -> None:
    """It names nothing outside the models folder and stops no start."""
    (tmp_path / ".rkd-replace-a.json").write_text('{"stage": "../x", "folder": "y"}')
    (tmp_path / ".rkd-replace-b.json").write_text("")
    (tmp_path / ".rkd-replace-c.json").write_text('{"stage": "..", "folder": "y", "replaces": "z"}')
    Staging(tmp_path).recover()

    assert hidden(tmp_path) == []


def test_identities_never_become_paths(tmp_path: Path) -> None:
    """A stage's name is checked."""
    with pytest.raises(ValueError, match="names no stage"):
        Staging(tmp_path).open("../x")


class TestForeignJournals:
    """A stranger's folder brings journals along: they rename nothing of ours."""

    def journal(self, root: Path, identity: str, stage: str, folder: str, replaces: str) -> Path:
        """Write a journal as a stranger would."""
        record = {"stage": stage, "folder": folder, "replaces": replaces}
        return put(root / f".rkd-replace-{identity}.json", json.dumps(record))

    @pytest.mark.parametrize(
        ("stage", "folder", "replaces"),
        [
            ("victim", "evil", "m"),  # another model would take over
            (".rkd-stage-other", "m2", "m"),  # another's stage would
            (".rkd-stage-a", "../outside", "m"),
            (".rkd-stage-a", ".hidden", "m"),
            (".rkd-stage-a", "m2", ".rkd-blobs"),
            (".rkd-stage-a", "m2", ".."),
            (".rkd-stage-a", "m2", "m/x.gguf"),
            (".rkd-stage-a", "m2", "m\0"),
            (".rkd-stage-a", "", "m"),
        ],
    )
    def test_a_forged_journal_renames_nothing(
        self, tmp_path: Path, stage: str, folder: str, replaces: str
    ) -> None:
        """Its stage is the one of its own name, and it names models of the folder."""
        root = fresh(tmp_path, 0)
        put(root / "victim" / "x.gguf", b"victim")
        put(root / ".rkd-stage-a" / "x.gguf", b"staged")
        self.journal(root, "a", stage, folder, replaces)
        Staging(root).recover()

        assert tree(root) == OLD | {"victim/x.gguf": b"victim"}
        assert not (tmp_path / "outside").exists()
        assert hidden(root) == []

    @pytest.mark.parametrize(
        "content", [b"[" * 100_000, b'{"stage":' * 500, b"null", b"[1]", b'"x"', b"\xff", b"1e999"]
    )
    def test_any_content_is_void(self, tmp_path: Path, content: bytes) -> None:
        """The start goes on."""
        put(tmp_path / ".rkd-replace-a.json", content)
        Staging(tmp_path).recover()

        assert hidden(tmp_path) == []

    def test_what_is_no_file_or_no_name_of_ours_stops_no_start(self, tmp_path: Path) -> None:
        """FIFOs go, a folder stays and is told of, odd names are not touched."""
        os.mkfifo(tmp_path / ".rkd-replace-a.json")
        os.mkfifo(tmp_path / ".rkd-stage-b")
        (tmp_path / ".rkd-old-c").symlink_to("/etc")
        (tmp_path / ".rkd-replace-d.json").mkdir()
        put(tmp_path / ".rkd-replace-e f.json", "{}")
        recovered = Staging(tmp_path).recover()

        assert recovered.stuck == (".rkd-replace-d.json",)
        assert sorted(hidden(tmp_path)) == [".rkd-replace-d.json", ".rkd-replace-e f.json"]

    def test_a_disk_that_cannot_be_changed_stops_no_start(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What a killed daemon began stays as it is until the disk is writable again."""
        root = fresh(tmp_path, 0)
        put(root / ".rkd-stage-a" / "x.gguf", b"new")
        self.journal(root, "a", ".rkd-stage-a", "m", "m")

        def refuse(*_args: object) -> None:
            raise OSError(30, "Read-only file system")

        with monkeypatch.context() as read_only:
            for function in ("rename", "unlink", "rmdir"):
                read_only.setattr(os, function, refuse)
            recovered = Staging(root).recover()
        assert ".rkd-replace-a.json" in recovered.stuck
        assert tree(root) == OLD
        Staging(root).recover()

        assert tree(root) == NEW


def test_a_name_the_file_system_knows_in_another_case_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ExFAT and NTFS find `m` under `M`: a replacement that changes the case is none's loss."""
    root = fresh(tmp_path, 0)
    staging = Staging(root)
    stage = staging.open("one")
    put(stage / "x.gguf", b"new")
    genuine = os.lstat

    def lstat(path: str | Path, **more: object) -> os.stat_result:
        there = Path(path)
        if there.name == "M" and not (root / "M").is_dir():
            return genuine(there.with_name("m"))
        return genuine(path, **more)  # type: ignore[arg-type]

    with monkeypatch.context() as insensitive:
        insensitive.setattr(os, "lstat", lstat)
        staging.commit(stage, "M", replaces="m")

    assert tree(root) == {"M/x.gguf": b"new"}


def test_a_commit_makes_every_file_and_folder_durable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each file, each folder it lies in, and then the models folder; links are not followed."""
    synced: set[str] = set()
    genuine = os.fsync

    def fsync(descriptor: int) -> None:
        synced.add(os.readlink(f"/proc/self/fd/{descriptor}"))  # noqa: PTH115
        genuine(descriptor)

    staging = Staging(tmp_path)
    stage = staging.open("one")
    put(stage / "x.gguf")
    put(stage / "tokenizer" / "tokenizer.json")
    outside = put(tmp_path / "outside")
    (stage / "link").symlink_to(outside)
    os.mkfifo(stage / "fifo")
    monkeypatch.setattr(os, "fsync", fsync)
    staging.commit(stage, "m")

    names = {path.removeprefix(str(stage)) for path in synced if path.startswith(str(stage))}
    assert names == {"", "/x.gguf", "/tokenizer", "/tokenizer/tokenizer.json"}
    assert str(tmp_path) in synced
    assert str(outside) not in synced


def test_a_stage_is_a_folder_until_it_is_thrown_away(tmp_path: Path) -> None:
    """Found again with what it holds; discarding one that is gone changes nothing."""
    staging = Staging(tmp_path)
    stage = staging.open("one")
    made = stage.is_dir()
    put(stage / "x.gguf")
    again = staging.open("one")
    kept = (again / "x.gguf").exists()
    staging.discard(stage)
    staging.discard(stage)

    assert made
    assert (again, kept) == (stage, True)
    assert hidden(tmp_path) == []


def test_changes_are_announced_and_durable_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`sync`, the models folder reaching the disk, comes before what counts on a rename."""
    seen: list[str] = []
    genuine = os.fsync

    def fsync(descriptor: int) -> None:
        if os.readlink(f"/proc/self/fd/{descriptor}") == str(tmp_path):  # noqa: PTH115
            seen.append("sync")
        genuine(descriptor)

    def told() -> list[str]:
        told, seen[:] = list(seen), []
        return told

    monkeypatch.setattr(os, "fsync", fsync)
    staging = Staging(tmp_path, step=seen.append)
    new = staging.commit(staging.open("one"), "m")
    created = told()
    over = staging.commit(staging.open("two"), "m", replaces="m")
    replaced = told()
    staging.remove("m")
    removed = told()
    staging.open("three")
    swept = Staging(tmp_path, step=seen.append).recover().swept

    assert new == over == tmp_path / "m"
    assert created == ["sync stage", "appear", "sync root", "sync"]
    assert replaced == [
        *("sync stage", "write journal", "sync", "set old aside", "take over", "sync root"),
        *("sync", "remove old", "remove journal", "sync"),
    ]
    assert removed == ["rename to trash", "sync root", "sync", "empty trash", "deleted"]
    assert told() == ["sweep .rkd-stage-three"]
    assert swept == (".rkd-stage-three",)
    assert hidden(tmp_path) == []


@pytest.mark.parametrize(("folder", "replaces"), [("n", "m"), ("x", os.fsdecode(b"\xff"))])
def test_a_replacement_that_cannot_be_is_refused_before_anything_changes(
    tmp_path: Path, folder: str, replaces: str
) -> None:
    """The new name is another model's, or the old one is none a journal can tell."""
    root = fresh(tmp_path, 0)
    put(root / "n" / "y.gguf", b"another")
    put(root / os.fsdecode(b"\xff") / "z.gguf", b"odd")
    before = tree(root)
    staging = Staging(root)
    stage = staging.open("one")
    put(stage / "x.gguf", b"new")
    with pytest.raises(FileExistsError):
        staging.commit(stage, folder, replaces=replaces)

    assert tree(root) == before
    assert hidden(root) == [".rkd-stage-one"]


def test_a_disk_that_refuses_is_no_taken_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own error is told; throwing away does what it can."""
    staging = Staging(tmp_path)
    stage = staging.open("one")
    put(stage / "x.gguf", b"new")

    def refuse(*_args: object, **_more: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    with monkeypatch.context() as read_only:
        for function in ("rename", "unlink", "rmdir"):
            read_only.setattr(os, function, refuse)
        with pytest.raises(OSError, match="Read-only") as error:
            staging.commit(stage, "m")
        staging.discard(stage)

    assert not isinstance(error.value, FileExistsError)
    assert (stage / "x.gguf").exists()


def test_a_recovery_tells_what_it_finished_and_swept(tmp_path: Path) -> None:
    """A replacement whose old model is gone already goes on; half a journal is nobody's."""
    put(tmp_path / ".rkd-stage-a" / "x.gguf", b"new")
    record = {"stage": ".rkd-stage-a", "folder": "m", "replaces": "gone"}
    put(tmp_path / ".rkd-replace-a.json", json.dumps(record))
    put(tmp_path / ".rkd-replace-b.json.new", "{")
    (tmp_path / ".rkd-replace-c.json").symlink_to("nowhere")
    recovered = Staging(tmp_path).recover()

    assert tree(tmp_path) == NEW
    assert recovered.finished == ("m",)
    assert recovered.swept == (".rkd-replace-b.json.new",)
    assert recovered.stuck == (".rkd-replace-c.json",)


@pytest.mark.parametrize("wrong", ["stage", "folder", "replaces"])
def test_a_journal_of_other_types_is_void(tmp_path: Path, wrong: str) -> None:
    """Numbers where names should be."""
    record: dict[str, object] = {"stage": ".rkd-stage-a", "folder": "m", "replaces": "m"}
    put(tmp_path / ".rkd-replace-a.json", json.dumps(record | {wrong: 3}))
    recovered = Staging(tmp_path).recover()

    assert (recovered.finished, recovered.stuck) == ((), ())
    assert hidden(tmp_path) == []
