"""Operations on disk."""

from __future__ import annotations

import asyncio
import errno
import json
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from rkd.errors import ExhaustedError, PreconditionError, Reason
from rkd.operations.journal import (
    LARGEST_BYTES,
    MOST_BYTES,
    MOST_FILES,
    Journal,
    from_json,
    to_json,
)
from rkd.operations.operation import (
    Operation,
    OperationKind,
    OperationState,
    Progress,
    StoredFailure,
)
from tests.growth import assert_linear

BORN = datetime(2026, 1, 1, 12, tzinfo=UTC)
PULL = Operation(
    id="pull-0000000a",
    kind=OperationKind.PULL,
    key="user/repo@main",
    subject="tiny",
    request={"reference": "user/repo"},
    state=OperationState.FAILED,
    created=BORN,
    started=BORN + timedelta(seconds=1),
    finished=BORN + timedelta(seconds=9),
    detail={"commit": "abc"},
    failure=StoredFailure(Reason.DISK_FULL, "no room", "make some", (("needed_bytes", "5"),)),
)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """Keep a journal in a folder that does not exist yet."""
    journal = Journal(tmp_path / "state" / "operations")
    yield journal
    journal.close()


def test_json_holds_everything_but_progress() -> None:
    """What was written is read back equal."""
    assert from_json(to_json(PULL)) == PULL


def test_another_format_is_refused() -> None:
    """A file of a later rkd is not guessed at."""
    with pytest.raises(ValueError, match="format 2"):
        from_json(to_json(PULL).replace('"format": 1', '"format": 2'))


async def test_operations_come_back_oldest_first(journal: Journal) -> None:
    """Loading sorts by birth, whatever the ids."""
    older = replace(PULL, id="push-00000000", created=BORN - timedelta(days=1))
    await journal.save(PULL)
    await journal.save(older)

    assert await journal.load() == (older, PULL)


async def test_a_damaged_file_is_set_aside(journal: Journal, tmp_path: Path) -> None:
    """Damage costs one operation, not the start of the daemon, and nothing is deleted."""
    await journal.save(PULL)
    folder = tmp_path / "state" / "operations"
    (folder / "pull-0000000b.json").write_text('{"format": 1, "id": "pull-')
    (folder / "pull-0000000c.json").write_text("[]")

    assert await journal.load() == (PULL,)
    assert (folder / "pull-0000000b.json.damaged").exists()
    assert (folder / "pull-0000000c.json.damaged").exists()


async def test_a_write_cut_short_changes_nothing(journal: Journal, tmp_path: Path) -> None:
    """A scratch file left by a crash is not read, and the next save goes over it."""
    folder = tmp_path / "state" / "operations"
    folder.mkdir(parents=True)
    (folder / "pull-0000000a.new").write_text('{"form')

    assert await journal.load() == ()
    await journal.save(PULL)
    assert await journal.load() == (PULL,)


async def test_forgetting_is_final_and_repeatable(journal: Journal) -> None:
    """A forgotten operation does not come back; forgetting twice is no error."""
    await journal.save(PULL)
    await journal.forget(PULL.id)
    await journal.forget(PULL.id)

    assert await journal.load() == ()


def forged(**changes: object) -> str:
    """Write an operation with some of its fields replaced."""
    return json.dumps({**json.loads(to_json(PULL)), **changes})


@pytest.mark.parametrize(
    "content",
    [
        "",
        "null",
        "[" * 200_000,
        '{"format": 1e400}',
        forged(created="2026-01-01T12:00:00"),
        forged(created="0001-01-01T00:00:00+23:59"),
        forged(created=7),
        forged(id="../../../etc/cron.d/x"),
        forged(id="pull-0000000b"),
        forged(kind="dance"),
        forged(state="sleeping"),
        forged(subject="\ud800"),
        forged(request=[1, 2]),
        forged(request={"repository": None}),
        forged(detail={str(number): "x" for number in range(500)}),
        forged(failure="no"),
        forged(failure={"reason": "BAD_LUCK", "message": "", "remedy": "", "metadata": {}}),
    ],
    ids=lambda content: content[-40:],
)
async def test_one_bad_file_costs_one_operation(
    journal: Journal, tmp_path: Path, content: str
) -> None:
    """Whatever a file holds, it is set aside and the others are read."""
    good = replace(PULL, id="push-0000000c")
    await journal.save(good)
    folder = tmp_path / "state" / "operations"
    (folder / "pull-0000000a.json").write_text(content)

    assert await journal.load() == (good,)
    assert (folder / "pull-0000000a.json.damaged").exists()


