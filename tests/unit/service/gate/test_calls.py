"""Admission before the message, and what is refused before a service sees it."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import grpc
import pytest
from structlog.contextvars import get_contextvars
from structlog.testing import capture_logs

from rkd.errors import Reason, UnauthenticatedError
from rkd.service.gate import intake
from rkd.service.gate.caller import identity
from rkd.service.gate.calls import admit_everybody
from rkd.service.gate.intake import Intake
from rkd.service.gate.limits import MAX_REQUEST_BYTES, SMALL_BYTES, UNREAD_BYTES
from rkd.v1 import models_pb2, models_pb2_grpc
from tests.integration.library_server import details as reason_of
from tests.unit.service.gate.http2 import Http2
from tests.unit.service.gate.test_status import FakeModels, Recorder, serving

LIST = "/rkd.v1.ModelService/List"
UPLOAD = "/rkd.v1.ModelService/Upload"


class FakeUploads(models_pb2_grpc.ModelServiceServicer):
    """Counts the bytes of an upload, and tells who calls."""

    async def Upload(
        self, request_iterator: AsyncIterator[models_pb2.UploadRequest], context: object
    ) -> models_pb2.UploadResponse:
        """Count them."""
        count = 0
        async for one in request_iterator:
            count += len(one.data)
        return models_pb2.UploadResponse(committed_bytes=count)

    async def List(self, request: object, context: object) -> models_pb2.ListResponse:
        """Tell by what the caller is counted."""
        bound = models_pb2.LeftAlone(name=str(get_contextvars().get("caller")))
        return models_pb2.ListResponse(next_page_token=identity(), left_alone=[bound])


async def raw_call(channel: grpc.aio.Channel, method: str, data: bytes) -> tuple[Any, str]:
    """Send *data* as the one message of *method*; return code and reason of the refusal."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await channel.unary_unary(method)(data)
    return caught.value.code(), reason_of(caught.value)[0]


async def test_a_stranger_is_refused_before_his_message_has_come(tmp_path: Path) -> None:
    """A hundred calls of 15.9 MB each, none of them ever whole: all end at once."""
    recorder = Recorder()
    recorder.refusal = UnauthenticatedError(Reason.TOKEN_MISSING, "no token")
    async with serving(tmp_path, FakeModels(), recorder), Http2(f"{tmp_path}/s") as raw:
        begun = {raw.begin(LIST, 15_900_000, 500) for _ in range(100)}
        ended = {await raw.ended() for _ in range(100)}

    assert ended == begun
    assert await recorder.noted(100) == [("List", "UNAUTHENTICATED")] * 100


async def test_garbage_without_a_token_is_a_matter_of_the_token(tmp_path: Path) -> None:
    """And not a line in the log; with one it is a bad request, never UNKNOWN."""
    recorder = Recorder()
    refusal = UnauthenticatedError(Reason.TOKEN_MISSING, "no token")
    with capture_logs() as logs:
        async with serving(tmp_path, FakeModels(), recorder) as channel:
            good = await raw_call(channel, LIST, b"\xff\xff")
            recorder.refusal = refusal
            bad = await raw_call(channel, LIST, b"\xff\xff")

    assert good == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
    assert bad == (grpc.StatusCode.UNAUTHENTICATED, "TOKEN_MISSING")
    assert logs == []


async def test_each_call_has_its_longest_message(tmp_path: Path) -> None:
    """Sixteen megabytes are for uploads; what only names things takes little."""
    piece = models_pb2.UploadRequest(data=b"x" * (MAX_REQUEST_BYTES - 100))
    long_ = models_pb2.ListRequest(prefix="x" * SMALL_BYTES).SerializeToString()
    async with serving(tmp_path, FakeUploads(), Recorder()) as channel:
        stub = models_pb2_grpc.ModelServiceStub(channel)
        answer = await stub.Upload(iter([piece]))
        refused = await raw_call(channel, LIST, long_)

    assert answer.committed_bytes == MAX_REQUEST_BYTES - 100
    assert refused == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")


async def test_a_bad_piece_of_a_stream_ends_it(tmp_path: Path) -> None:
    """Each message of it is judged."""
    async with serving(tmp_path, FakeUploads(), Recorder()) as channel:
        call = channel.stream_unary(UPLOAD)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call(iter([b"", b"\xff"]))

    assert reason_of(caught.value)[0] == "INVALID_FIELD"


async def test_a_call_without_its_message_is_refused(tmp_path: Path) -> None:
    """Instead of waiting for it for ever."""
    async with serving(tmp_path, FakeUploads(), Recorder()) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await channel.stream_unary(LIST)(iter([]))

    assert reason_of(caught.value)[0] == "INVALID_FIELD"


