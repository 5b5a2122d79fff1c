"""Whatever happens to a models folder while it is read, watched or polled: the end is seen."""

from __future__ import annotations

import asyncio
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from rkd.library import looking
from rkd.library.arrival import Sightings, Writer
from rkd.library.library import Library
from rkd.library.scan import scan
from rkd.library.snapshot import Snapshot
from rkd.library.watch import Watch
from tests.unit.library.folders import put

NAMES = ("a", "B", "b", "c:1b", "d-", "e", "f.gguf", "g")
STEPS = 60

Deed = Callable[[Path, random.Random], None]


def nobody_writes(_path: Path) -> Writer:
    """Know of no writer."""
    return Writer.NONE


def _some(root: Path, chance: random.Random) -> Path:
    return root / chance.choice(NAMES)


def bring(path: Path, chance: random.Random) -> None:
    """Write a file as of another time each: what has kept size and time is not opened again."""
    put(path, f"FROM ./x.gguf\nSYSTEM {chance.random()}\n", age=1e9 * (1 + chance.random() / 2))


def _write(root: Path, chance: random.Random) -> None:
    place = _some(root, chance)
    name = chance.choice(("x.gguf", "x.rkllm", "Modelfile", "sub/config.json", ".rkd.json"))
    bring(place / name, chance)


def _drop(root: Path, chance: random.Random) -> None:
    bring(root / chance.choice(("flat.gguf", "a.gguf", "notes.txt", "Modelfile")), chance)


def _remove(root: Path, chance: random.Random) -> None:
    place = _some(root, chance)
    shutil.rmtree(place) if place.is_dir() and not place.is_symlink() else place.unlink()


def _empty(root: Path, chance: random.Random) -> None:
    for path in sorted(_some(root, chance).iterdir())[:1]:
        path.unlink()


def _rename(root: Path, chance: random.Random) -> None:
    _some(root, chance).rename(_some(root, chance))


def _swap(root: Path, chance: random.Random) -> None:
    one, other, between = _some(root, chance), _some(root, chance), root / "between"
    one.rename(between)
    if other.exists():
        other.rename(one)
    between.rename(other)


def _take_away(root: Path, chance: random.Random) -> None:
    _some(root, chance).rename(root.parent / f"away{chance.random()}")


def _bring(root: Path, chance: random.Random) -> None:
    away = sorted(root.parent.glob("away*"))
    chance.choice(away).rename(_some(root, chance))


def _link(root: Path, chance: random.Random) -> None:
    # To a folder itself: of a link between that goes, nobody is told.
    away = sorted(path for path in root.parent.glob("away*") if not path.is_symlink())
    _some(root, chance).symlink_to(chance.choice(away))


def _write_far(root: Path, chance: random.Random) -> None:
    away = chance.choice(sorted(root.parent.glob("away*")))
    bring(away / "Modelfile", chance)


def _hide(root: Path, chance: random.Random) -> None:
    _some(root, chance).rename(root / f".{chance.random()}")


DEEDS: tuple[Deed, ...] = (
    *(_write, _write, _write, _drop, _remove, _empty, _rename, _rename, _swap),
    *(_take_away, _bring, _link, _write_far, _hide),
)


def stir(root: Path, chance: random.Random) -> None:
    """Do one thing to the folder; what cannot be done is not."""
    try:
        chance.choice(DEEDS)(root, chance)
    except (OSError, IndexError):
        return


def seen(snapshot: Snapshot) -> dict[str, object]:
    """What a snapshot tells, but for when."""
    told: dict[str, object] = {
        one.name.text: (one.state, one.folder.name, one.modelfile_text, one.size_bytes)
        for one in snapshot.models()
    }
    return told | {f"left {one.name}": "why is the migration's to say" for one in snapshot.left}


async def quiet(library: Library, root: Path) -> tuple[dict[str, object], dict[str, object]]:
    """What the library tells once nothing happens any more, and what a new one would."""
    for _ in range(600):
        await library.current()
        at_last = await asyncio.to_thread(scan, root, Sightings(ask=nobody_writes).wait_s)
        told, true = seen(library.snapshot), seen(at_last)
        # What a migration leaves is the library's alone to tell.
        told = {what: how for what, how in told.items() if what in true or "left" not in what}
        if told == true and not library.reading:
            break
        await asyncio.sleep(0.05)
    return told, true


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("way", ["watched", "polled"])
async def test_the_end_is_seen(
    way: str, seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Renames, swaps, links, folders that come and go, in a reading of one folder a look."""
    monkeypatch.setattr(looking, "START_FOLDERS", 1)
    monkeypatch.setattr(looking, "STEP_S", -1.0)
    monkeypatch.setattr(looking, "DEBOUNCE_S", 0.0)
    chance = random.Random(seed)  # noqa: S311 - the same every time
    root = tmp_path / "models"
    root.mkdir()
    for _ in range(STEPS):
        stir(root, chance)
    library = Library(root, publish=lambda _event: None, sightings=Sightings(ask=nobody_writes))
    watch = Watch(root, library.changed, poll=way == "polled", poll_s=0.02)
    await library.start(watch=watch)
    try:
        for step in range(STEPS):
            stir(root, chance)
            if step % 7 == 0:
                await library.current()
            await asyncio.sleep(chance.choice((0, 0, 0.001, 0.003)))
        told, true = await quiet(library, root)
    finally:
        await watch.close()
        await library.close()

    assert told == true
