"""Operations on disk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rkd.errors import Reason
from rkd.operations.journal import Journal, from_json, to_json
from rkd.operations.operation import Failure, Operation, OperationKind, OperationState

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
    failure=Failure(Reason.DISK_FULL, "no room", "make some", (("needed_bytes", "5"),)),
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