@pytest.mark.parametrize(
    "method", [LIST, UPLOAD, "/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch"]
)
async def test_a_call_that_ends_with_its_headers_is_answered(tmp_path: Path, method: str) -> None:
    """As a proxy's health check without a body: no message, no empty frame, an answer."""
    async with serving(tmp_path, FakeUploads(), Recorder()), Http2(f"{tmp_path}/s") as raw:
        assert raw.empty(method) == await raw.ended()


async def test_a_method_nobody_has_says_so_with_a_reason(tmp_path: Path) -> None:
    """Under one name in the meters: strangers choose no names there."""
    recorder = Recorder()
    async with serving(tmp_path, FakeModels(), recorder) as channel:
        answers = [await raw_call(channel, f"/rkd.v1.ModelService/No{n}", b"") for n in range(3)]

    assert answers == [(grpc.StatusCode.UNIMPLEMENTED, "NOT_IMPLEMENTED")] * 3
    assert await recorder.noted(3) == [("", "UNIMPLEMENTED")] * 3


async def test_services_know_by_what_the_caller_is_counted(tmp_path: Path) -> None:
    """The identity admission gave."""
    async with serving(tmp_path, FakeUploads(), Recorder()) as channel:
        stub = models_pb2_grpc.ModelServiceStub(channel)
        answer = await stub.List(models_pb2.ListRequest())

    assert answer.next_page_token == "here"
    assert answer.left_alone[0].name == "somebody"


async def test_two_hundred_calls_on_one_channel_are_all_served(tmp_path: Path) -> None:
    """More than gRPC's usual hundred and more than the 128 of before."""
    async with serving(tmp_path, FakeUploads(), Recorder()) as channel:
        stub = models_pb2_grpc.ModelServiceStub(channel)
        calls = [stub.List(models_pb2.ListRequest()) for _ in range(900)]
        answers = await asyncio.gather(*calls)

    assert len(answers) == 900


async def test_unfinished_messages_take_turns_by_caller(tmp_path: Path) -> None:
    """So many at a time are read; who comes after waits until one of them is whole or gone."""
    recorder = Recorder()
    async with serving(tmp_path, FakeModels(), recorder) as channel:
        async with Http2(f"{tmp_path}/s") as raw:
            for _ in range(intake.MESSAGES_AT_ONCE):
                raw.begin(LIST, SMALL_BYTES, 10)
            await recorder.admits(intake.MESSAGES_AT_ONCE)
            stub = models_pb2_grpc.ModelServiceStub(channel)
            waiting = asyncio.ensure_future(stub.List(models_pb2.ListRequest()))
            await recorder.admits(intake.MESSAGES_AT_ONCE + 1)
            for _ in range(100):
                await asyncio.sleep(0)
            assert recorder.ended == []
        await waiting

    assert UNREAD_BYTES <= SMALL_BYTES


async def test_turns_are_per_caller_and_leave_nothing_behind() -> None:
    """One who sends slowly holds up nobody else."""
    turns = Intake()
    async with turns.reading("a"), turns.reading("a"), turns.reading("a"), turns.reading("a"):
        async with asyncio.timeout(5), turns.reading("b"):
            pass
        waiting = asyncio.ensure_future(_take_turn(turns, "a"))
        await asyncio.sleep(0)
        assert not waiting.done()
    await waiting

    assert (turns._turns, turns._wanted) == ({}, {})


async def _take_turn(turns: Intake, name: str) -> None:
    async with turns.reading(name):
        pass


class FakeContext:
    """A call from a port of its own."""

    def __init__(self, port: int) -> None:
        self._port = port

    def peer(self) -> str:
        """Return gRPC's word for the other end."""
        return f"ipv4:192.0.2.7:{self._port}"


def test_a_stranger_is_one_caller_over_all_his_connections() -> None:
    """Also where nobody asks who he is, as at the health check (measured: 4 messages each)."""
    identities = {admit_everybody("/x.Y/Z", FakeContext(port)).identity for port in (1, 2)}

    assert identities == {"192.0.2.7"}


@pytest.fixture
def no_collector() -> Iterator[None]:
    """Without Python's collector of circles, which comes late where little is made."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collector")
async def test_a_refused_message_is_let_go_of_at_once(tmp_path: Path) -> None:
    """Whoever sends many of them costs one at a time (measured: 2 GB before)."""
    async with serving(tmp_path, FakeModels(), Recorder()) as channel:
        for count in (SMALL_BYTES // 2, SMALL_BYTES * 4):
            await raw_call(channel, LIST, b"\xff" * count)
        await channel.unary_unary(LIST)(b"")

        assert holders_of(SMALL_BYTES // 2) == []


def holders_of(least_bytes: int) -> list[str]:
    """Which functions of the gate still have bytes of that length in a frame."""
    return [
        frame.f_code.co_name
        for frame in gc.get_objects()
        if isinstance(frame, FrameType) and "/rkd/service/gate/" in frame.f_code.co_filename
        if any(type(one) is bytes and len(one) >= least_bytes for one in gc.get_referents(frame))
    ]