async def test_only_regular_files_are_read(journal: Journal, tmp_path: Path) -> None:
    """A pipe is not waited for, a link not followed, a folder not opened."""
    await journal.save(PULL)
    folder = tmp_path / "state" / "operations"
    os.mkfifo(folder / "pull-00000001.json")
    (tmp_path / "elsewhere").write_text(to_json(replace(PULL, id="pull-00000002")))
    (folder / "pull-00000002.json").symlink_to(tmp_path / "elsewhere")
    (folder / "pull-00000003.json").mkdir()
    (folder / os.fsdecode(b"caf\xe9.json")).write_text("{}")

    assert await journal.load() == (PULL,)
    assert (tmp_path / "elsewhere").exists()


async def test_what_is_read_at_start_is_bounded(journal: Journal, tmp_path: Path) -> None:
    """Of too many files the newest are read; none is lost."""
    folder = tmp_path / "state" / "operations"
    folder.mkdir(parents=True)
    for number in range(MOST_FILES + 3):
        path = folder / f"pull-{number:08x}.json"
        path.write_text(to_json(replace(PULL, id=path.stem)))
        os.utime(path, ns=(number ^ 1, number ^ 1))
    with capture_logs() as logged:
        found = await journal.load()

    assert len(found) == MOST_FILES
    assert {"pull-00000000", "pull-00000001", "pull-00000003"}.isdisjoint(one.id for one in found)
    assert [(one["event"], one["files"], one["after"]) for one in logged] == [
        ("operations.left", 3, "pull-00000003.json")
    ]
    assert len(list(folder.iterdir())) == MOST_FILES + 3


async def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """A file where the folder should be: typed, and no end waits for it."""
    (tmp_path / "operations").write_text("in the way")
    journal = Journal(tmp_path / "operations")
    try:
        assert await journal.load() == ()
        with pytest.raises(PreconditionError, match="can be written down"):
            await journal.save(PULL)
        await journal.settle(PULL)
        await journal.forget(PULL.id)
    finally:
        journal.close()


def test_reading_is_linear() -> None:
    """A request of any length takes time in proportion."""
    assert_linear(
        lambda size: forged(request={"modelfile": "é\n" * size}).encode(),
        from_json,
        most=LARGEST_BYTES // 8,
    )


async def test_the_first_look_makes_the_folder(journal: Journal, tmp_path: Path) -> None:
    """With all that leads to it, so that what cannot be written is noticed at the start."""
    assert await journal.load() == ()
    assert (tmp_path / "state" / "operations").is_dir()


async def test_an_end_is_written_down(journal: Journal) -> None:
    """It comes back as it ended."""
    await journal.save(replace(PULL, state=OperationState.RUNNING, finished=None, failure=None))
    await journal.settle(PULL)

    assert await journal.load() == (PULL,)


async def test_closing_waits_for_what_was_begun(tmp_path: Path) -> None:
    """Writes that nobody waits for any more are still done, in order, by one thread."""
    journal = Journal(tmp_path / "operations")
    saves = [
        asyncio.ensure_future(journal.save(replace(PULL, subject=str(number))))
        for number in range(20)
    ]
    await asyncio.sleep(0)
    for save in saves:
        save.cancel()
    journal.close()

    kept = from_json((tmp_path / "operations" / f"{PULL.id}.json").read_bytes())
    assert kept.subject == "19"
    await asyncio.wait(saves)


