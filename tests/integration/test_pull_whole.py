"""A pull from choice to listing, against the local hub: what appears, when, and at what cost."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from rkd.errors import (
    AlreadyExistsError,
    DataLossError,
    ExhaustedError,
    ForbiddenError,
    NotFoundError,
    PreconditionError,
    Reason,
    UnavailableError,
)
from rkd.model import ModelName, ModelState
from rkd.operations.operation import OperationState
from tests.hub.rooms import Rooms, running
from tests.hub.server import LocalHub
from tests.hub.store import Fault, sha256

MEBI = 1 << 20
WEIGHTS = b"GGUF" + os.urandom(4 * MEBI)
OTHER = b"GGUF" + os.urandom(MEBI)
RKLLM = os.urandom(2 * MEBI)
REPOSITORY = "org/Tiny-1B-GGUF"


@pytest.fixture
def hub() -> Iterator[LocalHub]:
    """Run a hub with a repository of two quantizations and its company."""
    with LocalHub() as hub:
        hub.add(
            REPOSITORY,
            {
                "tiny-1b-Q4_K_M.gguf": WEIGHTS,
                "tiny-1b-Q2_K.gguf": OTHER,
                "README.md": b"# Tiny",
                "LICENSE": b"do as you like",
                "mmproj-f16.gguf": os.urandom(MEBI),
            },
        )
        yield hub


async def test_a_pull_brings_the_recommended_weights_and_their_company(
    hub: LocalHub, tmp_path: Path
) -> None:
    """Nobody chose: the usual balance comes, with licence and Modelfile, listed at once."""
    async with running(Rooms(hub.endpoint, tmp_path)) as rooms:
        operation = await rooms.pulled(f"hf.co/{REPOSITORY}")
        model = rooms.library.find(ModelName.parse("tiny-1b-q4_k_m"))
        names = sorted(path.name for path in model.folder.iterdir())

        assert operation.detail["model"] == "tiny-1b-q4_k_m"
        assert operation.detail["license"] == "apache-2.0"
        assert operation.progress.completed_bytes == operation.progress.total_bytes
        sees = "mmproj-f16.gguf"
        assert names == [".rkd.json", "LICENSE", "Modelfile", sees, "tiny-1b-Q4_K_M.gguf"]
        assert (model.folder / "tiny-1b-Q4_K_M.gguf").read_bytes() == WEIGHTS
        assert model.modelfile_text == f"FROM ./tiny-1b-Q4_K_M.gguf\nFROM ./{sees}\n"
        assert dict(model.provenance.digests)[sees].startswith("sha256:")
        assert model.provenance.repository == REPOSITORY
        assert dict(model.provenance.digests)["tiny-1b-Q4_K_M.gguf"] == f"sha256:{sha256(WEIGHTS)}"
        assert rooms.hidden() == []


async def test_a_quantization_or_a_file_is_chosen_by_name(hub: LocalHub, tmp_path: Path) -> None:
    """`:q2_k` and `:file.gguf` mean the same weights, under the name asked for."""
    async with running(Rooms(hub.endpoint, tmp_path)) as rooms:
        await rooms.pulled(f"{REPOSITORY}:q2_k", "a")
        await rooms.pulled(f"{REPOSITORY}:tiny-1b-Q2_K.gguf", "b")
        with pytest.raises(NotFoundError, match="Q4_K_M"):
            await rooms.pulled(f"{REPOSITORY}:Q8_0", "c")

        assert rooms.folders() == ["a", "b"]
        assert (rooms.models / "b" / "tiny-1b-Q2_K.gguf").read_bytes() == OTHER


async def test_the_same_commit_again_costs_one_request(hub: LocalHub, tmp_path: Path) -> None:
    """Nothing changed on the hub: one question, no byte."""
    async with running(Rooms(hub.endpoint, tmp_path)) as rooms:
        await rooms.pulled(REPOSITORY)
        before = len(hub.store.served)
        again = await rooms.pulled(REPOSITORY)

        assert again.detail["unchanged"] == "yes"
        assert len(hub.store.served) == before + 1


async def test_an_update_leaves_the_old_version_until_the_new_one_is_whole(
    hub: LocalHub, tmp_path: Path
) -> None:
    """While the new commit arrives, and when it fails, the old bytes stand."""
    new = b"GGUF" + os.urandom(3 * MEBI)
    async with running(Rooms(hub.endpoint, tmp_path)) as rooms:
        await rooms.pulled(REPOSITORY, "tiny")
        file = rooms.models / "tiny" / "tiny-1b-Q4_K_M.gguf"
        hub.add(REPOSITORY, {"tiny-1b-Q4_K_M.gguf": new})
        hub.break_with(Fault("cdn", "corrupt", at_bytes=1), Fault("cdn", "corrupt", at_bytes=2))
        with pytest.raises(DataLossError):
            await rooms.pulled(REPOSITORY, "tiny")
        assert file.read_bytes() == WEIGHTS
        await rooms.pulled(REPOSITORY, "tiny")

        assert file.read_bytes() == new
        assert rooms.folders() == ["tiny"]
        assert rooms.hidden() == []


async def test_an_update_keeps_what_somebody_set(hub: LocalHub, tmp_path: Path) -> None:
    """An edited Modelfile outlives a new commit of the same weights' name, not another model."""
    async with running(Rooms(hub.endpoint, tmp_path)) as rooms:
        await rooms.pulled(REPOSITORY, "tiny")
        edited = "FROM ./tiny-1b-Q4_K_M.gguf\nPARAMETER temperature 0.1\n"
        (rooms.models / "tiny" / "Modelfile").write_text(edited)
        await rooms.library.refresh()
        hub.add(REPOSITORY, {"tiny-1b-Q4_K_M.gguf": OTHER})
        await rooms.pulled(REPOSITORY, "tiny")
        assert (rooms.models / "tiny" / "Modelfile").read_text() == edited
        assert (rooms.models / "tiny" / "tiny-1b-Q4_K_M.gguf").read_bytes() == OTHER
        hub.add(REPOSITORY, {"tiny-v2-Q4_K_M.gguf": OTHER})
        with pytest.raises(AlreadyExistsError):
            await rooms.pulled(REPOSITORY, "tiny")
        await rooms.pulled(REPOSITORY, "tiny", replace=True)

        assert (rooms.models / "tiny" / "Modelfile").read_text() == "FROM ./tiny-v2-Q4_K_M.gguf\n"


