"""What a reload changes, seen in the rooms that live by it."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from rkd import config as configuration
from rkd.config import SETTINGS
from rkd.daemon.life import Daemon
from rkd.daemon.rooms import Rooms
from rkd.daemon.settings import picture_limits
from rkd.errors import ExhaustedError, InvalidInputError, RkdError
from rkd.events import HISTORY_ENTRIES, Event, Topic
from rkd.inference import LoadSpec
from rkd.model import BackendKind, Format, WeightsFile
from rkd.notify import Notifier
from rkd.pool.deciding.placement import Wish
from tests.unit.pool.fakes import model

MEMINFO = "MemTotal: 16000000 kB\nMemAvailable: 14000000 kB\n"
A_DIGEST = "sha256:" + "0" * 64


class FakeNotifier(Notifier):
    """Keeps what the service manager was told."""

    def __init__(self) -> None:
        super().__init__(None)
        self.told: list[str] = []

    def send(self, *lines: str) -> bool:
        """Keep it."""
        self.told.extend(lines)
        return True


class Board:
    """A daemon that was built but not started, and its configuration file."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "rkd.toml"
        self.write("")
        self.notifier = FakeNotifier()
        self.daemon = Daemon(configuration.read(os.environ), self.notifier)

    @property
    def rooms(self) -> Rooms:
        """Its rooms."""
        return self.daemon._rooms

    def write(self, text: str) -> None:
        """Put *text* into the file."""
        self.file.write_text(text, encoding="utf-8")


@pytest.fixture
def board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Board]:
    """A daemon of this test's own, on a machine of 16 GB without an NPU."""
    for name in [one for one in os.environ if one.startswith(("RKD_", "HF_", "XDG_"))]:
        monkeypatch.delenv(name)
    (tmp_path / "models").mkdir()
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc" / "meminfo").write_text(MEMINFO)
    for name, value in {
        "RKD_CONFIG": tmp_path / "rkd.toml",
        "RKD_MODELS": tmp_path / "models",
        "RKD_STATE_DIR": tmp_path / "state",
        "RKD_LISTEN": f"unix:{tmp_path}/s",
        "RKD_SYSROOT": tmp_path,
    }.items():
        monkeypatch.setenv(name, str(value))
    root = logging.getLogger()
    level = root.level
    yield Board(tmp_path)
    root.setLevel(level)
    structlog.reset_defaults()


def _spec(board: Board) -> LoadSpec:
    projector = WeightsFile(Path("/models/alpha/mmproj.gguf"), Format.GGUF, 1, 0)
    return board.rooms.pool.plan(replace(model(), projector=projector), Wish()).plan.spec


def _backend(board: Board) -> BackendKind | str:
    try:
        return _spec(board).backend
    except RkdError as error:
        return error.reason


def _room_for_uploads(board: Board) -> str:
    try:
        board.rooms.library.blobs.check_room(A_DIGEST, 1)
    except ExhaustedError as error:
        return error.reason
    return "room"


def _rules(board: Board) -> Any:
    return board.rooms.pool._desk.table.rules


EFFECTS: dict[str, tuple[str, Callable[[Board], object]]] = {
    "backend": ("'npu'", _backend),
    "max_resident": ("3", lambda board: board.rooms.pool._desk.table.capacity),
    "memory_fraction": ("0.1", lambda board: board.rooms.pool.free_bytes),
    "memory_reserve": ("'8G'", lambda board: board.rooms.pool.free_bytes),
    "keep_alive": ("'7s'", lambda board: _rules(board).keep_alive_s),
    "max_queue": ("2", lambda board: board.rooms.pool.queue_limit),
    "parallel": ("5", lambda board: _spec(board).slots),
    "max_context": ("512", lambda board: _spec(board).context_tokens),
    "max_pictures": ("0", lambda board: picture_limits(board.rooms.in_force).most),
    "max_picture_megapixels": ("1", lambda board: picture_limits(board.rooms.in_force).pixels),
    "max_picture_bytes": ("'1M'", lambda board: picture_limits(board.rooms.in_force).total_bytes),
    "max_image_tokens": ("64", lambda board: _spec(board).image_tokens),
    "kv_cache_type": ("'q8_0'", lambda board: _spec(board).kv_cache_type),
    "session_disk": ("'1M'", lambda board: board.rooms.pool.sessions.most_bytes),
    "prompt_cache": ("'1M'", lambda board: _spec(board).prompt_cache_bytes),
    "threads": ("3", lambda board: _spec(board).threads),
    "first_answer": ("3", lambda board: board.rooms.pool._placement._settings.first_answer),
    "loop_guard": ("0", lambda board: board.rooms.pool._placement._settings.loop_guard),
    "load_timeout": ("'9s'", lambda board: board.rooms.pool._desk._crew.load_timeout_s),
    "stop_grace": ("'2s'", lambda board: board.daemon.stop_bound_s),
    "log_level": ("'error'", lambda _: logging.getLogger().level),
    "offline": ("true", lambda board: board.rooms.hub.connection.offline),
    "hub_connect_timeout": ("'3s'", lambda board: board.rooms.hub.connection.limits),
    "hub_read_timeout": ("'3s'", lambda board: board.rooms.hub.connection.limits),
    "disk_reserve": ("'1024T'", _room_for_uploads),
}
"""Every live setting: another value for it, and where its effect is seen."""