async def test_the_bytes_read_at_start_are_bounded(journal: Journal, tmp_path: Path) -> None:
    """As many of the largest as fit, to the byte; the oldest stays unread."""
    folder = tmp_path / "state" / "operations"
    folder.mkdir(parents=True)
    fitting = MOST_BYTES // LARGEST_BYTES
    for number in range(fitting + 1):
        path = folder / f"pull-{number:08x}.json"
        path.touch()
        os.truncate(path, LARGEST_BYTES)
        os.utime(path, ns=(number, number))
    await journal.load()

    assert len(list(folder.glob("*.damaged"))) == fitting
    assert (folder / "pull-00000000.json").exists()


async def test_a_link_to_nowhere_hides_nobody(journal: Journal, tmp_path: Path) -> None:
    """It is set aside as it is; the others are read."""
    await journal.save(PULL)
    (tmp_path / "state" / "operations" / "pull-00000001.json").symlink_to("nowhere")

    assert await journal.load() == (PULL,)


async def test_what_is_wrong_with_a_file_is_logged(journal: Journal, tmp_path: Path) -> None:
    """With where it lies now: where it was, if it cannot be moved."""
    folder = tmp_path / "state" / "operations"
    (folder / "pull-00000001.json.damaged" / "x").mkdir(parents=True)
    for number in (1, 2):
        (folder / f"pull-0000000{number}.json").write_text("{" + "x" * 400)
    with capture_logs() as logged:
        await journal.load()

    assert {one["event"] for one in logged} == {"operations.damaged"}
    assert {Path(one["path"]).name for one in logged} == {
        "pull-00000001.json",
        "pull-00000002.json.damaged",
    }
    assert all(0 < len(one["error"]) <= 200 for one in logged)


def test_the_fields_of_a_record_are_held_against_their_bounds() -> None:
    """An id names no path, and a mapping has so many keys and not one more."""
    keys = {str(number): "x" for number in range(200)}

    assert from_json(forged(detail=keys)).detail == keys
    with pytest.raises(ValueError, match="keys"):
        from_json(forged(detail=keys | {"one more": "x"}))
    with pytest.raises(ValueError, match="no id"):
        from_json(forged(id="../x"))


async def test_a_folder_that_is_none_is_told_with_its_cause(tmp_path: Path) -> None:
    """In the log for who starts the daemon, in the error for who asked."""
    (tmp_path / "operations").write_text("in the way")
    journal = Journal(tmp_path / "operations")
    with capture_logs() as logged:
        await journal.load()
        with pytest.raises(PreconditionError, match="File exists"):
            await journal.save(PULL)
        await journal.settle(PULL)
        await journal.forget(PULL.id)
    journal.close()

    assert [one["event"] for one in logged] == [
        "operations.unreadable",
        "operations.not_forgotten",
        "operations.unsaved",
        "operations.not_forgotten",
    ]
    assert all(one.get("error") for one in logged)


async def test_forgetting_what_is_not_there_is_no_news(journal: Journal) -> None:
    """Nothing is logged."""
    await journal.load()
    with capture_logs() as logged:
        await journal.forget(PULL.id)

    assert logged == []


@pytest.mark.parametrize("code", [errno.ENOSPC, 0], ids=["full", "unnamed"])
async def test_a_disk_that_refuses_is_told(
    journal: Journal, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """A full one with the way out; one that does not say why by the kind of its error."""

    def refuse(_descriptor: int) -> None:
        raise OSError(code, os.strerror(code)) if code else OSError

    await journal.load()
    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises((ExhaustedError, PreconditionError)) as error:
        await journal.save(PULL)

    if code:
        assert error.value.reason is Reason.DISK_FULL
    else:
        assert error.value.message.endswith(": OSError")


def test_progress_is_neither_written_nor_believed() -> None:
    """It is of a run that is over; what stands in its place, of an older rkd or forged, is none."""
    document = json.loads(to_json(PULL))

    assert "progress" not in document
    document["progress"] = "half of it"
    assert from_json(json.dumps(document)).progress == Progress()


@pytest.mark.parametrize("table", ["request", "detail"])
def test_a_record_has_so_many_keys(table: str) -> None:
    """One more is no record of ours."""
    document = json.loads(to_json(PULL))
    document[table] = {str(number): "" for number in range(201)}

    with pytest.raises(ValueError, match="201 keys"):
        from_json(json.dumps(document))
