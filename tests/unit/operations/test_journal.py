"""Operations on disk."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rkd.errors import PreconditionError, Reason
from rkd.operations.journal import LARGEST_BYTES, MOST_FILES, Journal, from_json, to_json
from rkd.operations.operation import Operation, OperationKind, OperationState, StoredFailure
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
        os.utime(path, ns=(number, number))
    found = await journal.load()

    assert len(found) == MOST_FILES
    assert "pull-00000002" not in {one.id for one in found}
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
