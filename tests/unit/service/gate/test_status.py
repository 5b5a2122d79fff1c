"""What stands around every call: its name, admission, status and end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from structlog.contextvars import get_contextvars

from rkd import errors
from rkd.access.role import Role
from rkd.errors import Reason
from rkd.log import request_id
from rkd.service.gate.caller import Caller
from rkd.service.gate.calls import REQUEST_ID_KEY, StatusInterceptor
from rkd.service.gate.limits import server_options
from rkd.service.gate.status import CODES, status_of
from rkd.v1 import models_pb2, models_pb2_grpc


class FakeModels(models_pb2_grpc.ModelServiceServicer):
    """Answers List with the request id, fails Show as told, and streams Pull into a defect."""

    error: errors.RkdError | None = None

    async def List(self, request: object, context: object) -> models_pb2.ListResponse:
        """Tell the bound request id as page token."""
        return models_pb2.ListResponse(next_page_token=request_id())

    async def Show(self, request: object, context: object) -> models_pb2.ShowResponse:
        """Raise what the test wants."""
        if self.error is None:
            return models_pb2.ShowResponse()
        raise self.error

    async def Pull(
        self, request: object, context: object
    ) -> AsyncIterator[models_pb2.PullResponse]:
        """Answer once, then make a mistake."""
        yield models_pb2.PullResponse()
        raise ZeroDivisionError("secret detail")


class FakeNaming(models_pb2_grpc.ModelServiceServicer):
    """Answers List with what the log binds for the call."""

    async def List(self, request: object, context: object) -> models_pb2.ListResponse:
        """Tell who the log says is calling."""
        return models_pb2.ListResponse(next_page_token=str(get_contextvars().get("caller")))


class Recorder:
    """Admits whom it is told to, and notes ended calls."""

    def __init__(self) -> None:
        self.refusal: errors.RkdError | None = None
        self.ended: list[tuple[str, str]] = []
        self.admitted = 0
        self._noted = asyncio.Event()

    def admit(self, _method: str, _context: object) -> Caller:
        """Refuse when a refusal is set."""
        self.admitted += 1
        self._noted.set()
        if self.refusal is not None:
            raise self.refusal
        return Caller("somebody", Role.ADMIN, "here")

    def observe(self, method: str, code: str, seconds: float) -> None:
        """Note an end."""
        assert seconds >= 0
        self.ended.append((method.rpartition("/")[2], code))
        self._noted.set()

    async def admits(self, count: int) -> None:
        """Return once *count* calls have asked to be let in."""
        while self.admitted < count:
            self._noted.clear()
            await self._noted.wait()

    async def noted(self, count: int) -> list[tuple[str, str]]:
        """Return what has ended once it is *count* calls: a client may hear of the end first."""
        while len(self.ended) < count:
            self._noted.clear()
            await self._noted.wait()
        return self.ended


@asynccontextmanager
async def serving(
    folder: Path, models: models_pb2_grpc.ModelServiceServicer, recorder: Recorder
) -> AsyncIterator[grpc.aio.Channel]:
    """Serve *models* on a unix socket and connect to it."""
    server = grpc.aio.server(
        interceptors=[StatusInterceptor(recorder.admit, recorder.observe)],
        options=server_options(),
    )
    models_pb2_grpc.add_ModelServiceServicer_to_server(models, server)
    health_pb2_grpc.add_HealthServicer_to_server(health.aio.HealthServicer(), server)
    address = f"unix:{folder}/s"
    server.add_insecure_port(address)
    await server.start()
    try:
        async with grpc.aio.insecure_channel(address) as channel:
            yield channel
    finally:
        await server.stop(None)


def details(error: grpc.aio.AioRpcError) -> list[any_pb2.Any]:
    """Return the details of a status that is not OK."""
    status = status_pb2.Status()
    trailing = dict(error.trailing_metadata())
    status.ParseFromString(trailing["grpc-status-details-bin"])
    assert status.code == error.code().value[0]
    return list(status.details)


async def test_the_clients_request_id_is_bound_and_returned(tmp_path: Path) -> None:
    """A good id comes back in the trailing metadata and is what the log would show."""
    async with serving(tmp_path, FakeModels(), Recorder()) as channel:
        stub = models_pb2_grpc.ModelServiceStub(channel)
        call = stub.List(models_pb2.ListRequest(), metadata=((REQUEST_ID_KEY, "mine-1"),))
        answer = await call
        own = await stub.List(models_pb2.ListRequest())

        assert answer.next_page_token == "mine-1"
        assert dict(await call.trailing_metadata())[REQUEST_ID_KEY] == "mine-1"
        assert own.next_page_token not in {"", "mine-1"}


async def test_who_calls_is_on_every_line_of_the_call(tmp_path: Path) -> None:
    """The name that admission gives is bound to the log."""
    async with serving(tmp_path, FakeNaming(), Recorder()) as channel:
        answer = await models_pb2_grpc.ModelServiceStub(channel).List(models_pb2.ListRequest())

    assert answer.next_page_token == "somebody"


@pytest.mark.parametrize("kind", list(CODES), ids=lambda kind: kind.__name__)
async def test_each_class_of_error_has_its_code(
    tmp_path: Path, kind: type[errors.RkdError]
) -> None:
    """Code, ErrorInfo, RetryInfo and Help arrive; the message ends with the remedy."""
    models, recorder = FakeModels(), Recorder()
    reason = min(kind.reasons)
    models.error = kind(
        reason, "It broke.", remedy="Mend it.", metadata={"n": "1"}, retry_after_s=2.5
    )
    async with serving(tmp_path, models, recorder) as channel:
        stub = models_pb2_grpc.ModelServiceStub(channel)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.Show(models_pb2.ShowRequest())

    info, retry, help_ = (
        error_details_pb2.ErrorInfo(),
        error_details_pb2.RetryInfo(),
        error_details_pb2.Help(),
    )
    found = details(caught.value)
    assert caught.value.code() is CODES[kind]
    assert caught.value.details() == "It broke. Mend it."
    assert found[0].Unpack(info)
    assert (info.reason, info.domain, dict(info.metadata)) == (reason.value, "rkd", {"n": "1"})
    assert found[1].Unpack(retry)
    assert retry.retry_delay.ToMilliseconds() == 2500
    assert found[-1].Unpack(help_)
    assert await recorder.noted(1) == [("Show", CODES[kind].name)]


async def _told(folder: Path, error: errors.RkdError) -> grpc.aio.AioRpcError:
    """Return *error* as a client with gRPC's usual limits gets it."""
    models = FakeModels()
    models.error = error
    async with serving(folder, models, Recorder()) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await models_pb2_grpc.ModelServiceStub(channel).Show(models_pb2.ShowRequest())
    return caught.value