def test_every_live_setting_has_its_effect_here() -> None:
    """One that is added to the table of settings is added to this one."""
    assert set(EFFECTS) == {row.key for row in SETTINGS if row.live}


@pytest.mark.parametrize("key", EFFECTS)
async def test_a_live_setting_has_its_effect_at_once(board: Board, key: str) -> None:
    """And is told as applied, once."""
    value, effect = EFFECTS[key]
    before = effect(board)
    board.write(f"{key} = {value}\n")
    first = await board.daemon.reload()
    second = await board.daemon.reload()

    assert effect(board) != before
    assert [line.partition(":")[0] for line in first.applied] == [key]
    assert (first.needs_restart, second.applied, second.needs_restart) == ((), (), ())


async def test_what_waits_for_a_restart_is_told_as_long_as_it_waits(board: Board) -> None:
    """At every reload, also to the service manager; until then nothing goes by it."""
    board.write("npu_parallel = 2\nparallel = 4\n")
    with capture_logs() as logs:
        first = await board.daemon.reload()
    again = await board.daemon.reload()
    (told,) = [line for line in logs if line["event"] == "rkd.reloaded"]

    assert (told["applied"], told["needs_restart"]) == (first.applied, first.needs_restart)
    assert first.needs_restart == again.needs_restart == ("npu_parallel: 1 -> 2",)
    assert (first.applied, again.applied) == (("parallel: 1 -> 4",), ())
    assert board.rooms.in_force.npu_parallel == 1
    assert board.notifier.told[-1] == (
        "STATUS=serving; waits for a restart: npu_parallel: 1 -> 2"
    )  # fmt: skip


async def test_a_reload_is_announced(board: Board) -> None:
    """Once for each, to everybody who watches; one that failed is none."""
    before = board.rooms.events.revision
    await board.daemon.reload()
    once = board.rooms.events.revision
    board.write("max_queue = 0\n")
    with pytest.raises(InvalidInputError):
        await board.daemon.reload()

    assert once == before + 1
    assert board.rooms.events.revision == once


async def test_a_wrong_configuration_changes_nothing(board: Board) -> None:
    """All or nothing; the service manager hears why, and that the daemon serves on."""
    board.write("parallel = 4\nmax_queue = 0\n")
    with pytest.raises(InvalidInputError):
        await board.daemon.reload()
    await board.daemon._reload()

    assert _spec(board).slots == 1
    assert "READY=1" in board.notifier.told
    assert "max_queue" in board.notifier.told[-1]


async def test_what_happens_is_logged_in_one_place(board: Board) -> None:
    """Models here; residents, operations and moves where they happen."""
    events = board.rooms.events
    with capture_logs() as logs:
        following = asyncio.create_task(board.daemon._follow())
        await asyncio.sleep(0)
        for topic, action in (
            (Topic.MODEL, "migrated"),
            (Topic.MODEL, "added"),
            (Topic.RESIDENT, "ready"),
            (Topic.OPERATION, "finished"),
            (Topic.SYSTEM, "reloaded"),
        ):
            events.publish(Event(topic, action, "x", (("event", "odd"), ("model", "odd"))))
        events.close()
        await following

    assert [(line["event"], line["model"]) for line in logs] == [("model.added", "x")]


async def test_more_happening_than_is_kept_ends_nothing(board: Board) -> None:
    """The log of events overtook the follower: it goes on from there."""
    events = board.rooms.events
    with capture_logs() as logs:
        following = asyncio.create_task(board.daemon._follow())
        await asyncio.sleep(0)
        for number in range(HISTORY_ENTRIES + 10):
            events.publish(Event(Topic.MODEL, "changed", str(number)))
        for _ in range(10):
            await asyncio.sleep(0)
        events.publish(Event(Topic.MODEL, "added", "after"))
        await asyncio.sleep(0)
        events.close()
        await following

    assert [line["model"] for line in logs] == ["after"]


async def test_a_task_that_fails_is_told(board: Board) -> None:
    """And not only when Python happens to collect it."""

    async def fail() -> None:
        raise ZeroDivisionError

    with capture_logs() as logs:
        board.daemon._own(fail(), "odd")
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    assert [(line["event"], line["task"]) for line in logs] == [("rkd.task_failed", "odd")]