async def test_a_name_of_other_origin_is_not_taken(hub: LocalHub, tmp_path: Path) -> None:
    """MODEL_EXISTS comes before the first byte; with replace the new model takes over."""
    async with running(Rooms(hub.endpoint, tmp_path)) as rooms:
        await rooms.pulled(REPOSITORY, "tiny")
        hub.add("org/other", {"other-Q8_0.gguf": OTHER})
        before = hub.sent_bytes()
        with pytest.raises(AlreadyExistsError):
            await rooms.pulled("org/other", "tiny")
        assert hub.sent_bytes() == before
        await rooms.pulled("org/other", "tiny", replace=True)

        assert (rooms.models / "tiny" / "other-Q8_0.gguf").read_bytes() == OTHER
        assert not (rooms.models / "tiny" / "tiny-1b-Q4_K_M.gguf").exists()


async def test_an_rkllm_brings_the_tokenizer_of_its_origin(hub: LocalHub, tmp_path: Path) -> None:
    """The board works offline: tokenizer and template come from the base model, in env form."""
    tokenizer = json.dumps({"version": "1.0", "pad": "x" * 9000}).encode()
    hub.add("base/Tiny-1B", {"tokenizer.json": tokenizer, "tokenizer_config.json": b"{}"})
    hub.add("org/tiny-rkllm", {"Tiny-1B-w8a8-rk3588.rkllm": RKLLM, "config.json": b"{}"})
    hub.store.repositories["org/tiny-rkllm"].base = "base/Tiny-1B"
    async with running(Rooms(hub.endpoint, tmp_path)) as rooms:
        await rooms.pulled("org/tiny-rkllm", "tiny")
        folder = rooms.models / "tiny"
        text = (folder / "Modelfile").read_text()

        assert (folder / "tokenizer.json").read_bytes() == tokenizer
        assert 'FROM="Tiny-1B-w8a8-rk3588.rkllm"' in text
        assert 'HUGGINGFACE_PATH="base/Tiny-1B"' in text
        assert rooms.library.find(ModelName.parse("tiny")).state is ModelState.READY