async def test_half_a_million_violations_are_counted_and_cut(tmp_path: Path) -> None:
    """The first ten, and how many more; the reason arrives."""
    bad = tuple(errors.Violation(f"line {n}", "é" * 5000) for n in range(500_000))
    error = errors.InvalidInputError(Reason.INVALID_MODELFILE, "x", violations=bad)
    found = details(await _told(tmp_path, error))
    request = error_details_pb2.BadRequest()

    assert found[1].Unpack(request)
    assert len(request.field_violations) == 11
    assert request.field_violations[0].field == "line 0"
    assert request.field_violations[10].description == "and 499990 more"


@pytest.mark.parametrize("text", ["x", "é", "\udce9", "\x00%\n"])
async def test_whatever_an_error_holds_its_reason_arrives(tmp_path: Path, text: str) -> None:
    """Message, remedy, metadata and details fit what every client takes, escaped where needed."""
    error = errors.PreconditionError(
        Reason.LOAD_FAILED,
        text * 100_000,
        remedy=text * 100_000,
        metadata={f"{number}{text * 100}": text * 10_000 for number in range(100)},
        retry_after_s=float("inf"),
        violations=tuple(errors.Violation(text * 999, text * 999) for _ in range(99)),
    )
    caught = await _told(tmp_path, error)
    info = error_details_pb2.ErrorInfo()

    assert details(caught)[0].Unpack(info)
    assert (info.reason, caught.code()) == ("LOAD_FAILED", grpc.StatusCode.FAILED_PRECONDITION)
    assert caught.details()


