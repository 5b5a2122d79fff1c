"""When the disk is looked at, and how much of it."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from rkd.errors import AlreadyExistsError
from rkd.events import Event
from rkd.library import looking
from rkd.library.arrival import Sightings, Writer
from rkd.library.library import Library
from rkd.library.watch import Watch
from rkd.model import ModelName, ModelState
from tests.unit.library.folders import put

MANY = 40
LAST = ModelName(f"m{MANY - 1:02}")


def nobody_writes(_path: Path) -> Writer:
    """Know of no writer."""
    return Writer.NONE


@asynccontextmanager
async def library_of(
    root: Path, *, watched: bool = False, publish: Callable[[Event], None] = lambda _event: None
) -> AsyncIterator[Library]:
    """A started library, watched or not."""
    library = Library(root, publish=publish, sightings=Sightings(ask=nobody_writes))
    watch = Watch(root, library.changed) if watched else None
    await library.start(watch=watch)
    try:
        yield library
    finally:
        if watch is not None:
            await watch.close()
        await library.close()


async def until(holds: Callable[[], bool]) -> None:
    """Give others their turn until *holds*; the test's own bound ends it."""
    while not holds():  # noqa: ASYNC110 - whatever is looked at, not only what tells
        await asyncio.sleep(0.01)


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """More models than a start reads in these tests."""
    for number in range(MANY):
        put(tmp_path / f"m{number:02}" / "x.gguf")
    return tmp_path


@pytest.fixture
def two_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A start that reads two folders, and looks of one each."""
    monkeypatch.setattr(looking, "START_FOLDERS", 2)
    monkeypatch.setattr(looking, "STEP_S", -1.0)


@pytest.fixture
def listings(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each folder is listed, by its path."""
    counted: Counter[str] = Counter()
    genuine = os.scandir

    def counting(path: str | Path) -> object:
        counted[str(path)] += 1
        return genuine(path)

    monkeypatch.setattr(os, "scandir", counting)
    return counted


class TestStart:
    """What a start reads, and what is read behind it."""

    async def test_every_folder_is_listed_once(self, many: Path, listings: Counter[str]) -> None:
        """Migration, scan and watch come by it together."""
        async with library_of(many, watched=True) as library:
            assert not library.reading
            await library.current()

        assert {listings[str(many / f"m{number:02}")] for number in range(MANY)} == {1}

    @pytest.mark.usefixtures("two_at_once")
    async def test_it_is_over_before_all_models_are_read(self, many: Path) -> None:
        """What is known is told, and how much is missing; the rest follows by itself."""
        async with library_of(many) as library:
            began = library.snapshot
            reading = library.reading
            await until(lambda: not library.reading)
            names = [model.name.text for model in library.models()]

        assert reading
        assert (len(began.by_key), len(began.due)) == (2, MANY - 2)
        assert names == [f"m{number:02}" for number in range(MANY)]
        assert library.snapshot.due == ()

    @pytest.mark.usefixtures("two_at_once")
    async def test_each_model_is_told_once(self, many: Path) -> None:
        """In however many looks."""
        told: list[Event] = []
        async with library_of(many, publish=told.append) as library:
            await until(lambda: not library.reading)

        assert [(one.action, one.subject) for one in told] == [
            ("added", f"m{number:02}") for number in range(MANY)
        ]

    @pytest.mark.usefixtures("two_at_once")
    async def test_who_asks_for_a_model_has_it_read_first(
        self, many: Path, listings: Counter[str]
    ) -> None:
        """That one alone, and not those before it."""
        async with library_of(many) as library:
            model = await library.resolve(LAST)
            reading = library.reading
            known = len(library.models())
            await until(lambda: not library.reading)

        assert model.state is ModelState.READY
        assert reading
        assert known < MANY // 2
        assert listings[str(many / LAST.text)] == 1

    @pytest.mark.usefixtures("two_at_once")
    async def test_a_folder_under_another_spelling_is_found_first(self, many: Path) -> None:
        """Rkllama's folder `z:1b` is the model `z-1b`, whoever has read it or not."""
        put(many / "z:1B" / "x.gguf")
        async with library_of(many) as library:
            model = await library.resolve(ModelName("z-1b"))

        assert model.name.text == "z-1B"

    @pytest.mark.usefixtures("two_at_once")
    async def test_a_name_with_a_tag_waits_for_every_model(self, many: Path) -> None:
        """Which one is meant is known when all are: the last one fits as well as the first."""
        put(many / "a-qwen-x-1b" / "x.gguf")
        put(many / "z-qwen-1b" / "x.gguf")
        put(many / "qwen-1b-it" / "x.gguf")
        async with library_of(many) as library:
            plain = await library.named("z")
            reading = library.reading
            tagged = await library.named("qwen:1b")

        assert (plain.text, reading) == ("z", True)
        assert tagged.text == "qwen-1b-it"

    @pytest.mark.usefixtures("two_at_once")
    async def test_a_name_nobody_has_read_yet_is_taken(self, many: Path) -> None:
        """In any spelling: nothing is made beside it or over it."""
        async with library_of(many) as library:
            stage = await library.stage("one")
            (stage / "x.gguf").write_bytes(b"new")
            with pytest.raises(AlreadyExistsError):
                await library.commit(stage, ModelName(LAST.text.upper()))
            freed = await library.delete(LAST)

        assert freed == len(b"weights")

    @pytest.mark.usefixtures("two_at_once")
    async def test_what_happens_meanwhile_is_not_lost(self, many: Path) -> None:
        """Changed, gone, renamed and come while the first reading goes on."""
        async with library_of(many, watched=True) as library:
            put(many / "m00" / "Modelfile", "FROM ./x.gguf\nSYSTEM new\n")
            (many / "m30" / "x.gguf").unlink()
            (many / "m31").rename(many / "renamed")
            (many / "m32").rename(many / "swap")
            (many / "m33").rename(many / "m32")
            (many / "swap").rename(many / "m33")
            put(many / "m33" / "Modelfile", "FROM ./x.gguf\nSYSTEM was 32\n")
            put(many / "dropped.gguf")
            await until(lambda: not library.reading)
            found = {one.name.text: one.recipe.system for one in (await library.current()).models()}

        assert found["m00"] == "new"
        assert found["m33"] == "was 32"
        assert found["m32"] is None
        assert {"renamed", "dropped"} <= found.keys()
        assert not {"m30", "m31", "swap"} & found.keys()

    @pytest.mark.usefixtures("two_at_once")
    async def test_doubt_does_not_begin_the_first_reading_anew(
        self, many: Path, listings: Counter[str]
    ) -> None:
        """A folder that is polled comes to the end of it, however often it is told to look."""
        async with library_of(many) as library:
            library.changed(None)
            while library.reading:
                library.changed(None)
                await asyncio.sleep(0)
            first = dict(listings)

        assert {first[str(many / f"m{number:02}")] for number in range(MANY)} == {1}


