"""Streams exactly as the proto says, over a pool of fake workers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rkd.access.role import Role
from rkd.errors import InvalidInputError, NotFoundError, PreconditionError, Reason, RkdError
from rkd.inference import LoadSpec
from rkd.model import Format, Media, Model, ModelName, WeightsFile
from rkd.pool.ticket import Ask, Ticket
from rkd.service.capabilities import Capabilities, Judged
from rkd.service.gate.caller import CALLER, Caller
from rkd.service.inference import MAX_ANSWER_BYTES, InferenceService
from rkd.service.running import RunningRequests
from rkd.telemetry.meters import Meters
from rkd.v1 import inference_pb2 as pb
from rkd.v1 import types_pb2 as types
from tests.pictures import png
from tests.unit.pool.fakes import FakeMachine, model, settled


class FakeContext:
    """A call without a deadline."""

    def time_remaining(self) -> float | None:
        """None: no deadline."""
        return None

    def peer(self) -> str:
        """Who calls."""
        return "unix:"


async def _at_once(call: Callable[[LoadSpec], Judged], load: LoadSpec) -> Judged:
    """Where a thread would take its time; the fakes rank, which no file of theirs says."""
    judged = call(load)
    return replace(judged, traits=replace(judged.traits, head=True))


class Board:
    """The service over fake workers; `alpha` is the one model."""

    model = model()

    def __init__(self) -> None:
        self.machine = FakeMachine()
        self.pool = self.machine.pool()
        self.meters = Meters(time.monotonic)
        self.service = InferenceService(
            self._resolve,
            self.pool,
            RunningRequests(),
            self.meters,
            capabilities=Capabilities(self.pool.prospects, _at_once),
        )

    async def _resolve(self, name: ModelName) -> Model:
        if name.key != "alpha":
            raise NotFoundError(Reason.MODEL_NOT_FOUND, "none")
        return self.model

    async def generate(self, **fields: Any) -> list[pb.GenerateResponse]:
        """All of a Generate."""
        request = pb.GenerateRequest(model="alpha", prompt="p", raw=True, **fields)
        return [one async for one in self.service.Generate(request, FakeContext())]


def kinds(answers: list[Any]) -> list[str]:
    """Which events, in order."""
    return [one.WhichOneof("event") for one in answers]


async def test_a_stream_begins_and_ends_as_promised() -> None:
    """One accepted first, one finished last, numbered without a gap."""
    board = Board()
    answers = await board.generate()
    await board.pool.close(0)

    assert kinds(answers)[0] == "accepted"
    assert kinds(answers)[-2:] == ["delta", "finished"]
    assert kinds(answers).count("accepted") == kinds(answers).count("finished") == 1
    assert [one.sequence for one in answers] == list(range(len(answers)))
    assert answers[-2].delta.text == "alpha: p"
    assert answers[-1].finished.finish_reason == types.FINISH_REASON_STOP_EOS
    assert answers[0].accepted.backend == types.BACKEND_CPU


async def test_a_chat_goes_the_same_way() -> None:
    """With its own kind of answer."""
    board = Board()
    request = pb.ChatRequest(model="alpha", messages=[types.Message(role="user", content="q")])
    answers = [one async for one in board.service.Chat(request, FakeContext())]
    await board.pool.close(0)

    assert kinds(answers)[0 :: len(answers) - 1] == ["accepted", "finished"]


async def test_a_cancel_by_id_ends_the_stream_well() -> None:
    """Finished with CANCELLED for whoever reads it; the worker was told to stop."""
    board = Board()
    board.machine.answer = False
    asked = types.InferenceOptions(request_id="mine")
    reading = asyncio.create_task(board.generate(options=asked))
    await settled()
    cancelled = await board.service.Cancel(
        pb.CancelRequest(request_ids=["mine", "other"]), FakeContext()
    )
    answers = await reading
    stream = board.machine.workers[0].streams[0]
    await board.pool.close(0)

    assert list(cancelled.cancelled) == ["mine"]
    assert answers[-1].finished.finish_reason == types.FINISH_REASON_CANCELLED
    assert stream.cancelled


async def test_a_client_that_leaves_stops_the_worker() -> None:
    """Its cancellation is not swallowed."""
    board = Board()
    board.machine.answer = False
    reading = asyncio.create_task(board.generate())
    await settled()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    stream = board.machine.workers[0].streams[0]
    await board.pool.close(0)

    assert stream.cancelled


async def test_an_error_names_its_request() -> None:
    """In its metadata, under the id the client gave."""
    board = Board()
    board.machine.answer = False
    asked = types.InferenceOptions(request_id="mine")
    reading = asyncio.create_task(board.generate(options=asked))
    await settled()
    board.machine.workers[0].streams[0].fail(InvalidInputError(Reason.INVALID_FIELD, "no"))
    with pytest.raises(RkdError) as caught:
        await reading
    await board.pool.close(0)

    assert caught.value.metadata["request_id"] == "mine"


async def test_a_death_after_the_first_token_says_how_many() -> None:
    """ABORTED, with what was seen."""
    board = Board()
    board.machine.answer = False
    reading = asyncio.create_task(board.generate())
    await settled()
    board.machine.workers[0].streams[0].say("a")
    await settled()
    board.machine.workers[0].die()
    with pytest.raises(RkdError) as caught:
        await reading
    await board.pool.close(0)

    assert caught.value.reason is Reason.WORKER_CRASHED
    assert caught.value.metadata["tokens_emitted"] == "1"


async def test_the_short_calls() -> None:
    """Embed, Tokenize, Detokenize: through a lease and back."""
    board, context = Board(), FakeContext()
    embedded = await board.service.Embed(pb.EmbedRequest(model="alpha", inputs=["a", "b"]), context)
    tokens = await board.service.Tokenize(pb.TokenizeRequest(model="alpha", text="ab"), context)
    text = await board.service.Detokenize(
        pb.DetokenizeRequest(model="alpha", token_ids=[97]), context
    )
    await board.pool.close(0)

    assert [list(one.values) for one in embedded.embeddings] == [[1.0], [1.0]]
    assert (embedded.usage.prompt_tokens, embedded.backend) == (2, types.BACKEND_CPU)
    assert (list(tokens.token_ids), text.text) == ([97, 98], "a")


async def test_tokens_are_counted_and_spelt() -> None:
    """The bytes only where they are asked for; nothing becomes resident for it."""
    board, context = Board(), FakeContext()
    asked = pb.TokenizeRequest(model="alpha", text="aß", with_pieces=True)
    spelt = await board.service.Tokenize(asked, context)
    asked.with_pieces = False
    plain = await board.service.Tokenize(asked, context)
    back = pb.DetokenizeRequest(model="alpha", token_ids=[97, 223], with_data=True)
    text = await board.service.Detokenize(back, context)
    resident = board.pool.residents()
    await board.pool.close(0)

    assert (spelt.count, list(spelt.pieces)) == (2, [b"a", "ß".encode()])
    assert (plain.count, list(plain.token_ids), list(plain.pieces)) == (2, [97, 223], [])
    assert (text.text, text.data) == ("aß", "aß".encode())
    assert resident == ()


async def test_pieces_that_cannot_be_sent_are_refused() -> None:
    """A client takes four megabytes; ids alone of such a text fit."""
    board, context = Board(), FakeContext()
    asked = pb.TokenizeRequest(model="alpha", text="a" * 1_000_000, with_pieces=True)
    with pytest.raises(InvalidInputError, match="pieces"):
        await board.service.Tokenize(asked, context)
    asked.with_pieces = False
    assert (await board.service.Tokenize(asked, context)).count == 1_000_000
    await board.pool.close(0)


async def test_documents_come_back_best_first() -> None:
    """As many as asked for, by their places; those of equal score in their order."""
    board, context = Board(), FakeContext()
    request = pb.RerankRequest(model="alpha", query="q", documents=["aa", "b", "ccc", "dd"])
    answer = await board.service.Rerank(request, context)
    request.top_n = 2
    best = await board.service.Rerank(request, context)
    await board.pool.close(0)

    found = [(one.index, one.score) for one in answer.results]
    assert found == [(2, 3.0), (0, 2.0), (3, 2.0), (1, 1.0)]
    assert [one.index for one in best.results] == [2, 0]
    assert (answer.usage.prompt_tokens, answer.backend) == (4, types.BACKEND_CPU)


async def test_what_is_wrong_is_refused_before_the_pool() -> None:
    """No model, no inputs, no ids: nothing is loaded for it."""
    board, context = Board(), FakeContext()
    with pytest.raises(NotFoundError):
        await board.service.Tokenize(pb.TokenizeRequest(model="beta"), context)
    with pytest.raises(InvalidInputError, match="inputs"):
        await board.service.Embed(pb.EmbedRequest(model="alpha"), context)
    with pytest.raises(InvalidInputError, match="request_ids"):
        await board.service.Cancel(pb.CancelRequest(), context)

    assert board.machine.workers == []


@pytest.mark.parametrize(
    ("sampling", "field"),
    [
        ({"grammar": "root ::= " + "(" * 100_000}, "options.sampling.grammar"),
        ({"json_schema": '{"not":' * 1000}, "options.sampling.json_schema"),
    ],
)
async def test_what_no_engine_bears_starts_none(sampling: dict[str, str], field: str) -> None:
    """It is refused by its field before a model is loaded for it."""
    board, context = Board(), FakeContext()
    options = types.InferenceOptions(sampling=types.SamplingOptions(**sampling))
    request = pb.GenerateRequest(model="alpha", prompt="hi", options=options)
    with pytest.raises(InvalidInputError) as caught:
        [one async for one in board.service.Generate(request, context)]
    with pytest.raises(InvalidInputError, match=r"inputs\[1\]"):
        await board.service.Embed(pb.EmbedRequest(model="alpha", inputs=["a", ""]), context)

    assert [one.field for one in caught.value.violations] == [field]
    assert board.machine.workers == []


async def test_a_callers_share_is_counted_by_who_it_is() -> None:
    """Not by its connection: a flood over many of them is one caller in the queue."""
    board = Board()
    asked: list[str] = []
    request = board.pool.request

    def noting(ask: Ask) -> Ticket:
        asked.append(ask.client)
        return request(ask)

    board.pool.request = noting  # type: ignore[method-assign] # the pool's own, listened to
    for caller in ("token 1", "token 1", "192.0.2.7"):
        CALLER.set(Caller("x", Role.ADMIN, caller))
        await board.generate()
    await board.pool.close(0)

    assert asked == ["token 1", "token 1", "192.0.2.7"]


async def test_tokens_that_become_too_long_a_text_are_refused() -> None:
    """Instead of an answer that no client takes."""
    board, context = Board(), FakeContext()
    ids = [0x1F600] * (MAX_ANSWER_BYTES // 4 + 1)
    with pytest.raises(InvalidInputError, match="token_ids"):
        await board.service.Detokenize(pb.DetokenizeRequest(model="alpha", token_ids=ids), context)
    await board.pool.close(0)


async def test_a_model_that_sees_nothing_refuses_pictures_before_the_queue() -> None:
    """With the capability's name; nothing is held of them, nothing was loaded."""
    board = Board()
    parts = [types.Part(text="what?"), types.Part(media=types.Media(data=png()))]
    request = pb.GenerateRequest(model="alpha", parts=parts)
    with pytest.raises(PreconditionError) as error:
        await anext(board.service.Generate(request, FakeContext()))

    assert error.value.reason is Reason.CAPABILITY_UNSUPPORTED
    assert error.value.metadata["capability"] == "vision"
    assert (board.service._held._bytes, board.machine.workers) == (0, [])


async def test_pictures_reach_the_worker_and_are_let_go() -> None:
    """In their order; what they took is given back at the end."""
    projector = WeightsFile(Path("/models/alpha/mmproj.gguf"), Format.GGUF, 1, 0)
    board = Board()
    board.model = replace(model(), projector=projector)
    parts = [types.Part(media=types.Media(data=png())), types.Part(text="what?")]
    request = pb.GenerateRequest(model="alpha", parts=parts, raw=True)
    answers = [one async for one in board.service.Generate(request, FakeContext())]
    await board.pool.close(0)

    assert kinds(answers)[-1] == "finished"
    (stream,) = board.machine.workers[0].streams
    assert stream.run.prompt_parts == (Media(png(), 56, 56), "what?")
    assert board.service._held._bytes == 0