def test_what_is_short_is_not_cut() -> None:
    """An engine's last words of a kilobyte arrive whole."""
    words = "E rkllm: " + "x" * 1000
    error = errors.PreconditionError(Reason.LOAD_FAILED, words, metadata={"engine_log": words})
    info = error_details_pb2.ErrorInfo()
    status = status_of(error)

    assert status.message == f"{words}."
    assert status.details[0].Unpack(info)
    assert info.metadata["engine_log"] == words


def test_the_table_is_whole() -> None:
    """Every class of the taxonomy has a code."""
    assert set(CODES) == set(errors.RkdError.__subclasses__())


async def test_a_defect_is_internal_and_keeps_its_detail_in_the_log(tmp_path: Path) -> None:
    """A stream that breaks ends with INTERNAL, naming the kind of the mistake alone."""
    recorder = Recorder()
    async with serving(tmp_path, FakeModels(), recorder) as channel:
        stub = models_pb2_grpc.ModelServiceStub(channel)
        call = stub.Pull(models_pb2.PullRequest())
        await call.read()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call.read()

    assert caught.value.code() is grpc.StatusCode.INTERNAL
    assert "secret detail" not in (caught.value.details() or "")
    assert await recorder.noted(1) == [("Pull", "INTERNAL")]


async def test_a_refused_call_never_reaches_the_service(tmp_path: Path) -> None:
    """Admission comes first; its error is the status."""
    recorder = Recorder()
    recorder.refusal = errors.UnauthenticatedError(Reason.TOKEN_MISSING, "no token")
    async with serving(tmp_path, FakeModels(), recorder) as channel:
        stub = models_pb2_grpc.ModelServiceStub(channel)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.List(models_pb2.ListRequest())
        with pytest.raises(grpc.aio.AioRpcError) as streamed:
            await stub.Pull(models_pb2.PullRequest()).read()

    assert caught.value.code() is streamed.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert await recorder.noted(2) == [("List", "UNAUTHENTICATED"), ("Pull", "UNAUTHENTICATED")]


async def test_health_is_open(tmp_path: Path) -> None:
    """Probes have no tokens: the health check is not asked for one."""
    recorder = Recorder()
    recorder.refusal = errors.UnauthenticatedError(Reason.TOKEN_MISSING, "no token")
    async with serving(tmp_path, FakeModels(), recorder) as channel:
        answer = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())

    assert answer.status == health_pb2.HealthCheckResponse.SERVING


class FakeCrowd(models_pb2_grpc.ModelServiceServicer):
    """Lets calls of Show wait until all are there, then ends every one with the same error."""

    def __init__(self, count: int) -> None:
        self._missing = count
        self._full = asyncio.Event()
        self._error = errors.UnavailableError(Reason.WORKER_CRASHED, "the worker is gone")

    async def Show(self, request: object, context: object) -> models_pb2.ShowResponse:
        """Wait for the others, fail with them."""
        self._missing -= 1
        if not self._missing:
            self._full.set()
        await self._full.wait()
        raise self._error


async def test_one_refusal_ends_many_calls(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Each of those who waited for the same thing is told why, and every call ends whole."""
    count, recorder = 20, Recorder()
    async with serving(tmp_path, FakeCrowd(count), recorder) as channel:
        stub = models_pb2_grpc.ModelServiceStub(channel)
        calls = [stub.Show(models_pb2.ShowRequest(model="x")) for _ in range(count)]
        codes = [await call.code() for call in calls]
        await recorder.noted(count)

    assert codes == [grpc.StatusCode.UNAVAILABLE] * count
    assert [record.getMessage() for record in caplog.records] == []
