"""Several boards behind a list of endpoints: both halves of the library, real channels."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from rkd_client import (
    AsyncClient,
    Client,
    ConnectionBrokenError,
    NotFoundError,
    PreconditionError,
    UnavailableError,
)
from rkd_client.boards import Boards
from rkd_client.endpoint import parse
from rkd_client.spread import Round
from rkd_client.where import Where

from rkd.v1 import inference_pb2, models_pb2, operations_pb2
from rkd.v1 import types_pb2 as types
from tests.unit.rkctl import canned
from tests.unit.rkctl.fake_board import Refusal
from tests.unit.rkd_client.healthy_board import HealthyBoard, fleet, listed

Half = Callable[[str, Callable[[AsyncClient], Awaitable[Any]]], Any]
GENERATE = "InferenceService.Generate"
MISSING = Refusal("NOT_FOUND", "MODEL_NOT_FOUND", "There is no model.")


@pytest.fixture
def boards(tmp_path: Path) -> Iterator[list[HealthyBoard]]:
    """Three boards with the model `m`."""
    with fleet(tmp_path, "a", "b", "c") as running:
        yield running


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Boards of a busy machine are awaited: that one is slow is not what is told here."""
    monkeypatch.setattr("rkd_client.spread.SETTLE_S", 15.0)
    monkeypatch.setattr("rkd_client.spread.CONNECT_S", 20.0)
    monkeypatch.setattr("rkd_client.boards.CONNECT_S", 20.0)


class Waited:
    """A `Client` whose calls are awaited, so that one story is told to both halves."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def generate(self, model: str) -> WaitedAnswer:
        """Ask."""
        return WaitedAnswer(self._client.generate(model, "Hi"))

    async def attached(self, name: str) -> str:
        """Follow an operation to its end; return its id."""
        attached = self._client.attach(name)
        return (await asyncio.to_thread(attached.result)).operation.id

    def using(self, **given: Any) -> Waited:
        """As another."""
        return Waited(self._client.using(**given))

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        async def call(*args: Any, **given: Any) -> Any:
            return await asyncio.to_thread(getattr(self._client, name), *args, **given)

        return call


class WaitedAnswer:
    """Its answer."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer

    async def text(self) -> str:
        """Read it whole."""
        return await asyncio.to_thread(self._answer.text)


async def sync_half(endpoint: str, story: Callable[[Any], Awaitable[Any]]) -> Any:
    """Tell *story* to the half without asyncio."""
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(16))
    with Client(endpoint) as client:
        return await story(Waited(client))


class Asked:
    """An `AsyncClient` with the same short `generate`."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client

    def generate(self, model: str) -> Any:
        """Ask."""
        return self._client.generate(model, "Hi")

    async def attached(self, name: str) -> str:
        """Follow an operation to its end; return its id."""
        return (await self._client.attach(name).result()).operation.id

    def using(self, **given: Any) -> Asked:
        """As another."""
        return Asked(self._client.using(**given))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)


async def async_half(endpoint: str, story: Callable[[Any], Awaitable[Any]]) -> Any:
    """Tell *story* to the asyncio half."""
    async with AsyncClient(endpoint) as client:
        return await story(Asked(client))


both = pytest.mark.parametrize("half", [sync_half, async_half], ids=["sync", "aio"])


@both
async def test_a_burst_on_a_cold_client_is_spread(boards: list[HealthyBoard], half: Any) -> None:
    """Twelve calls at once, before any board was ever asked: four for each."""
    entered = threading.Barrier(12)

    def held(_: object) -> list[Any]:
        """All twelve are under way at once, so that each counts."""
        return [lambda _: entered.wait(30), *canned.answer("x")]

    for board in boards:
        board.answers[GENERATE] = held

    async def story(client: Any) -> None:
        await asyncio.gather(*(client.generate("m").text() for _ in range(12)))

    await half(listed(boards), story)

    assert [board.answered for board in boards] == [4, 4, 4]


@both
async def test_a_model_on_one_board_is_found_there(tmp_path: Path, half: Any) -> None:
    """By its health, without asking the others."""
    with (
        HealthyBoard(tmp_path / "a", "a") as a,
        HealthyBoard(tmp_path / "b", "b", "m") as b,
        HealthyBoard(tmp_path / "c", "c") as c,
    ):

        async def story(client: Any) -> list[str]:
            return [await client.generate("m").text() for _ in range(4)]

        said = await half(listed([a, b, c]), story)

        assert said == ["b"] * 4
        assert (a.answered, c.answered) == (0, 0)


@both
async def test_a_name_that_only_leads_to_a_model_is_found_too(tmp_path: Path, half: Any) -> None:
    """No board calls it so in its health: each is asked until one knows it."""
    with fleet(tmp_path, "a", "b", "c") as boards:
        for board in boards[:2]:
            board.answers[GENERATE] = lambda _: [MISSING]

        async def story(client: Any) -> list[str]:
            return [await client.generate("M:latest").text() for _ in range(3)]

        assert await half(listed(boards), story) == ["c"] * 3


@both
async def test_what_nobody_has_is_not_found(boards: list[HealthyBoard], half: Any) -> None:
    """In the boards' own words, each asked once."""
    for board in boards:
        board.answers[GENERATE] = lambda _: [MISSING]

    async def story(client: Any) -> None:
        with pytest.raises(NotFoundError, match="MODEL_NOT_FOUND"):
            await client.generate("other").text()

    await half(listed(boards), story)

    assert [board.answered for board in boards] == [1, 1, 1]


