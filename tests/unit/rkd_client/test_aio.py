"""`AsyncClient`: the same calls, awaited."""

from __future__ import annotations

import asyncio
import inspect
from pathlib import Path

import pytest
from rkd_client import AsyncClient, Client, NotFoundError, UnavailableError
from rkd_client.v1.types import Finished

from rkd.v1 import inference_pb2, models_pb2, pool_pb2
from rkd.v1 import types_pb2 as types
from tests.unit.rkctl import canned
from tests.unit.rkctl.fake_board import FakeBoard, Refusal, until_cancelled

GENERATE = "InferenceService.Generate"


async def test_calls_are_awaited(board: FakeBoard) -> None:
    """With metadata, another's token and errors of the same kinds."""
    board.answers["ModelService.Show"] = models_pb2.ShowResponse(template="t")
    board.answers["ModelService.Delete"] = Refusal("NOT_FOUND", "MODEL_NOT_FOUND", "No.")
    async with AsyncClient() as client:
        shown = await client.using(token="theirs").show("smol")
        with pytest.raises(NotFoundError):
            await client.delete("smol")

    assert shown.template == "t"
    assert board.metadata[0]["x-rkd-model"] == "smol"
    assert board.tokens == ["Bearer theirs"]


async def test_pieces_come_one_by_one(board: FakeBoard) -> None:
    """And the events, and the whole text."""
    board.answers[GENERATE] = canned.answer("Hel", "lo")
    board.answers["InferenceService.Chat"] = canned.answer("Hi", kind=inference_pb2.ChatResponse)
    async with AsyncClient() as client:
        texts = [piece.text async for piece in client.generate("smol", "Hi", max_tokens=4)]
        events = [event async for event in client.generate("smol", "Hi").events()]
        said = await client.chat("smol", "hello").text()

    assert (texts, said) == (["Hel", "lo"], "Hi")
    assert isinstance(events[-1], Finished)


async def test_a_cancelled_task_cancels_the_call(board: FakeBoard) -> None:
    """A caller that hangs up frees the slot."""
    board.answers[GENERATE] = [*canned.answer("a")[:-1], until_cancelled]
    begun = asyncio.Event()

    async def read(client: AsyncClient) -> None:
        async for _ in client.generate("smol", "Hi"):
            begun.set()

    async with AsyncClient() as client:
        task = asyncio.ensure_future(read(client))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await asyncio.to_thread(board.cancelled.wait, 10)


async def test_what_is_full_is_asked_again(board: FakeBoard) -> None:
    """As in the other half."""
    full = Refusal("RESOURCE_EXHAUSTED", "QUEUE_FULL", "Full.", retry_s=0.001)
    answers = [full, pool_pb2.UnpinResponse(was_pinned=True)]
    board.answers["PoolService.Unpin"] = lambda _: answers.pop(0)
    streams = [[full], canned.answer("a")]
    board.answers[GENERATE] = lambda _: streams.pop(0)
    async with AsyncClient() as client:
        assert (await client.unpin("x")).was_pinned
        assert await client.generate("smol", "Hi").text() == "a"


async def test_nobody_there_is_told_as_in_the_other_half(tmp_path: Path) -> None:
    """With every place tried."""
    async with AsyncClient(str(tmp_path / "none")) as client:
        with pytest.raises(UnavailableError, match="is not there: tried"):
            await client.list()


async def test_a_file_is_brought(board: FakeBoard, tmp_path: Path) -> None:
    """Asked for, sent, and named by its digest."""
    file = tmp_path / "w"
    file.write_bytes(b"weights")
    came: list[int] = []

    def upload(requests: object) -> models_pb2.UploadResponse:
        data = b"".join(one.data for one in requests)  # type: ignore[attr-defined]
        came.append(len(data))
        return models_pb2.UploadResponse(committed_bytes=len(data), complete=bool(data))

    board.answers["ModelService.Upload"] = upload
    board.answers["ModelService.Create"] = [
        models_pb2.CreateResponse(operation=types.Operation(state=types.OPERATION_STATE_SUCCEEDED))
    ]
    async with AsyncClient() as client:
        digest = await client.upload(file)
        await client.create("m", "FROM ./w", files={"./w": digest}).result()

    assert came == [0, 7]
    assert board.requests("ModelService.Create")[0].files[0].digest == digest


def test_both_halves_have_the_same_methods() -> None:
    """With the same arguments and docstrings."""
    for name, method in inspect.getmembers(Client, inspect.isfunction):
        other = getattr(AsyncClient, name, None)
        if name.startswith("__"):
            continue
        assert other is not None, name
        given, awaited = (inspect.signature(one).parameters for one in (method, other))
        assert list(given) == list(awaited), name
        assert other.__doc__, name
