"""Conversations on disk: whose they are, what bounds them, what becomes of what is broken."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from rkd.inference import LoadSpec, Run
from rkd.model import BackendKind
from rkd.pool.sessions import MOST_SESSIONS, Session, SessionOffer, SessionShelf, key_of, mark_of
from rkd.session import Kept

MINE = Session("token a", "chat")
YOURS = Session("token b", "chat")
MIB = 1 << 20


@dataclass
class Place:
    """SessionShelf in a folder, and a worker's beside it."""

    folder: Path
    most_bytes: int = 100 * MIB
    free: int = 1 << 40
    now: float = 0.0
    worker: Path = field(init=False)
    kept: Path = field(init=False)

    def __post_init__(self) -> None:
        self.worker, self.kept = self.folder / "worker", self.folder / "sessions"
        self.worker.mkdir()

    def open(self, *, reserve_bytes: int = 0) -> SessionShelf:
        """As at the start of the daemon."""

        def clock() -> float:
            self.now += 1
            return self.now

        return SessionShelf(
            self.kept,
            self.most_bytes,
            reserve_bytes=reserve_bytes,
            clock=clock,
            free=lambda _: self.free,
        )

    def content_of(self, path: str) -> bytes:
        """Of a file that was offered."""
        return Path(path).read_bytes()

    async def write(
        self, it: SessionShelf, session: Session, content: bytes = b"x", mark: str = "m"
    ) -> SessionOffer:
        """What a worker does with a turn of *session*; what it was offered."""
        offer = it.offer(session, "model", mark, 1)
        if offer.file.name:
            (self.worker / offer.file.name).write_bytes(content)
        sha256 = hashlib.sha256(content).hexdigest()
        await it.keep(offer, self.worker, Kept(len(content), sha256, 7, "prefix"))
        return offer


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """An empty one."""
    return Place(tmp_path)


async def test_what_was_kept_is_offered_again(place: Place) -> None:
    """By the next life of the daemon too, with all a backend wants to know."""
    it = place.open()
    first = await place.write(it, MINE, b"state")
    again = place.open().offer(MINE, "model", "m", 1).file

    assert first.file.path == ""
    assert place.content_of(again.path) == b"state"
    assert (again.sha256, again.prefix) == (hashlib.sha256(b"state").hexdigest(), "prefix")
    assert list(place.worker.iterdir()) == []
    assert {oct(one.stat().st_mode)[-3:] for one in place.kept.iterdir()} == {"600"}
    assert oct(place.kept.stat().st_mode)[-3:] == "700"


async def test_nobody_is_offered_anothers(place: Place) -> None:
    """Of the same name and model; nor one of another model, or computed otherwise."""
    it = place.open()
    await place.write(it, MINE)

    assert it.offer(YOURS, "model", "m", 1).file.path == ""
    assert it.offer(MINE, "other", "m", 1).file.path == ""
    assert it.offer(MINE, "model", "another", 1).file.path == ""
    assert it.offer(MINE, "model", "m", 1).file.path
    assert [one.owner for one in it.kept(MINE.owner)] == [MINE.owner]
    assert it.kept(YOURS.owner) == ()


def test_no_two_names_share_a_file() -> None:
    """Wherever one ends and the next begins, and whatever is in them."""
    names = ["a", "b", "ab", "", "a\0b", "../x", 'a"', "a,b", "A"]
    keys = {key_of(Session(one, two), three) for one in names for two in names for three in names}

    assert len(keys) == len(names) ** 3
    assert all(key.isalnum() and len(key) == 40 for key in keys)


@pytest.mark.parametrize(
    "change",
    [
        {"context_tokens": 2},
        {"kv_cache_type": "q8_0"},
        {"adapters": (("l", "/l", 1.0),)},
        {"template": "t"},
        {"slots": 2},
        {"weights": "/x"},
        {"backend": BackendKind.NPU},
    ],
)
def test_what_a_cache_depends_on(change: dict[str, object]) -> None:
    """Each of it makes another mark; so do version, runtime and the run's own adapters."""
    spec = LoadSpec(BackendKind.CPU, "/w", context_tokens=1)
    own = mark_of("1", spec, "r", Run())

    assert mark_of("1", replace(spec, **change), "r", Run()) != own  # type: ignore[arg-type]
    assert mark_of("2", spec, "r", Run()) != own
    assert mark_of("1", spec, "r2", Run()) != own
    assert mark_of("1", spec, "r", Run(lora=(("l", 0.5),))) != own
    assert mark_of("1", spec, "r", Run(template="t")) != own
    assert mark_of("1", spec, "r", Run(prompt="p")) == own


async def test_the_oldest_leave_when_there_is_no_room(place: Place) -> None:
    """The oldest of who has most: asking much pushes out nobody else's."""
    place.most_bytes = 10 * MIB
    it = place.open()
    await place.write(it, YOURS, bytes(3 * MIB))
    for at in range(5):
        await place.write(it, Session(MINE.owner, f"chat{at}"), bytes(3 * MIB))

    assert [(one.owner, one.name) for one in it.kept()] == [
        ("token a", "chat4"),
        ("token a", "chat3"),
        ("token b", "chat"),
    ]
    assert sum(one.stat().st_size for one in place.kept.glob("*.cache")) <= 10 * MIB