@both
async def test_a_board_that_drains_gets_nothing_new(boards: list[HealthyBoard], half: Any) -> None:
    """As soon as it says so; before that it may refuse, and another is asked."""
    boards[0].drain()
    gone = Refusal("UNAVAILABLE", "SHUTTING_DOWN", "Bye.", retry_s=60)
    boards[1].answers[GENERATE] = lambda _: [gone]

    async def story(client: Any) -> list[str]:
        return [await client.generate("m").text() for _ in range(4)]

    assert await half(listed(boards), story) == ["c"] * 4
    assert boards[0].answered == 0


@both
async def test_one_that_is_gone_is_passed_over(boards: list[HealthyBoard], half: Any) -> None:
    """From the beginning, and when it goes later."""
    boards[0]._server.stop(None).wait(10)

    async def story(client: Any) -> list[str]:
        said = [await client.generate("m").text() for _ in range(2)]
        boards[1]._server.stop(None).wait(10)
        return [*said, *[await client.generate("m").text() for _ in range(4)]]

    said = await half(listed(boards), story)

    assert set(said[:2]) == {"b", "c"}
    assert said[2:] == ["c"] * 4


@both
@pytest.mark.parametrize(
    ("code", "message"),
    [
        (grpc.StatusCode.UNKNOWN, "Stream removed"),  # HAProxy
        (grpc.StatusCode.INTERNAL, "Received RST_STREAM with error code 2"),  # nginx
        (grpc.StatusCode.UNAVAILABLE, "Socket closed"),  # nobody between
    ],
)
async def test_a_begun_answer_is_never_asked_for_again(
    boards: list[HealthyBoard], half: Any, code: grpc.StatusCode, message: str
) -> None:
    """Neither where it was nor elsewhere, however it was cut; it is one kind of error."""
    cut = [lambda context: context.abort(code, message)]
    for board in boards:
        board.answers[GENERATE] = lambda _: [*canned.answer("x")[:-1], *cut]

    async def story(client: Any) -> None:
        with pytest.raises(ConnectionBrokenError, match="ended in the middle"):
            await client.generate("m").text()

    await half(listed(boards), story)

    assert sum(board.answered for board in boards) == 1


@both
async def test_lists_are_those_of_all_boards(boards: list[HealthyBoard], half: Any) -> None:
    """Every row names its board; one that is gone hides none of the others."""
    boards[1]._server.stop(None).wait(10)

    async def story(client: Any) -> Any:
        found = await client.list()
        return [(one.name, one.board) for one in found.models]

    assert await half(listed(boards), story) == [
        ("m", boards[0].endpoint),
        ("m", boards[2].endpoint),
    ]


@both
async def test_a_cancel_reaches_every_board(boards: list[HealthyBoard], half: Any) -> None:
    """Whoever has the request ends it."""

    async def story(client: Any) -> Any:
        return (await client.cancel("id")).cancelled

    assert await half(listed(boards), story) == ("a", "b", "c")


@both
async def test_what_changes_one_board_wants_it_named(boards: list[HealthyBoard], half: Any) -> None:
    """None is guessed; the refusal names them, and one that is named is asked."""
    for board in boards:
        board.answers["ModelService.Delete"] = models_pb2.DeleteResponse(freed_bytes=1)

    async def story(client: Any) -> None:
        with pytest.raises(PreconditionError, match="BOARD_NEEDED") as caught:
            await client.delete("m")
        assert caught.value.metadata["boards"] == listed(boards)
        await client.using(board=boards[2].endpoint).delete("m")
        with pytest.raises(Exception, match="INVALID_ENDPOINT"):
            await client.using(board="elsewhere:1").delete("m")

    await half(listed(boards), story)

    asked = [len(board.requests("ModelService.Delete")) for board in boards]
    assert asked == [0, 0, 1]


@both
async def test_an_operation_is_found_where_it_is(boards: list[HealthyBoard], half: Any) -> None:
    """Asked after on each board until one knows it."""
    unknown = Refusal("NOT_FOUND", "OPERATION_NOT_FOUND", "No such operation.")
    found = types.Operation(id="op", model="m")
    for board in boards:
        board.answers["OperationService.Get"] = unknown
        board.answers["OperationService.Watch"] = [unknown]
    boards[1].answers["OperationService.Get"] = operations_pb2.OperationServiceGetResponse(
        operation=found
    )
    boards[1].answers["OperationService.Watch"] = [
        operations_pb2.OperationServiceWatchResponse(operation=found)
    ]

    async def story(client: Any) -> Any:
        return (await client.operation("op")).operation.board, await client.attached("op")

    seen = await half(listed(boards), story)

    assert seen == (boards[1].endpoint, "op")


