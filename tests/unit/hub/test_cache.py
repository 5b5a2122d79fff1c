"""Remembered answers: a help that never costs one."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rkd import shape
from rkd.errors import Reason, UnavailableError
from rkd.hub.cache import KEPT_ANSWERS, KEPT_BYTES, LARGEST_ANSWER_BYTES, AnswerCache, Form
from rkd.hub.connection import Connection

NUMBER = Form(lambda value: value, shape.count)


class Bench:
    """A cache with a clock."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "cache"
        self.now = datetime(2026, 9, 1, tzinfo=UTC)
        connection = Connection(
            endpoint="http://127.0.0.1:9",
            token=lambda: None,
            offline=lambda: False,
            home=folder / "hf",
        )
        self.cache = AnswerCache(self.folder, connection, now=lambda: self.now)

    def kept(self) -> list[Path]:
        """List the answers on disk."""
        return list(self.folder.iterdir())


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """Make a cache in a folder that is not there yet."""
    return Bench(tmp_path)


def test_threads_that_ask_the_same_do_not_meet(bench: Bench) -> None:
    """Eight at once, again and again: every one gets its answer, and no draft stays."""
    ready = threading.Barrier(8)
    answers: list[int] = []

    def ask_often() -> None:
        ready.wait()
        answers.extend(
            bench.cache.answer(f"q{number % 3}", lambda: 7, fresh=timedelta()).value
            for number in range(50)
        )

    threads = [threading.Thread(target=ask_often) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert answers == [7] * 400
    assert {path.suffix for path in bench.kept()} == {".json"}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"null",
        b"[]",
        b"[" * 200_000,
        b'{"at": 7, "value": 1}',
        b'{"at": "2026-09-01T00:00:00", "value": 1}',
        b'{"at": "9999-12-31T23:59:59-23:59", "value": 1}',
        b'{"at": "2026-09-01T00:00:00+00:00", "value": "one"}',
        b'{"at": "2026-09-01T00:00:00+00:00"}',
        b'{"at": "2026-09-01T00:00:00+00:00", "value": 99999999999999999999}',
        b"\xff" * 100,
        b" " * (LARGEST_ANSWER_BYTES + 1),
    ],
    ids=lambda content: repr(content[:40]),
)
def test_what_is_no_answer_is_asked_anew(bench: Bench, content: bytes) -> None:
    """Corrupt, forged, of another type or too large: as if nothing were there."""
    bench.cache.answer("q", lambda: 1, NUMBER)
    (path,) = bench.kept()
    path.write_bytes(content)

    assert bench.cache.answer("q", lambda: 2, NUMBER).value == 2
    assert bench.cache.answer("q", lambda: 3, NUMBER).value == 2


def _a_file(folder: Path) -> None:
    folder.write_text("in the way")


def _a_dead_link(folder: Path) -> None:
    folder.symlink_to("/nowhere/at/all")


def _under_a_file(folder: Path) -> None:
    folder.symlink_to("/dev/null/x")


@pytest.mark.parametrize("spoil", [_a_file, _a_dead_link, _under_a_file])
def test_a_folder_that_cannot_be_used_costs_no_answer(
    bench: Bench, spoil: Callable[[Path], None]
) -> None:
    """What was answered is given, kept or not."""
    spoil(bench.folder)

    assert bench.cache.answer("q", lambda: 1).value == 1


def test_a_disk_that_is_full_costs_no_answer(bench: Bench) -> None:
    """An answer whose place is taken by a folder cannot be kept, and is given."""
    bench.cache.answer("q", lambda: 1)
    (path,) = bench.kept()
    path.unlink()
    path.mkdir()
    (path / "x").write_text("")

    assert bench.cache.answer("q", lambda: 2).value == 2
    assert [one.suffix for one in bench.kept()] == [".json"]


def test_the_cache_is_bounded_in_bytes(bench: Bench) -> None:
    """Large answers push the oldest out before there are many; the largest are not kept."""
    large = "x" * (LARGEST_ANSWER_BYTES - 100)
    for number in range(KEPT_BYTES // LARGEST_ANSWER_BYTES + 3):
        bench.cache.answer(f"q{number}", lambda: large)
    bench.cache.answer("too large", lambda: large + large)

    assert sum(path.stat().st_size for path in bench.kept()) <= KEPT_BYTES
    assert len(bench.kept()) < KEPT_ANSWERS


def test_an_answer_of_the_future_is_not_fresh_for_ever(bench: Bench) -> None:
    """A clock that was wrong once is put right by asking; offline it still serves."""
    bench.cache.answer("q", lambda: 1)
    bench.now -= timedelta(days=400)

    assert bench.cache.answer("q", lambda: 2).value == 2


def test_an_old_answer_serves_while_the_hub_is_away(bench: Bench) -> None:
    """Only where there is one."""

    def away() -> int:
        raise UnavailableError(Reason.HUB_UNREACHABLE, "away")

    bench.cache.answer("q", lambda: 1)
    bench.now += timedelta(days=1)

    assert bench.cache.answer("q", away).value == 1
    with pytest.raises(UnavailableError):
        bench.cache.answer("never asked", away)


def test_no_token_and_no_question_is_written_down(bench: Bench) -> None:
    """The name is a digest, the content the answer alone."""
    bench.cache.answer("secret question", lambda: "answer")
    (path,) = bench.kept()

    assert set(json.loads(path.read_text())) == {"at", "value"}
    assert "secret" not in path.name
