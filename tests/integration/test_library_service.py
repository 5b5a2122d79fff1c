"""The models' service over real gRPC, real files and the real watch."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest

from rkd.library import looking, shelf
from rkd.library.arrival import Sightings, Writer
from rkd.library.library import Library
from rkd.v1 import models_pb2 as pb
from rkd.v1 import types_pb2 as types
from tests.integration.library_server import Served, details, served
from tests.unit.library.folders import put, tree

DATA = bytes(range(256)) * 8192
DIGEST = f"sha256:{hashlib.sha256(DATA).hexdigest()}"
PIECE = 1 << 18


def requests(start: int, end: int = len(DATA)) -> list[pb.UploadRequest]:
    """The pieces of DATA from *start* on."""
    return [
        pb.UploadRequest(
            digest=DIGEST,
            size_bytes=len(DATA),
            offset_bytes=at,
            data=DATA[at : at + PIECE][: end - at],
        )
        for at in range(start, end, PIECE)
    ]


async def slowly(
    pieces: list[pb.UploadRequest], gate: asyncio.Event
) -> AsyncIterator[pb.UploadRequest]:
    """Send *pieces* and then nothing more until *gate* opens."""
    for piece in pieces:
        yield piece
    gate_opened = asyncio.ensure_future(gate.wait())
    await gate_opened


async def listed(server: Served) -> dict[str, int]:
    """State by name."""
    return {one.name: one.state for one in (await server.models.List(pb.ListRequest())).models}


class TestDrop:
    """Files dropped into the folder of a running daemon."""

    async def test_a_slow_copy_is_incoming_and_then_a_model(self, tmp_path: Path) -> None:
        """Listed in the middle as incoming, left where it is, migrated after the close."""
        root = tmp_path / "models"
        async with served(root, tmp_path / "s") as server:
            watch = server.models.Watch(pb.WatchRequest(topics=["model"]))
            await watch.initial_metadata()
            path = root / "slow.gguf"
            with path.open("wb") as file:
                during = []
                for _ in range(6):
                    file.write(b"x" * 1000)
                    file.flush()
                    await asyncio.sleep(0.4)
                    during.append((await listed(server), path.exists()))
            actions = []
            async for change in watch:
                actions.append((change.action, change.subject))
                if change.action == "added":
                    break
            after = await listed(server)

        assert during == [({"slow": types.MODEL_STATE_INCOMING}, True)] * 6
        assert actions == [("incoming", "slow"), ("migrated", "slow"), ("added", "slow")]
        assert after == {"slow": types.MODEL_STATE_READY}
        assert tree(root) == {"slow/slow.gguf": b"x" * 6000}

    async def test_a_copy_by_rsync_is_taken_after_its_rename(self, tmp_path: Path) -> None:
        """The hidden temporary name is nobody's model."""
        root = tmp_path / "models"
        async with served(root, tmp_path / "s") as server:
            hidden = root / ".fast.gguf.Xy12"
            hidden.write_bytes(b"x")
            before = await listed(server)
            hidden.rename(root / "fast.gguf")
            after = await listed(server)

        assert (before, after) == ({}, {"fast": types.MODEL_STATE_READY})

    async def test_a_list_right_after_a_copy_has_it(self, tmp_path: Path) -> None:
        """No event has to arrive first."""
        root = tmp_path / "models"
        async with served(root, tmp_path / "s") as server:
            (root / "x.rkllm").write_bytes(b"npu")
            models = await listed(server)

        assert models == {"x": types.MODEL_STATE_NEEDS_MODELFILE}


class TestUpload:
    """Files brought over the wire."""

    async def test_an_upload_killed_midway_goes_on(self, tmp_path: Path) -> None:
        """The client vanishes; another asks, and sends the rest only."""
        root = tmp_path / "models"
        async with served(root, tmp_path / "s") as server:
            call = server.models.Upload(slowly(requests(0, 4 * PIECE), asyncio.Event()))
            ask = pb.UploadRequest(digest=DIGEST, size_bytes=len(DATA))
            committed = 0
            while committed < 4 * PIECE:
                committed = (await server.models.Upload(iter([ask]))).committed_bytes
            call.cancel()
            answer = await server.models.Upload(iter(requests(4 * PIECE)))

        assert answer == pb.UploadResponse(committed_bytes=len(DATA), complete=True)

    async def test_a_wrong_offset_names_the_right_one(self, tmp_path: Path) -> None:
        """UPLOAD_OFFSET with where the board stands."""
        async with served(tmp_path / "models", tmp_path / "s") as server:
            await server.models.Upload(iter(requests(0, PIECE)))
            # one piece: grpc.aio calls a write INTERNAL that meets the end of its call
            wrong = slowly(requests(2 * PIECE, 3 * PIECE), asyncio.Event())
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await server.models.Upload(wrong)

        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert details(caught.value) == ("UPLOAD_OFFSET", {"committed_bytes": str(PIECE)})