class TestDoubt:
    """When anything may have changed."""

    async def test_every_folder_is_looked_at_again(self, many: Path) -> None:
        """A Modelfile written over in place, while nobody was told."""
        async with library_of(many) as library:
            put(many / LAST.text / "Modelfile", "FROM ./x.gguf\nSYSTEM new\n")
            library.changed(None)
            await until(lambda: library.find(LAST).recipe.system == "new")

    async def test_a_list_waits_for_it(self, many: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """What it tells is true as of now."""
        monkeypatch.setattr(looking, "REST_ROUNDS", 0)
        async with library_of(many) as library:
            put(many / LAST.text / "Modelfile", "FROM ./x.gguf\nSYSTEM new\n")
            library.changed(None)
            await library.current()

            assert library.find(LAST).recipe.system == "new"

    async def test_what_was_looked_at_again_rests(
        self, many: Path, monkeypatch: pytest.MonkeyPatch, listings: Counter[str]
    ) -> None:
        """A large library that is polled costs a share of a core, not all of it."""
        monkeypatch.setattr(looking, "REST_ROUNDS", 1e9)
        monkeypatch.setattr(looking, "STEP_S", 0.0)
        async with library_of(many) as library:
            library.changed(None)
            for _ in range(5):
                await library.current()
                library.changed(None)

        assert listings[str(many / LAST.text)] <= 2


class TestTouched:
    """What an event costs."""

    async def test_nothing_but_what_was_touched_is_looked_at(
        self, many: Path, listings: Counter[str]
    ) -> None:
        """A file dropped in among many models, migrated, and a model taken away."""
        async with library_of(many, watched=True) as library:
            listings.clear()
            put(many / "new.gguf")
            await library.resolve(ModelName("new"))
            (many / "m07" / "x.gguf").unlink()
            (many / "m07").rmdir()
            await until(lambda: ModelName("m07").key not in library.snapshot.by_key)

        assert set(listings) <= {str(many), str(many / "new"), str(many / "m07")}

    async def test_a_list_knows_what_was_written_this_moment(self, many: Path) -> None:
        """Also inside of a model's folder, where the models folder itself does not change."""
        async with library_of(many, watched=True) as library:
            put(many / LAST.text / "Modelfile", "FROM ./x.gguf\nSYSTEM new\n")
            await library.current()

            assert library.find(LAST).recipe.system == "new"

    async def test_a_linked_folder_tells_of_its_files(self, tmp_path: Path) -> None:
        """Models on another disk are watched where they are."""
        put(tmp_path / "disk" / "x.gguf")
        root = tmp_path / "models"
        root.mkdir()
        (root / "x").symlink_to(tmp_path / "disk")
        async with library_of(root, watched=True) as library:
            put(tmp_path / "disk" / "Modelfile", "FROM ./x.gguf\nSYSTEM new\n")
            await library.current()

            assert library.find(ModelName("x")).recipe.system == "new"

    async def test_a_link_is_followed_once_it_leads_somewhere(self, tmp_path: Path) -> None:
        """Mounting a disk does not change the models folder itself: the next look sees it."""
        root = tmp_path / "models"
        root.mkdir()
        (root / "x").symlink_to(tmp_path / "disk")
        async with library_of(root, watched=True) as library:
            before = library.models()
            put(tmp_path / "disk" / "x.gguf")
            await library.refresh(frozenset())
            model = library.get(ModelName("x"))

        assert before == ()
        assert model.state is ModelState.READY

    async def test_a_folder_that_is_no_model_is_not_looked_at_again(
        self, tmp_path: Path, listings: Counter[str]
    ) -> None:
        """Until something happens in it."""
        put(tmp_path / "notes" / "a.txt")
        async with library_of(tmp_path, watched=True) as library:
            put(tmp_path / "y" / "y.gguf")
            await library.current()
            count = listings[str(tmp_path / "notes")]
            put(tmp_path / "notes" / "x.gguf")
            await library.current()
            names = [model.name.text for model in library.models()]

        assert count == 1
        assert names == ["notes", "y"]