async def test_split_weights_come_together(hub: LocalHub, tmp_path: Path) -> None:
    """All shards of one quantization are one variant, wherever in the repository they lie."""
    shards = {
        f"Q8_0/big-Q8_0-0000{number}-of-00003.gguf": b"GGUF" + os.urandom(MEBI)
        for number in (1, 2, 3)
    }
    hub.add("org/big", {**shards})
    async with running(Rooms(hub.endpoint, tmp_path)) as rooms:
        await rooms.pulled("org/big:Q8_0", "big")
        names = sorted(path.name for path in (rooms.models / "big").glob("*.gguf"))

        assert names == sorted(path.split("/")[1] for path in shards)


async def test_two_clients_one_download(hub: LocalHub, tmp_path: Path) -> None:
    """Both join one operation; the first leaving does not stop it, and every byte goes once."""
    hub.rate_bytes_per_s = 20 * MEBI
    async with running(Rooms(hub.endpoint, tmp_path)) as rooms:
        first = await rooms.pull(REPOSITORY, "tiny")
        second = await rooms.pull(REPOSITORY, "tiny")
        async with rooms.operations.attach(first.id, cancel_when_left=True) as updates:
            async for update in updates:
                if update.progress.completed_bytes > MEBI:
                    break
            waiting = asyncio.create_task(rooms.operations.finished(second.id))
            await asyncio.sleep(0)
        ended = await waiting

        assert first.id == second.id
        assert ended.state is OperationState.SUCCEEDED
        assert hub.sent_bytes("tiny-1b-Q4_K_M.gguf") == len(WEIGHTS)


async def test_a_cancel_leaves_nothing_and_a_pause_leaves_the_parts(
    hub: LocalHub, tmp_path: Path
) -> None:
    """After a pause and a resume no byte was sent twice beyond a chunk; a cancel sweeps all."""
    hub.rate_bytes_per_s = 20 * MEBI
    async with running(Rooms(hub.endpoint, tmp_path)) as rooms:
        operation = await rooms.pull(REPOSITORY, "tiny")
        async with rooms.operations.attach(operation.id) as updates:
            async for update in updates:
                if update.progress.completed_bytes > MEBI:
                    break
        paused = await rooms.operations.pause(operation.id)
        await rooms.operations.resume(operation.id)
        await rooms.operations.finished(operation.id)
        assert paused.progress.completed_bytes > MEBI
        assert hub.sent_bytes("tiny-1b-Q4_K_M.gguf") <= len(WEIGHTS) + MEBI

        other = await rooms.pull(f"{REPOSITORY}:Q2_K", "gone")
        async with rooms.operations.attach(other.id) as updates:
            async for update in updates:
                if update.progress.completed_bytes:
                    break
        ended = await rooms.operations.cancel(other.id)

        assert ended.state is OperationState.CANCELLED
        assert rooms.folders() == ["tiny"]
        assert rooms.hidden() == []


async def test_a_disk_without_room_is_told_before_the_first_byte(
    hub: LocalHub, tmp_path: Path
) -> None:
    """The reserve counts: DISK_FULL with numbers, and not a byte was asked for."""
    async with running(Rooms(hub.endpoint, tmp_path, reserve_bytes=1 << 60)) as rooms:
        with pytest.raises(ExhaustedError) as caught:
            await rooms.pulled(REPOSITORY)

        assert caught.value.reason is Reason.DISK_FULL
        assert int(caught.value.metadata["needed_bytes"]) > len(WEIGHTS)
        assert hub.sent_bytes() == 0
        assert rooms.folders() == []