@both
async def test_nobody_there_says_each_attempt(tmp_path: Path, half: Any) -> None:
    """In the system's words."""

    async def story(client: Any) -> None:
        with pytest.raises(UnavailableError, match=r"/x \(no such file.*\), .*/y \(no such file"):
            await client.generate("m").text()

    await half(f"{tmp_path}/x,{tmp_path}/y", story)


def test_eyes_on_models_are_bounded(boards: list[HealthyBoard]) -> None:
    """A client that is asked for a thousand models does not keep a thousand channels."""
    where = Where(parse(listed(boards)), several=True)
    kept = Boards(where, kept_services=3)
    try:
        busy = kept.pick("rkd.model.m", Round())
        for at in range(5):
            way = kept.pick(f"rkd.model.x{at}", Round())
            assert way is not None
            way.left()

        assert busy is not None
        assert len(kept._eyes) == 3
        assert {"", "rkd.model.m"} <= set(kept._eyes)
    finally:
        kept.close()


def test_threads_share_the_boards(boards: list[HealthyBoard]) -> None:
    """Forty calls from eight threads, and nothing is left under way."""
    with Client(listed(boards)) as client, ThreadPoolExecutor(8) as threads:
        said = list(threads.map(lambda _: client.generate("m", "x").text(), range(40)))
        inner = client.link._boards

    assert len(said) == 40
    assert inner is not None
    assert inner._spread.busy == [0, 0, 0]


class TestAddressOfSeveral:
    """One endpoint behind which a proxy spreads: it refuses what is about one board."""

    NEEDED = Refusal("FAILED_PRECONDITION", "BOARD_NEEDED", "Several.", boards="a,b")

    def behind(self, board: HealthyBoard, method: str, **answers: Any) -> None:
        """Let *method* be refused without a board, and answered by the one named."""

        def answer(_: object) -> Any:
            return answers.get(str(board.metadata[-1].get("x-rkd-board", "")), self.NEEDED)

        board.answers[method] = answer

    @both
    async def test_lists_are_made_whole(self, tmp_path: Path, half: Any) -> None:
        """Each board the refusal names is asked."""
        with HealthyBoard(tmp_path / "edge", "edge") as edge:
            answers = {
                name: models_pb2.ListResponse(models=[types.ModelSummary(name=f"of-{name}")])
                for name in ("a", "b")
            }
            self.behind(edge, "ModelService.List", **answers)

            async def story(client: Any) -> Any:
                return [(one.board, one.name) for one in (await client.list()).models]

            assert await half(edge.endpoint, story) == [("a", "of-a"), ("b", "of-b")]

    @both
    async def test_a_board_named_in_the_endpoint_is_asked(self, tmp_path: Path, half: Any) -> None:
        """`edge:7588#b` is one board."""
        with HealthyBoard(tmp_path / "edge", "edge") as edge:
            self.behind(edge, "ModelService.Delete", b=models_pb2.DeleteResponse(freed_bytes=7))

            async def story(client: Any) -> Any:
                return (await client.delete("m")).freed_bytes

            assert await half(f"{edge.endpoint}#b", story) == 7
            with pytest.raises(PreconditionError, match="BOARD_NEEDED"):
                await half(edge.endpoint, story)

    @both
    async def test_a_cancel_goes_where_the_answer_came_from(
        self, tmp_path: Path, half: Any
    ) -> None:
        """The answer named its board; no other is asked."""
        with HealthyBoard(tmp_path / "edge", "edge") as edge:
            accepted = inference_pb2.GenerateResponse(
                accepted=types.Accepted(request_id="r1", model="m")
            )
            edge.answers[GENERATE] = [
                lambda context: context.send_initial_metadata((("x-rkd-board", "b"),)),
                accepted,
                *canned.answer("x")[1:],
            ]
            self.behind(
                edge, "InferenceService.Cancel", b=inference_pb2.CancelResponse(cancelled=["r1"])
            )

            async def story(client: Any) -> Any:
                await client.generate("m").text()
                return (await client.cancel("r1")).cancelled

            assert await half(edge.endpoint, story) == ("r1",)
            assert len(edge.requests("InferenceService.Cancel")) == 1


def test_who_was_passed_over_is_forgotten_with_the_next_call(boards: list[HealthyBoard]) -> None:
    """What is told beside one list is not told beside the next answer."""
    with Client(f"{listed(boards)},127.0.0.1:1") as client:
        client.list()
        missed = [board for board, _ in client.link.missed]
        boards[0].answers["ModelService.Show"] = models_pb2.ShowResponse()
        with pytest.raises(Exception, match="BOARD_NEEDED"):
            client.delete("m")

        assert (missed, client.link.missed) == (["127.0.0.1:1"], [])
