"""What appears is what the hub announced, in every order of start, failure, resume and cancel."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from rkd.errors import DataLossError, InvalidInputError, Reason, RkdError
from rkd.model import ModelName, ModelState
from rkd.operations.operation import OperationState
from tests.hub.rooms import Rooms, running
from tests.hub.server import LocalHub
from tests.hub.store import Fault, sha256
from tests.hub.weights import gguf

MEBI = 1 << 20
WEIGHTS = gguf(2 * MEBI)
FILE = "tiny-1b-Q4_K_M.gguf"
REPOSITORY = "org/Tiny-1B-GGUF"


@pytest.fixture
def hub() -> Iterator[LocalHub]:
    """Run a hub with one model."""
    with LocalHub() as hub:
        hub.add(REPOSITORY, {FILE: WEIGHTS, "LICENSE": b"do as you like"})
        yield hub


@pytest.mark.parametrize("name", [FILE, "LICENSE"])
async def test_a_truncated_file_is_not_up_to_date(hub: LocalHub, tmp_path: Path, name: str) -> None:
    """The record may say what it likes: sizes are compared, and the file is brought anew."""
    async with running(Rooms(hub.endpoint, tmp_path)) as rooms:
        await rooms.pulled(REPOSITORY, "tiny")
        file = rooms.models / "tiny" / name
        whole = file.read_bytes()
        file.write_bytes(whole[:10])
        again = await rooms.pulled(REPOSITORY, "tiny")

        assert "unchanged" not in again.detail
        assert file.read_bytes() == whole


async def test_what_changed_on_disk_before_the_end_is_found(hub: LocalHub, tmp_path: Path) -> None:
    """A finished file that somebody wrote to while others arrived: no model, and fetched anew."""
    async with running(Rooms(hub.endpoint, tmp_path)) as rooms:
        hub.add(REPOSITORY, {FILE: WEIGHTS, "LICENSE": os.urandom(3 * MEBI)})
        hub.break_with(*[Fault("cdn", "status", status=404, path="LICENSE")] * 9)
        with pytest.raises(RkdError):
            await rooms.pulled(REPOSITORY, "tiny")
        (stage,) = [rooms.models / name for name in rooms.hidden()]
        kept = stage / f".have-{sha256(WEIGHTS)}"
        kept.write_bytes(WEIGHTS + WEIGHTS[:MEBI])
        hub.store.faults.clear()
        with pytest.raises(DataLossError, match="changed on the disk"):
            await rooms.pulled(REPOSITORY, "tiny")
        assert rooms.folders() == []
        await rooms.pulled(REPOSITORY, "tiny")

        assert (rooms.models / "tiny" / FILE).read_bytes() == WEIGHTS


async def test_a_resumed_pull_joins_the_one_that_runs(hub: LocalHub, tmp_path: Path) -> None:
    """Fail, start again, resume the first: one writer, one model, the right bytes."""
    async with running(Rooms(hub.endpoint, tmp_path)) as rooms:
        hub.break_with(*[Fault("cdn", "status", status=404)] * 9)
        failed = await rooms.pull(REPOSITORY, "tiny")
        with pytest.raises(RkdError):
            await rooms.operations.finished(failed.id)
        hub.store.faults.clear()
        hub.rate_bytes_per_s = 8 * MEBI
        twin = await rooms.pull(REPOSITORY, "tiny")
        resumed = await rooms.operations.resume(failed.id)
        await rooms.operations.finished(twin.id)

        assert resumed.id == twin.id
        assert hub.sent_bytes(FILE) == len(WEIGHTS)
        assert (rooms.models / "tiny" / FILE).read_bytes() == WEIGHTS


@pytest.mark.parametrize("seed", range(6))
async def test_no_order_of_orders_makes_a_wrong_model(
    hub: LocalHub, tmp_path: Path, seed: int
) -> None:
    """Start, cancel, pause, resume and break by lot, under two names: whatever appears is right."""
    chance = random.Random(seed)  # noqa: S311 - no secret, an order
    hub.rate_bytes_per_s = 20 * MEBI
    async with running(Rooms(hub.endpoint, tmp_path)) as rooms:
        for _ in range(25):
            known = [one.id for one in rooms.operations.list()] or [""]
            match chance.choice(["start", "cancel", "pause", "resume", "break", "wait"]):
                case "start":
                    await rooms.pull(REPOSITORY, chance.choice(["one", "two"]))
                case "break":
                    kind = chance.choice(["reset", "drop", "corrupt"])
                    hub.break_with(Fault("cdn", kind, at_bytes=chance.randrange(len(WEIGHTS))))
                case "wait":
                    await asyncio.wait([asyncio.create_task(asyncio.sleep(chance.random() / 20))])
                case order if known != [""]:
                    await getattr(rooms.operations, order)(chance.choice(known))
        hub.store.faults.clear()
        for name in ("one", "two"):
            await rooms.pulled(REPOSITORY, name)
            model = rooms.library.find(ModelName.parse(name))
            assert (model.folder / FILE).read_bytes() == WEIGHTS
            assert model.state is ModelState.READY
        assert all(
            one.state.final or one.state is OperationState.PAUSED for one in rooms.operations.list()
        )


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"a" * 64 + b"\nsize 7\n"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (POINTER, Reason.WEIGHTS_INVALID),
        (b"<!DOCTYPE html><html>not here</html>", Reason.WEIGHTS_INVALID),
        (b"", Reason.WEIGHTS_INVALID),
        (WEIGHTS[:150], Reason.WEIGHTS_INVALID),
        (b"PK\x03\x04" + bytes(9000), Reason.WEIGHTS_INVALID),
        (gguf(9000, "clip", "mmproj"), Reason.ARCHITECTURE_UNSUPPORTED),
        (gguf(9000, kind="adapter"), Reason.ARCHITECTURE_UNSUPPORTED),
        (gguf(9000, "imatrix", "imatrix"), Reason.ARCHITECTURE_UNSUPPORTED),
        (gguf(9000, "controlvector"), Reason.ARCHITECTURE_UNSUPPORTED),
        (gguf(9000, "eagle3"), Reason.ARCHITECTURE_UNSUPPORTED),
        (gguf(9000).replace(b"block_count", b"black_count"), Reason.WEIGHTS_INVALID),
        (b"\x1f\x8b\x08" + bytes(9000), Reason.WEIGHTS_INVALID),
        (b'{"error":"Repository not found"}', Reason.WEIGHTS_INVALID),
        (b"\n\n <html><head>", Reason.WEIGHTS_INVALID),
    ],
    ids=[
        *("pointer", "page", "empty", "cut", "checkpoint", "projector", "adapter", "imatrix"),
        *("vector", "draft", "architecture", "packed", "refusal", "portal"),
    ],
)
async def test_what_is_no_model_never_appears(
    hub: LocalHub, tmp_path: Path, content: bytes, reason: Reason
) -> None:
    """The header is judged before the commit: typed, nothing listed, nothing left."""
    hub.add("org/odd", {"odd-Q4_0.gguf": content})
    async with running(Rooms(hub.endpoint, tmp_path)) as rooms:
        with pytest.raises(InvalidInputError) as caught:
            await rooms.pulled("org/odd", "odd")

        assert caught.value.reason is reason
        assert rooms.folders() == []
        assert rooms.hidden() == []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (POINTER, "git-lfs pointer"),
        (b"<!DOCTYPE html><html>not here</html>", "a web page"),
        (b"", "is empty"),
        (b"\x1f\x8b\x08" + bytes(9000), "compressed file"),
        (b"\x28\xb5\x2f\xfd" + bytes(9000), "compressed file"),
        (b"7z\xbc\xaf\x27\x1c" + bytes(9000), "7z archive"),
        (b"PK\x03\x04" + bytes(9000), "zip archive"),
        (b"RKNN" + bytes(9000), ".rknn file"),
        (b'{"error":"Entry not found"}', "a refusal"),
        (b"Entry not found", "a refusal"),
        ((90).to_bytes(8, "little") + b'{"a":' + bytes(90), "safetensors"),
    ],
)
async def test_what_is_no_model_of_the_npu_never_appears(
    hub: LocalHub, tmp_path: Path, content: bytes, said: str
) -> None:
    """Of a format that is not documented only what is plainly something else is refused."""
    hub.add("org/odd-rkllm", {"odd-w8a8-rk3588.rkllm": content})
    async with running(Rooms(hub.endpoint, tmp_path)) as rooms:
        with pytest.raises(InvalidInputError, match=said) as caught:
            await rooms.pulled("org/odd-rkllm", "odd")

        assert caught.value.reason is Reason.WEIGHTS_INVALID
        assert rooms.folders() == rooms.hidden() == []


async def test_a_gguf_called_rkllm_never_appears(hub: LocalHub, tmp_path: Path) -> None:
    """Another format under the NPU's name is told with what to call it."""
    hub.add("org/odd-rkllm", {"odd-w8a8-rk3588.rkllm": WEIGHTS})
    async with running(Rooms(hub.endpoint, tmp_path)) as rooms:
        with pytest.raises(InvalidInputError, match="is a GGUF"):
            await rooms.pulled("org/odd-rkllm", "odd")

        assert rooms.folders() == []
