"""A push to the local hub: what arrives there, what is sent twice (nothing), what is refused."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from rkd.errors import ForbiddenError, PreconditionError, Reason, UnavailableError
from rkd.model import ModelName
from rkd.operations.operation import Operation, OperationState
from rkd.operations.push import start_push
from tests.hub.rooms import Rooms, running
from tests.hub.server import LocalHub
from tests.hub.store import Fault, sha256

# The library's own way to send a file; not ours to change.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")

MEBI = 1 << 20
WEIGHTS = os.urandom(6 * MEBI)
REPOSITORY = "tester/tiny"
GOOD = "hf_good"


@pytest.fixture
def hub() -> Iterator[LocalHub]:
    """Run a hub without the repository."""
    with LocalHub() as hub:
        yield hub


def rooms_with_model(hub: LocalHub, folder: Path, *, token: str = GOOD) -> Rooms:
    """Put a model into the models folder of fresh rooms."""
    rooms = Rooms(hub.endpoint, folder, token=token)
    model = rooms.models / "tiny"
    model.mkdir()
    (model / "tiny-w8a8.rkllm").write_bytes(WEIGHTS)
    (model / "tokenizer.json").write_bytes(b'{"version": "1.0"}')
    (model / "Modelfile").write_text('FROM="tiny-w8a8.rkllm"\nHUGGINGFACE_PATH=""\nSYSTEM="Be."\n')
    return rooms


async def push(rooms: Rooms, *, private: bool = False) -> Operation:
    """Push the model and wait for the end."""
    operation = await start_push(
        rooms.operations, model=ModelName.parse("tiny"), repository=REPOSITORY, private=private
    )
    return await rooms.operations.finished(operation.id)


async def test_pushed_and_pulled_elsewhere_is_the_same(hub: LocalHub, tmp_path: Path) -> None:
    """Weights, Modelfile and tokenizer come back byte for byte, with a card on the way."""
    async with running(rooms_with_model(hub, tmp_path / "here")) as here:
        pushed = await push(here, private=True)
    async with running(Rooms(hub.endpoint, tmp_path / "there", token="hf_good")) as there:
        await there.pulled(REPOSITORY, "again")
    head = hub.store.repositories[REPOSITORY]

    assert pushed.detail["commit_url"] == f"{hub.endpoint}/{REPOSITORY}/commit/{head.head}"
    assert pushed.progress.completed_bytes == pushed.progress.total_bytes
    assert head.private
    assert b"| tiny-w8a8.rkllm | 6291456 |" in bytes(head.commits[head.head]["README.md"])
    for name in ("tiny-w8a8.rkllm", "tokenizer.json", "Modelfile"):
        original = tmp_path / "here" / "models" / "tiny" / name
        copy = tmp_path / "there" / "models" / "again" / name
        assert sha256(copy.read_bytes()) == sha256(original.read_bytes())


async def test_what_the_hub_has_is_not_sent_again(hub: LocalHub, tmp_path: Path) -> None:
    """A push repeated after a failed commit, or changed in a small file, sends no weights."""
    async with running(rooms_with_model(hub, tmp_path)) as rooms:
        hub.break_with(*(Fault("commit", "status", status=500) for _ in range(3)))
        with pytest.raises(UnavailableError):
            await push(rooms)
        await push(rooms)
        (rooms.models / "tiny" / "tokenizer.json").write_bytes(b'{"version": "2.0"}')
        await push(rooms)
        repository = hub.store.repositories[REPOSITORY]

        assert [served.sent_bytes for served in hub.served("put")] == [len(WEIGHTS)]
        assert repository.commits[repository.head]["tokenizer.json"] == b'{"version": "2.0"}'


async def test_a_commit_is_asked_for_again(hub: LocalHub, tmp_path: Path) -> None:
    """One 500 at the commit, which the library does not retry, goes by unnoticed."""
    async with running(rooms_with_model(hub, tmp_path)) as rooms:
        hub.break_with(Fault("commit", "status", status=500))
        ended = await push(rooms)

        assert ended.state is OperationState.SUCCEEDED


async def test_a_broken_upload_is_taken_up_by_itself(hub: LocalHub, tmp_path: Path) -> None:
    """A reset in the middle of the weights costs that request."""
    async with running(rooms_with_model(hub, tmp_path)) as rooms:
        hub.break_with(Fault("put", "drop", at_bytes=MEBI))
        await push(rooms)

        assert sha256(WEIGHTS) in hub.store.objects


async def test_nobody_pushes_without_a_token_or_offline(hub: LocalHub, tmp_path: Path) -> None:
    """Refused before anything is sent, with the page where tokens are made."""
    async with running(rooms_with_model(hub, tmp_path / "a", token="")) as rooms:
        with pytest.raises(ForbiddenError) as caught:
            await push(rooms)
        assert caught.value.metadata["page"] == f"{hub.endpoint}/settings/tokens"
    async with running(rooms_with_model(hub, tmp_path / "b", token="hf_bad")) as rooms:
        with pytest.raises(ForbiddenError) as caught:
            await push(rooms)
        assert caught.value.metadata["kind"] == "token"
    offline = Rooms(hub.endpoint, tmp_path / "b", token="hf_good", offline=True)
    async with running(offline) as rooms:
        with pytest.raises(PreconditionError) as refused:
            await push(rooms)
        assert refused.value.reason is Reason.OFFLINE

    assert hub.store.repositories == {}


async def test_a_push_stopped_sends_no_more(hub: LocalHub, tmp_path: Path) -> None:
    """Cancelled in the middle: no commit, and the hub has no repository with half a model."""
    async with running(rooms_with_model(hub, tmp_path)) as rooms:
        hub.break_with(Fault("put", "stall"))
        operation = await start_push(
            rooms.operations, model=ModelName.parse("tiny"), repository=REPOSITORY
        )
        async with asyncio.timeout(10), rooms.operations.attach(operation.id) as updates:
            async for update in updates:
                if update.progress.completed_bytes > MEBI:
                    break
        ended = await rooms.operations.cancel(operation.id)
        repository = hub.store.repositories[REPOSITORY]

        assert ended.state is OperationState.CANCELLED
        assert list(repository.commits[repository.head]) == [".gitattributes"]


async def test_a_card_names_its_repository_and_nothing_from_elsewhere_is_sent(
    hub: LocalHub, tmp_path: Path
) -> None:
    """The command on the card can be typed; a link that leads out of the folder stays here."""
    (tmp_path / "secret").write_text("mine alone")
    async with running(rooms_with_model(hub, tmp_path)) as rooms:
        (rooms.models / "tiny" / "notes.txt").symlink_to(tmp_path / "secret")
        os.mkfifo(rooms.models / "tiny" / "pipe")
        await push(rooms)
        repository = hub.store.repositories[REPOSITORY]
        files = repository.commits[repository.head]

        assert f"rkctl pull {REPOSITORY}`".encode() in bytes(files["README.md"])
        assert not {"notes.txt", "pipe"} & files.keys()