async def test_what_was_used_last_leaves_last(place: Place) -> None:
    """Reading counts as use, also when nothing new is written."""
    place.most_bytes = 5 * MIB
    it = place.open()
    for name in "ab":
        await place.write(it, Session("o", name), bytes(2 * MIB))
    await it.keep(it.offer(Session("o", "a"), "model", "m", 1), place.worker, Kept())
    await place.write(it, Session("o", "c"), bytes(2 * MIB))

    assert [one.name for one in it.kept()] == ["c", "a"]


async def test_their_number_is_bounded(place: Place) -> None:
    """However small they are."""
    it = place.open()
    it._kept = {
        str(at): replace((await _one(place, it)), name=str(at)) for at in range(MOST_SESSIONS)
    }
    await place.write(it, MINE)

    assert len(it.kept()) == MOST_SESSIONS


async def _one(place: Place, it: SessionShelf) -> object:
    if not it.kept():
        await place.write(it, YOURS)
    return it.kept()[0]


@pytest.mark.parametrize("free", [0, MIB])
async def test_a_disk_that_is_full_is_not_filled(place: Place, free: int) -> None:
    """Nothing is written where the reserve would be touched; what is kept makes way."""
    it = place.open(reserve_bytes=2 * MIB)
    await place.write(it, MINE, bytes(MIB))
    place.free = free
    offer = it.offer(YOURS, "model", "m", 1)
    await it.limit(place.most_bytes, 2 * MIB)

    assert (offer.file.name, offer.file.most_tokens) == ("", 0)
    assert it.kept() == ()


async def test_none_are_kept_where_that_is_said(place: Place) -> None:
    """A bound of nothing, from the start or from a reload on."""
    it = place.open()
    await place.write(it, MINE)
    await it.limit(0, 0)
    offer = it.offer(MINE, "model", "m", 1)

    assert (offer.file.name, offer.file.path) == ("", "")
    assert list(place.kept.iterdir()) == []


async def test_the_room_bounds_a_conversation(place: Place) -> None:
    """In tokens, by what one takes."""
    it = place.open()

    assert it.offer(MINE, "model", "m", MIB).file.most_tokens == 100


@pytest.mark.parametrize("trick", ["link", "folder", "longer", "none"])
async def test_a_worker_is_not_believed(place: Place, trick: str) -> None:
    """What it wrote must be a file of its own, as long as it says."""
    secret = place.folder / "secret"
    secret.write_bytes(b"x")
    it = place.open()
    offer = it.offer(MINE, "model", "m", 1)
    path = place.worker / offer.file.name
    match trick:
        case "link":
            path.symlink_to(secret)
        case "folder":
            path.mkdir()
        case "longer":
            path.write_bytes(b"xy")
    await it.keep(offer, place.worker, Kept(1, "0" * 64, 7))

    assert it.kept() == ()
    assert secret.read_bytes() == b"x"
    assert not place.kept.exists() or list(place.kept.iterdir()) == []


@pytest.mark.parametrize(
    "note",
    [
        b"",
        b"{",
        b"[]",
        b'{"format": 1}',
        b'{"format": 2, "owner": "o"}',
        b"x" * 10_000,
        json.dumps({"format": 1, "owner": 1, "name": [], "model": None}).encode(),
    ],
)
async def test_a_note_that_is_none_goes(place: Place, note: bytes) -> None:
    """With its file; so does a file without a note, and what nobody here has written."""
    it = place.open()
    await place.write(it, MINE)
    await place.write(it, YOURS)
    key = key_of(YOURS, "model")
    (place.kept / f"{key}.json").write_bytes(note)
    (place.kept / "stray").write_bytes(b"x")
    (place.kept / "folder").mkdir()
    again = place.open()

    assert [one.owner for one in again.kept()] == [MINE.owner]
    mine = key_of(MINE, "model")
    assert {one.name for one in place.kept.iterdir()} == {
        f"{mine}.json",
        f"{mine}.cache",
        "folder",
    }


@pytest.mark.parametrize("used", ["1e300", "-1", "NaN", "1e11", '"now"', "null", "true"])
async def test_a_note_of_no_time_is_not_believed(place: Place, used: str) -> None:
    """Whatever it names has to be shown somewhere as a moment."""
    it = place.open()
    await place.write(it, MINE)
    note = place.kept / f"{key_of(MINE, 'model')}.json"
    note.write_text(note.read_text().replace('"used_s": 1.0', f'"used_s": {used}'))
    assert used in note.read_text()

    assert place.open().kept() == ()


async def test_a_note_of_another_place_is_not_believed(place: Place) -> None:
    """A file that was copied under another's key stays nobody's."""
    it = place.open()
    await place.write(it, MINE)
    mine, yours = key_of(MINE, "model"), key_of(YOURS, "model")
    for suffix in (".json", ".cache"):
        (place.kept / f"{mine}{suffix}").rename(place.kept / f"{yours}{suffix}")
    again = place.open()

    assert again.kept() == ()
    assert again.offer(YOURS, "model", "m", 1).file.path == ""


async def test_what_is_forgotten_is_gone(place: Place) -> None:
    """By model, or as chosen."""
    it = place.open()
    await place.write(it, MINE)
    await place.write(it, YOURS)

    assert await it.remove(lambda one: one.owner == YOURS.owner) == 1
    await it.forget("other")
    assert len(it.kept()) == 1
    await it.forget("model")
    assert list(place.kept.iterdir()) == []