async def test_gated_private_and_missing_are_told_apart(hub: LocalHub, tmp_path: Path) -> None:
    """Each with the page to visit; with a token that may, the pull works."""
    hub.add("org/gated", {"g-Q8_0.gguf": OTHER}, gated="manual")
    hub.add("org/private", {"p-Q8_0.gguf": OTHER}, private=True)
    async with running(Rooms(hub.endpoint, tmp_path)) as rooms:
        for repository, kind in (("org/gated", "gated"), ("org/private", "private")):
            with pytest.raises(ForbiddenError) as caught:
                await rooms.pulled(repository)
            assert caught.value.metadata["kind"] == kind
            assert caught.value.metadata["page"] == f"{hub.endpoint}/{repository}"
        assert rooms.folders() == []
    async with running(Rooms(hub.endpoint, tmp_path, token="hf_good")) as rooms:
        with pytest.raises(NotFoundError):
            await rooms.pulled("org/missing")
        await rooms.pulled("org/gated", "gated")
        await rooms.pulled("org/private", "private")

        assert rooms.folders() == ["gated", "private"]
        assert {served.token for served in hub.served("cdn")} == {""}


async def test_offline_says_so_at_once(hub: LocalHub, tmp_path: Path) -> None:
    """Nothing is contacted."""
    async with running(Rooms(hub.endpoint, tmp_path, offline=True)) as rooms:
        with pytest.raises(PreconditionError) as caught:
            await rooms.pulled(REPOSITORY)

        assert caught.value.reason is Reason.OFFLINE
        assert hub.store.served == []


async def test_a_hub_away_for_a_while_is_waited_for(hub: LocalHub, tmp_path: Path) -> None:
    """Connections refused in the middle: the pull goes on when the hub is back."""
    hub.rate_bytes_per_s = 20 * MEBI
    async with running(Rooms(hub.endpoint, tmp_path)) as rooms:
        rooms.fetching._mover._patience = type(rooms.fetching._mover._patience)(
            waits_s=(0.05,) * 40
        )
        operation = await rooms.pull(REPOSITORY, "tiny")
        async with rooms.operations.attach(operation.id) as updates:
            async for update in updates:
                if update.progress.completed_bytes > MEBI:
                    break
        hub.break_with(Fault("cdn", "drop", at_bytes=0))
        await asyncio.to_thread(hub.stop)
        await asyncio.sleep(0.3)
        hub.start()
        ended = await rooms.operations.finished(operation.id)

        assert ended.state is OperationState.SUCCEEDED
        assert (rooms.models / "tiny" / "tiny-1b-Q4_K_M.gguf").read_bytes() == WEIGHTS


async def test_a_hub_gone_for_good_keeps_the_parts_and_a_resume_goes_on(
    hub: LocalHub, tmp_path: Path
) -> None:
    """HUB_UNREACHABLE in the end, nothing under the name, and nothing twice afterwards."""
    async with running(Rooms(hub.endpoint, tmp_path)) as rooms:
        hub.break_with(Fault("cdn", "drop", at_bytes=2 * MEBI, path="tiny-1b-Q4_K_M.gguf"))
        hub.break_with(Fault("hub", "pass", path="tiny-1b-Q4_K_M.gguf"))
        hub.break_with(*(Fault("hub", "close", path="tiny-1b-Q4_K_M.gguf") for _ in range(7)))
        with pytest.raises(UnavailableError) as caught:
            await rooms.pulled(REPOSITORY, "tiny")
        assert caught.value.reason is Reason.HUB_UNREACHABLE
        assert rooms.folders() == []
        await rooms.pulled(REPOSITORY, "tiny")

        assert (rooms.models / "tiny" / "tiny-1b-Q4_K_M.gguf").read_bytes() == WEIGHTS
        assert hub.sent_bytes("tiny-1b-Q4_K_M.gguf") <= len(WEIGHTS) + MEBI // 4
