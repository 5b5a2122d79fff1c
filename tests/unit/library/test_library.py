"""The library: snapshot, names, changes on disk, events."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from rkd.errors import (
    AlreadyExistsError,
    ExhaustedError,
    InternalError,
    NotFoundError,
    PreconditionError,
    Reason,
    RkdError,
)
from rkd.events import Event
from rkd.library import disk, integrity, scan, shelf
from rkd.library.arrival import Sightings, Writer
from rkd.library.library import Library
from rkd.model import Model, ModelName, ModelState
from tests.unit.library.folders import entries, put, tree
from tests.unit.weights.gguf_bytes import build

X = ModelName("x")
Y = ModelName("y")


class FakeKernel:
    """Knows of the writers it is told of."""

    def __init__(self) -> None:
        self.writer = Writer.NONE
        self.wait_for: threading.Event | None = None

    def __call__(self, _path: Path) -> Writer:
        """Say who writes."""
        if self.wait_for is not None:
            self.wait_for.wait()
        return self.writer


@asynccontextmanager
async def library_of(
    root: Path, events: list[Event] | None = None, kernel: FakeKernel | None = None
) -> AsyncIterator[Library]:
    """A started library."""
    heard: list[Event] = [] if events is None else events
    library = Library(root, publish=heard.append, sightings=Sightings(ask=kernel or FakeKernel()))
    await library.start()
    try:
        yield library
    finally:
        await library.close()


def told(events: list[Event]) -> list[tuple[str, str]]:
    """Action and subject of *events*."""
    return [(event.action, event.subject) for event in events]


class TestStart:
    """What a start does before serving."""

    async def test_the_flat_layout_is_migrated(self, tmp_path: Path) -> None:
        """The file moves, the events tell."""
        put(tmp_path / "x.gguf")
        events: list[Event] = []
        async with library_of(tmp_path, events) as library:
            assert [model.name for model in library.models()] == [X]

        assert tree(tmp_path) == {"x/x.gguf": b"weights"}
        assert told(events) == [("migrated", "x"), ("added", "x")]

    async def test_the_models_folder_is_made(self, tmp_path: Path) -> None:
        """A fresh board has none."""
        async with library_of(tmp_path / "RKLLAMA" / "models") as library:
            assert library.models() == ()

    async def test_stale_staging_is_swept(self, tmp_path: Path) -> None:
        """Leftovers of a killed daemon go."""
        put(tmp_path / ".rkd-stage-1" / "x.gguf")
        async with library_of(tmp_path):
            assert entries(tmp_path) == []

    async def test_an_unreadable_folder_is_said(self, tmp_path: Path) -> None:
        """A file in its place: the error names it."""
        put(tmp_path / "models")
        with pytest.raises(InternalError, match="models"):
            async with library_of(tmp_path / "models" / "below"):
                pass

    async def test_a_file_closed_just_now_is_waited_for(self, tmp_path: Path) -> None:
        """Written a moment before the start, it is there when the start is over."""
        (tmp_path / "x.gguf").write_bytes(b"weights")
        async with library_of(tmp_path) as library:
            assert library.get(X).state is ModelState.READY


class TestGet:
    """What a request is told of a model."""

    async def test_an_unknown_name_comes_with_the_commands(self, tmp_path: Path) -> None:
        """Pull, create, search."""
        async with library_of(tmp_path) as library:
            with pytest.raises(NotFoundError) as caught:
                library.get(X)

        assert caught.value.reason is Reason.MODEL_NOT_FOUND
        for command in ("rkctl pull", "rkctl create x", "rkctl search x"):
            assert command in caught.value.remedy

    async def test_what_lies_there_instead_is_named(self, tmp_path: Path) -> None:
        """A link of that name in the models folder explains itself."""
        (tmp_path / "x.gguf").symlink_to("/nowhere")
        async with library_of(tmp_path) as library:
            with pytest.raises(NotFoundError, match="a link"):
                library.get(X)

    async def test_case_does_not_matter(self, tmp_path: Path) -> None:
        """Asked for as `QWEN`, answered as written."""
        put(tmp_path / "Qwen" / "x.gguf")
        async with library_of(tmp_path) as library:
            assert library.get(ModelName("QWEN")).name.text == "Qwen"

    async def test_an_incoming_model_is_refused(self, tmp_path: Path) -> None:
        """Flat or in a folder: MODEL_INCOMPLETE."""
        kernel = FakeKernel()
        kernel.writer = Writer.SOME
        put(tmp_path / "x.gguf")
        put(tmp_path / "y" / "y.gguf")
        async with library_of(tmp_path, kernel=kernel) as library:
            assert library.snapshot.left == ()  # a model to come is nothing that was left
            for name in (X, Y):
                with pytest.raises(PreconditionError) as caught:
                    library.get(name)
                assert caught.value.reason is Reason.MODEL_INCOMPLETE

    async def test_the_same_refusal_twice_is_two_errors(self, tmp_path: Path) -> None:
        """A raised error collects its traceback, so none is shared between requests."""
        put(tmp_path / "x" / "x.rkllm")
        async with library_of(tmp_path) as library:
            caught = []
            for _ in range(2):
                with pytest.raises(PreconditionError) as one:
                    library.get(X)
                caught.append(one.value)

        assert caught[0] is not caught[1]

    async def test_a_model_dropped_in_this_instant_resolves(self, tmp_path: Path) -> None:
        """Before any event arrived."""
        async with library_of(tmp_path) as library:
            put(tmp_path / "x" / "x.gguf")

            assert (await library.resolve(X)).name == X


class TestFollow:
    """Changes under the running library."""

    async def test_current_sees_a_new_file(self, tmp_path: Path) -> None:
        """A list right after the copy has it, migrated."""
        async with library_of(tmp_path) as library:
            put(tmp_path / "x.gguf")
            found = await library.current()

        assert [model.name for model in found.models()] == [X]
        assert tree(tmp_path) == {"x/x.gguf": b"weights"}

    async def test_current_does_not_look_when_nothing_changed(self, tmp_path: Path) -> None:
        """The very same snapshot comes back."""
        put(tmp_path / "x" / "x.gguf")
        async with library_of(tmp_path) as library:
            before = library.snapshot

            assert await library.current() is before

    async def test_changes_are_followed_and_told(self, tmp_path: Path) -> None:
        """Added, changed, removed; a file that grows is told once."""
        events: list[Event] = []
        kernel = FakeKernel()
        async with library_of(tmp_path, events, kernel) as library:
            kernel.writer = Writer.SOME
            for size in (1, 2, 3):
                put(tmp_path / "x.gguf", b"x" * size)
                await library.refresh()
            kernel.writer = Writer.NONE
            await library.refresh()
            put(tmp_path / "x" / "Modelfile", "FROM ./x.gguf\n")
            await library.refresh(frozenset({"x"}))
            (tmp_path / "x" / "x.gguf").unlink()
            (tmp_path / "x" / "Modelfile").unlink()
            await library.refresh(frozenset({"x"}))

        assert told(events) == [
            ("incoming", "x"),
            ("migrated", "x"),
            ("added", "x"),
            ("changed", "x"),
            ("removed", "x"),
        ]

    async def test_an_event_wakes_the_follower(self, tmp_path: Path) -> None:
        """What the watch reports is looked at without anybody asking."""
        heard = asyncio.Event()
        library = Library(tmp_path, publish=lambda _event: heard.set())
        await library.start()
        put(tmp_path / "x" / "x.gguf")
        library.changed(frozenset({"x"}))
        await heard.wait()
        models = library.models()
        await library.close()

        assert [model.name for model in models] == [X]

    async def test_the_disk_is_touched_in_one_named_thread(self, tmp_path: Path) -> None:
        """Never on the loop."""
        threads: set[str] = set()
        put(tmp_path / "x.gguf")
        library = Library(
            tmp_path,
            publish=lambda _event: None,
            step=lambda _name: threads.add(threading.current_thread().name),
        )
        await library.start()
        await library.delete(X)
        await library.close()

        assert threads == {"rkd-library_0"}


class TestChange:
    """Commit, copy, delete."""

    async def make(self, library: Library, name: ModelName, content: bytes) -> Model:
        """Create a model the way an operation does."""
        stage = await library.stage(f"test-{name}")
        (stage / "x.gguf").write_bytes(content)
        return await library.commit(stage, name)

    async def test_a_committed_model_is_ready_at_once(self, tmp_path: Path) -> None:
        """No settling time for bytes rkd wrote itself."""
        async with library_of(tmp_path) as library:
            model = await self.make(library, X, b"new")

        assert model.state is ModelState.READY

    async def test_a_flat_file_that_comes_meanwhile_does_not_hide_it(self, tmp_path: Path) -> None:
        """One look moves the file, and looks at both; nothing else is taken for a folder."""
        async with library_of(tmp_path) as library:
            put(tmp_path / "a.gguf")
            model = await self.make(library, X, b"new")

            assert (model.state, library.snapshot.left) == (ModelState.READY, ())
            assert [one.name.text for one in library.models()] == ["a", "x"]

    async def test_a_taken_name_is_refused(self, tmp_path: Path) -> None:
        """By a model in any spelling, or by anything else in the folder."""
        put(tmp_path / "X" / "x.gguf")
        put(tmp_path / "y" / "notes.txt")
        async with library_of(tmp_path) as library:
            for name in (X, Y):
                with pytest.raises(AlreadyExistsError) as caught:
                    await self.make(library, name, b"new")
                assert caught.value.reason is Reason.MODEL_EXISTS

    async def test_replace_takes_over(self, tmp_path: Path) -> None:
        """One model, the new bytes, an event that says changed."""
        put(tmp_path / "x" / "x.gguf", b"old")
        events: list[Event] = []
        async with library_of(tmp_path, events) as library:
            stage = await library.stage("one")
            (stage / "y.gguf").write_bytes(b"new")
            await library.commit(stage, X, replace=True)

        assert tree(tmp_path) == {"x/y.gguf": b"new"}
        assert told(events)[-1] == ("changed", "x")

    async def test_a_copy_costs_no_disk(self, tmp_path: Path) -> None:
        """The weights are the same file; the Modelfile is one of its own."""
        put(tmp_path / "x" / "x.gguf")
        put(tmp_path / "x" / "Modelfile", "FROM ./x.gguf\n")
        async with library_of(tmp_path) as library:
            await library.copy(X, Y)
            freed = await library.delete(X)

        assert tree(tmp_path) == {"y/x.gguf": b"weights", "y/Modelfile": b"FROM ./x.gguf\n"}
        assert freed == len("FROM ./x.gguf\n")
        assert (tmp_path / "y" / "x.gguf").stat().st_nlink == 1

    async def test_a_copy_onto_a_model_is_refused_and_leaves_nothing(self, tmp_path: Path) -> None:
        """The stage goes too."""
        put(tmp_path / "x" / "x.gguf")
        put(tmp_path / "y" / "x.gguf", b"other")
        async with library_of(tmp_path) as library:
            with pytest.raises(AlreadyExistsError):
                await library.copy(X, Y)

        assert entries(tmp_path) == ["x", "y"]

    async def test_a_copy_that_fails_leaves_no_stage(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Half a copy is nobody's."""

        def broken(*_args: object) -> None:
            raise OSError(5, "Input/output error")

        put(tmp_path / "x" / "x.gguf")
        monkeypatch.setattr(disk, "copy_folder", broken)
        async with library_of(tmp_path) as library:
            with pytest.raises(RkdError):
                await library.copy(X, Y)

        assert entries(tmp_path) == ["x"]

    async def test_a_copy_of_a_model_nobody_has_looked_at_looks_at_it(self, tmp_path: Path) -> None:
        """In the first seconds of a daemon with thousands of models."""

        class Unread(Library):
            """Has looked at nothing until it is asked for a name."""

            async def learn(self, name: ModelName) -> None:
                """Look, if it is the one."""
                if name == X:
                    await self.refresh()

        library = Unread(tmp_path, publish=lambda _event: None)
        await library.start()
        put(tmp_path / "x" / "x.gguf")
        await library.copy(X, Y)
        await library.close()

        assert "y/x.gguf" in tree(tmp_path)

    async def test_half_a_file_is_not_copied(self, tmp_path: Path) -> None:
        """MODEL_INCOMPLETE; a Modelfile nobody can read is copied as it is."""
        put(tmp_path / "x" / "x.gguf", build()[:-100], age=time.time() + 3600)
        put(tmp_path / "z" / "z.gguf", build())
        put(tmp_path / "z" / "Modelfile", "BOGUS\n")
        library = Library(tmp_path, publish=lambda _event: None)
        await library.start()
        with pytest.raises(PreconditionError) as caught:
            await library.copy(X, Y)
        await library.copy(ModelName("z"), Y)
        await library.close()

        assert caught.value.reason is Reason.MODEL_INCOMPLETE
        assert tree(tmp_path)["y/Modelfile"] == b"BOGUS\n"

    async def test_delete_removes_the_folder(self, tmp_path: Path) -> None:
        """With everything in it, and tells."""
        put(tmp_path / "x" / "x.gguf")
        put(tmp_path / "x" / "tokenizer" / "tokenizer.json", "{}")
        events: list[Event] = []
        async with library_of(tmp_path, events) as library:
            assert await library.delete(X) == 9

        assert entries(tmp_path) == []
        assert told(events)[-1] == ("removed", "x")

    async def test_a_full_disk_is_said(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """ENOSPC from anywhere becomes DISK_FULL."""

        def full(*_args: object) -> None:
            raise OSError(28, "No space left on device")

        put(tmp_path / "x" / "x.gguf")
        monkeypatch.setattr(disk, "copy_folder", full)
        async with library_of(tmp_path) as library:
            with pytest.raises(ExhaustedError) as caught:
                await library.copy(X, Y)

        assert caught.value.reason is Reason.DISK_FULL


class TestVerify:
    """Digests."""

    async def test_a_first_verification_records(self, tmp_path: Path) -> None:
        """The second compares, and finds a flipped bit."""
        path = put(tmp_path / "x" / "x.gguf")
        async with library_of(tmp_path) as library:
            first = await library.verify(X)
            second = await library.verify(X)
            status = path.stat()
            path.write_bytes(b"weightz")
            os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
            third = await library.verify(X)

        assert str(first[0]) == "x.gguf: recorded now"
        assert str(second[0]) == "x.gguf: ok"
        assert not third[0].holds

    async def test_recording_is_no_change_of_the_model(self, tmp_path: Path) -> None:
        """A resident model is not reloaded for it."""
        put(tmp_path / "x" / "x.gguf")
        async with library_of(tmp_path) as library:
            before = library.find(X).version
            await library.verify(X)

            assert library.find(X).version == before
            assert library.find(X).provenance.digests

    async def test_known_weights_need_no_upload(self, tmp_path: Path) -> None:
        """By their recorded digest, as long as nobody changed them since."""
        path = put(tmp_path / "x" / "x.gguf")
        async with library_of(tmp_path) as library:
            digest = (await library.verify(X))[0].digest
            known = library.blobs.standing(digest)
            path.write_bytes(b"changed")
            os.utime(path)

            assert known.complete
            assert not library.blobs.standing(digest).complete


class TestLooks:
    """Two looks at once, looks that fail, and looks that take long."""

    async def test_two_refreshes_at_once_lose_nothing(self, tmp_path: Path) -> None:
        """Each starts from what the other found: both changes are in the last snapshot."""
        for name in ("x", "y"):
            put(tmp_path / name / "x.gguf")
        async with library_of(tmp_path) as library:
            for name in ("x", "y"):
                put(tmp_path / name / "Modelfile", "FROM ./x.gguf\n")
            await asyncio.gather(
                library.refresh(frozenset({"x"})), library.refresh(frozenset({"y"}))
            )
            texts = [library.find(name).modelfile_text for name in (X, Y)]
            derived = [library.is_derived(name) for name in (X, Y)]

        assert texts == ["FROM ./x.gguf\n"] * 2
        assert derived == [False, False]

    async def test_a_look_that_was_given_up_is_made_up_for(self, tmp_path: Path) -> None:
        """A client that goes while the disk is looked at takes nobody's change along."""
        put(tmp_path / "x" / "x.gguf")
        async with library_of(tmp_path) as library:
            put(tmp_path / "x" / "Modelfile", "FROM ./x.gguf\n")
            asked = asyncio.create_task(library.refresh(frozenset({"x"})))
            await asyncio.sleep(0)
            asked.cancel()
            await asyncio.wait({asked})
            await library.current()

            assert not library.is_derived(X)

    async def test_a_list_does_not_wait_for_a_look_that_takes_long(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """One absurd folder holds up nobody's list: what is known is told."""
        put(tmp_path / "x" / "x.gguf")
        go_on = threading.Event()
        kernel = FakeKernel()
        async with library_of(tmp_path, kernel=kernel) as library:
            monkeypatch.setattr(shelf, "CURRENT_S", 0.01)
            kernel.wait_for = go_on
            put(tmp_path / "y" / "y.gguf")
            before = await library.current()
            go_on.set()
            kernel.wait_for = None
            after = await library.current()

        assert [model.name for model in before.models()] == [X]
        assert [model.name for model in after.models()] == [X, Y]

    async def test_a_folder_that_went_away_is_told_as_it_was(self, tmp_path: Path) -> None:
        """A stick pulled out: List answers, and the folder is looked for again."""
        root = tmp_path / "stick"
        put(root / "x" / "x.gguf")
        async with library_of(root) as library:
            root.rename(tmp_path / "pulled")
            gone = await library.current()
            (tmp_path / "pulled").rename(root)
            put(root / "y" / "y.gguf")
            back = await library.current()

        assert [model.name for model in gone.models()] == [X]
        assert [model.name for model in back.models()] == [X, Y]


class TestHeadersLeft:
    """A start that had no time for all headers."""

    async def test_the_rest_follows_by_itself(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The start is over, every model is ready, and then the details are there."""
        monkeypatch.setattr(scan, "LOOK_S", -1.0)
        for name in ("a", "b", "c", "d", "y"):
            put(tmp_path / name / "x.gguf", build())
        async with library_of(tmp_path) as library:
            began = library.models()
            used = (await library.resolve(Y)).details.layers
            async with asyncio.timeout(10):
                while not library.snapshot.whole:
                    await library.current()
            layers = [model.details.layers for model in library.models()]

        assert {model.state for model in began} == {ModelState.READY}
        assert [model.details.layers for model in began] == [2, 0, 0, 0, 0]
        assert used == 2
        assert layers == [2] * 5


class TestAtLength:
    """Reading or copying a whole model takes minutes, and holds nobody up."""

    async def test_a_verification_ends_with_its_caller_and_holds_up_no_list(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Hashing in two threads at most, none of those others wait for; stopped at a piece."""
        go_on, hashing = threading.Event(), threading.Semaphore(0)
        names: list[str] = []
        ended: list[BaseException] = []

        def sha256_of(_path: Path, *, folder: Path, advance: Callable[[int], None]) -> str:
            names.append(threading.current_thread().name)
            hashing.release()
            go_on.wait()
            try:
                advance(1)
            except InterruptedError as error:
                ended.append(error)
                raise
            return f"sha256:{folder.name}"

        monkeypatch.setattr(integrity, "sha256_of", sha256_of)
        put(tmp_path / "x" / "x.gguf")
        async with library_of(tmp_path) as library:
            asked = [asyncio.create_task(library.verify(X)) for _ in range(40)]
            for _ in range(shelf.LONG_AT_ONCE):
                await asyncio.to_thread(hashing.acquire)
            put(tmp_path / "y" / "y.gguf")
            listed = [model.name for model in (await library.current()).models()]
            for task in asked:
                task.cancel()
            await asyncio.wait(asked)
            go_on.set()

        assert listed == [X, Y]
        assert len(names) == len(ended) == shelf.LONG_AT_ONCE
        assert all(name.startswith("rkd-library-long") for name in names)


class TestOntoItself:
    """A model as its own copy."""

    @pytest.mark.parametrize("replace", [False, True])
    @pytest.mark.parametrize("target", ["x", "X"])
    async def test_a_copy_onto_itself_is_refused(
        self, tmp_path: Path, target: str, *, replace: bool
    ) -> None:
        """In any spelling and even where replacing was asked for; nothing changes."""
        put(tmp_path / "x" / "x.gguf")
        before = tree(tmp_path)
        async with library_of(tmp_path) as library:
            with pytest.raises(AlreadyExistsError):
                await library.copy(X, ModelName(target), replace=replace)

        assert tree(tmp_path) == before
        assert entries(tmp_path) == ["x"]

    async def test_a_copy_may_replace_another(self, tmp_path: Path) -> None:
        """Where it was asked for."""
        put(tmp_path / "x" / "x.gguf", b"new")
        put(tmp_path / "y" / "y.gguf", b"old")
        async with library_of(tmp_path) as library:
            await library.copy(X, Y, replace=True)

        assert tree(tmp_path) == {"x/x.gguf": b"new", "y/x.gguf": b"new"}


async def test_a_model_that_went_meanwhile_is_not_found(tmp_path: Path) -> None:
    """Deleted by hand between the list and the delete."""
    put(tmp_path / "x" / "x.gguf")
    async with library_of(tmp_path) as library:
        (tmp_path / "x").rename(tmp_path / ".x")
        with pytest.raises(NotFoundError):
            await library.delete(X)

        assert library.models() == ()


async def test_a_link_in_place_of_a_draft_is_not_written_through(tmp_path: Path) -> None:
    """A stranger's folder cannot make rkd write into a file of its choice."""
    letter = put(tmp_path / "letter", "dear")
    root = tmp_path / "models"
    put(root / "x" / "x.gguf")
    for name in (".rkd.json.new", ".Modelfile.new", "Modelfile.new"):
        (root / "x" / name).symlink_to(letter)
    async with library_of(root) as library:
        await library.verify(X)
        await library.adopt(library.find(X), "FROM ./x.gguf\n", await library.stage("one"))

        assert library.find(X).provenance.digests
    assert letter.read_text() == "dear"