class TestChange:
    """Show, Copy, Delete, Migrate."""

    async def test_a_model_is_shown_copied_and_deleted(self, tmp_path: Path) -> None:
        """As rkctl would."""
        root = tmp_path / "models"
        put(root / "x" / "x.gguf")
        put(root / "x" / "Modelfile", "FROM ./x.gguf\nSYSTEM Be brief.\nPARAMETER top_k 3\n")
        async with served(root, tmp_path / "s") as server:
            shown = await server.models.Show(pb.ShowRequest(model="X:latest", verify=True))
            copy = await server.models.Copy(pb.CopyRequest(source="x", destination="y"))
            await server.models.Delete(pb.DeleteRequest(model="x"))
            left = await listed(server)

        assert shown.system == "Be brief."
        assert [(one.key, one.value) for one in shown.parameters] == [("top_k", "3")]
        assert shown.verified
        assert shown.summary.digest.startswith("sha256:")
        assert copy.model.name == "y"
        assert list(left) == ["y"]
        assert server.pool.left == ["x"]

    async def test_a_busy_model_stays(self, tmp_path: Path) -> None:
        """MODEL_BUSY, unless asked to drain."""
        root = tmp_path / "models"
        put(root / "x" / "x.gguf")
        async with served(root, tmp_path / "s") as server:
            server.pool.busy.add("x")
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await server.models.Delete(pb.DeleteRequest(model="x"))
            before = await listed(server)
            await server.models.Delete(pb.DeleteRequest(model="x", drain=True))
            after = await listed(server)

        assert details(caught.value)[0] == "MODEL_BUSY"
        assert (list(before), list(after)) == (["x"], [])

    async def test_a_dry_run_says_what_would_move(self, tmp_path: Path) -> None:
        """And what stays, with the reason."""
        root = tmp_path / "models"
        async with served(root, tmp_path / "s") as server:
            put(root / "notes.txt")
            answer = await server.models.Migrate(pb.MigrateRequest(dry_run=True))

        assert [one.name for one in answer.left_alone] == ["notes.txt"]

    async def test_names_never_become_paths(self, tmp_path: Path) -> None:
        """INVALID_NAME for anything that could leave the folder."""
        put(tmp_path / "victim" / "x.gguf")
        async with served(tmp_path / "models", tmp_path / "s") as server:
            for name in ("../victim", "x/../../victim", "", ".rkd-blobs", "a:b"):
                with pytest.raises(grpc.aio.AioRpcError) as caught:
                    await server.models.Delete(pb.DeleteRequest(model=name))
                assert details(caught.value)[0] == "INVALID_NAME"

        assert (tmp_path / "victim" / "x.gguf").exists()


class TestList:
    """Many models."""

    async def test_a_thousand_models_come_page_by_page(self, tmp_path: Path) -> None:
        """All of them, each once, in order, and from the snapshot."""
        root = tmp_path / "models"
        for number in range(1000):
            put(root / f"m{number:04}" / "x.gguf")
        async with served(root, tmp_path / "s") as server:
            names: list[str] = []
            token = ""
            await listed(server)
            snapshot = server.library.snapshot
            while True:
                answer = await server.models.List(pb.ListRequest(page_size=300, page_token=token))
                names += [one.name for one in answer.models]
                token = answer.next_page_token
                if not token:
                    break

            assert server.library.snapshot is snapshot

        assert names == [f"m{number:04}" for number in range(1000)]


class TestWatch:
    """The stream of changes."""

    async def test_it_resumes_and_shows_signs_of_life(self, tmp_path: Path) -> None:
        """From a revision on; REVISION_COMPACTED for one that is no longer held."""
        root = tmp_path / "models"
        put(root / "x.gguf")
        async with served(root, tmp_path / "s") as server:
            watch = server.models.Watch(pb.WatchRequest(start_revision=1))
            first = [await anext(aiter(watch)) for _ in range(2)]
            request = pb.WatchRequest()
            request.heartbeat.FromMilliseconds(100)
            alive = await anext(aiter(server.models.Watch(request)))
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await anext(aiter(server.models.Watch(pb.WatchRequest(start_revision=99))))

        assert [(one.revision, one.action) for one in first] == [(1, "migrated"), (2, "added")]
        assert (alive.topic, alive.revision) == ("", 2)
        assert details(caught.value)[0] == "REVISION_COMPACTED"


class Gate:
    """A kernel that does not answer about one model until it is let."""

    def __init__(self, model: str) -> None:
        self.opened = threading.Event()
        self._model = model

    def __call__(self, path: Path) -> Writer:
        """Know of no writer."""
        if path.parent.name == self._model:
            self.opened.wait(60)
        return Writer.NONE


class TestManyModels:
    """A list while the first reading goes on."""

    async def test_a_list_says_how_much_is_missing(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What is known is told at once; nothing is missing once all was read."""
        monkeypatch.setattr(looking, "START_FOLDERS", 2)
        monkeypatch.setattr(looking, "STEP_S", -1.0)
        monkeypatch.setattr(shelf, "CURRENT_S", 0.01)
        root, gate = tmp_path / "models", Gate("m20")
        for number in range(40):
            put(root / f"m{number:02}" / "x.gguf")
        library = Library(root, publish=lambda _event: None, sightings=Sightings(ask=gate))
        async with served(root, tmp_path / "s", library=library) as server:
            began = await server.models.List(pb.ListRequest())
            gate.opened.set()
            shown = await server.models.Show(pb.ShowRequest(model="m39"))
            while (whole := await server.models.List(pb.ListRequest())).unread_folders:
                continue

        assert 0 < len(began.models) < 40
        assert len(began.models) + began.unread_folders == 40
        assert shown.summary.name == "m39"
        assert len(whole.models) == 40
