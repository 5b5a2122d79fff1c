"""`Client`: calls, streams, retries and errors, against a fake board."""

from __future__ import annotations

import contextlib
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from rkd_client import (
    AbortedError,
    Client,
    ExhaustedError,
    NotFoundError,
    PreconditionError,
    UnavailableError,
)
from rkd_client.channel import OPTIONS
from rkd_client.v1.types import Accepted, Delta, Finished

from rkd.v1 import inference_pb2, models_pb2, operations_pb2, pool_pb2
from rkd.v1 import types_pb2 as types
from tests.unit.rkctl import canned
from tests.unit.rkctl.fake_board import FakeBoard, Refusal, until_cancelled

GENERATE = "InferenceService.Generate"


class TestCalls:
    """Calls with one answer."""

    def test_an_answer_is_a_dataclass(self, board: FakeBoard) -> None:
        """Enums are words, times are datetimes, what is not known is empty."""
        model = types.ModelSummary(
            name="tiny",
            state=types.MODEL_STATE_NEEDS_MODELFILE,
            modified=Timestamp(seconds=5),
            formats=[types.WEIGHTS_FORMAT_GGUF],
        )
        board.answers["ModelService.List"] = models_pb2.ListResponse(models=[model])

        with Client() as client:
            (found,) = client.list().models

        assert (found.name, found.state, found.formats) == ("tiny", "needs_modelfile", ("gguf",))
        assert found.modified == datetime.fromtimestamp(5, UTC)
        assert found.digest == ""

    def test_every_page_is_asked_for(self, board: FakeBoard) -> None:
        """Lists are whole."""

        def page(request: models_pb2.ListRequest) -> models_pb2.ListResponse:
            name = request.page_token or "a"
            following = {"a": "b", "b": "c", "c": ""}[name]
            models = [types.ModelSummary(name=name)]
            return models_pb2.ListResponse(models=models, next_page_token=following)

        board.answers["ModelService.List"] = page
        with Client() as client:
            listed = client.list()

        assert [model.name for model in listed.models] == ["a", "b", "c"]
        assert listed.next_page_token == ""

    def test_calls_that_name_a_model_say_so_in_metadata(self, board: FakeBoard) -> None:
        """For proxies that route by it; what metadata cannot hold is escaped."""
        board.answers["ModelService.Show"] = models_pb2.ShowResponse()
        board.answers["ModelService.List"] = models_pb2.ListResponse()
        with Client() as client:
            client.show("smol")
            client.show("modèle x")
            client.list()

        named = [pairs.get("x-rkd-model") for pairs in board.metadata]
        assert named == ["smol", "mod%C3%A8le%20x", None]

    def test_another_token_goes_over_the_same_channel(self, board: FakeBoard) -> None:
        """What a gateway needs: each caller's own token, and none of ours beside it."""
        board.answers["ModelService.List"] = models_pb2.ListResponse()
        with Client(token="mine") as client:
            client.list()
            client.using(token="theirs", metadata={"x-trace": "1"}).list()
            client.using(token="").list()

        assert board.tokens == ["Bearer mine", "Bearer theirs"]
        assert board.metadata[1]["x-trace"] == "1"

    def test_a_refusal_is_an_error_of_its_kind(self, board: FakeBoard) -> None:
        """With reason, message, remedy, metadata and violations."""
        board.answers["ModelService.Show"] = Refusal(
            "NOT_FOUND", "MODEL_NOT_FOUND", "There is no model 'x'.", "Pull it.", model="x"
        )
        with Client() as client, pytest.raises(NotFoundError) as caught:
            client.show("x")

        error = caught.value
        assert (error.reason, error.message) == ("MODEL_NOT_FOUND", "There is no model 'x'.")
        assert (error.remedy, error.metadata) == ("Pull it.", {"model": "x"})
        assert str(error) == "There is no model 'x' [MODEL_NOT_FOUND]"

    def test_what_is_full_is_asked_again_when_it_says_when(self, board: FakeBoard) -> None:
        """Nothing was done, so that any call may be repeated."""
        full = Refusal("RESOURCE_EXHAUSTED", "NO_EVICTABLE_MODEL", "Full.", retry_s=0.001)
        answers = [full, full, pool_pb2.PinResponse()]
        board.answers["PoolService.Pin"] = lambda _: answers.pop(0)
        with Client() as client:
            client.pin("x")

        assert answers == []

    def test_tries_are_bounded(self, board: FakeBoard) -> None:
        """Three, then the error; one that says nothing of when is told at once."""
        full = Refusal("RESOURCE_EXHAUSTED", "QUEUE_FULL", "Full.", retry_s=0.001)
        board.answers["PoolService.Unpin"] = full
        board.answers["PoolService.Pin"] = Refusal("RESOURCE_EXHAUSTED", "QUEUE_FULL", "Full.")
        with Client() as client:
            for call in (client.unpin, client.pin):
                with pytest.raises(ExhaustedError):
                    call("x")

        assert len(board.requests("PoolService.Unpin")) == 3
        assert len(board.requests("PoolService.Pin")) == 1

    def test_no_field_takes_what_it_cannot_hold(self, board: FakeBoard) -> None:
        """Refused here, naming the field; a word that is no field is a TypeError."""
        del board
        with Client() as client:
            with pytest.raises(Exception, match=r"seed cannot be .*\[INVALID_FIELD\]"):
                client.generate("tiny", "x", seed=1 << 70)
            with pytest.raises(Exception, match=r"there are auto, npu, cpu"):
                client.generate("tiny", "x", backend="gpu")  # type: ignore[arg-type]
            with pytest.raises(TypeError, match="max_tokenz"):
                client.generate("tiny", "x", max_tokenz=1)  # type: ignore[call-arg]


class TestAnswers:
    """Streams of an inference."""

    def test_pieces_have_their_text(self, board: FakeBoard) -> None:
        """Options become fields; what happened besides is kept."""
        board.answers[GENERATE] = canned.answer("Hel", "lo")
        with Client() as client:
            answer = client.generate("smol", "Hi", max_tokens=4, stop="x", keep_alive_s=1.5)
            texts = [piece.text for piece in answer]

        assert texts == ["Hel", "lo"]
        assert answer.accepted is not None
        assert answer.accepted.backend == "cpu"
        assert answer.finished is not None
        assert answer.finished.finish_reason == "stop_eos"
        assert answer.finished.timings.first_token_s == 0.012
        (request,) = board.requests(GENERATE)
        assert (request.prompt, request.options.sampling.max_tokens) == ("Hi", 4)
        assert list(request.options.sampling.stop) == ["x"]
        assert request.options.keep_alive.nanos == 500_000_000

    def test_events_are_all_that_happens(self, board: FakeBoard) -> None:
        """In the order of the contract."""
        board.answers[GENERATE] = canned.answer("a")
        with Client() as client:
            kinds = [type(event) for event in client.generate("smol", "Hi").events()]

        assert kinds == [Accepted, Delta, Finished]

    def test_turns_may_be_dictionaries(self, board: FakeBoard) -> None:
        """As the OpenAI package writes them."""
        board.answers["InferenceService.Chat"] = canned.answer(
            "Hi", kind=inference_pb2.ChatResponse
        )
        with Client() as client:
            said = client.chat("smol", [{"role": "user", "content": "hello"}]).text()

        assert said == "Hi"
        assert board.requests("InferenceService.Chat")[0].messages[0].content == "hello"

    def test_leaving_cancels_the_call(self, board: FakeBoard) -> None:
        """The slot is free again."""
        board.answers[GENERATE] = [*canned.answer("a")[:-1], until_cancelled]
        with Client() as client, client.generate("smol", "Hi") as answer:
            next(iter(answer))

        assert board.cancelled.wait(10)

    def test_a_begun_answer_is_never_asked_for_again(self, board: FakeBoard) -> None:
        """However safe the daemon says it is."""
        gone = Refusal("UNAVAILABLE", "SHUTTING_DOWN", "Bye.", retry_s=0.001)
        board.answers[GENERATE] = [*canned.answer("a")[:-1], gone]
        with Client() as client, pytest.raises(UnavailableError):
            client.generate("smol", "Hi").text()

        assert len(board.requests(GENERATE)) == 1

    def test_one_that_has_not_begun_is(self, board: FakeBoard) -> None:
        """The daemon had no room for a moment."""
        full = [Refusal("RESOURCE_EXHAUSTED", "QUEUE_FULL", "Full.", retry_s=0.001)]
        answers = [full, canned.answer("a")]
        board.answers[GENERATE] = lambda _: answers.pop(0)
        with Client() as client:
            assert client.generate("smol", "Hi").text() == "a"

    def test_an_answer_without_its_end_is_an_error(self, board: FakeBoard) -> None:
        """A proxy that was cut off ends a stream as if all were well."""
        board.answers[GENERATE] = canned.answer("a")[:-1]
        with Client() as client, pytest.raises(UnavailableError, match="ended in the middle"):
            client.generate("smol", "Hi").text()


class TestOperations:
    """Pulls and their like, followed to their end."""

    @pytest.mark.parametrize(
        ("state", "reason", "kind"),
        [
            (types.OPERATION_STATE_FAILED, "HUB_NOT_FOUND", NotFoundError),
            (types.OPERATION_STATE_CANCELLED, "CANCELLED", AbortedError),
            (types.OPERATION_STATE_PAUSED, "PAUSED", PreconditionError),
        ],
    )
    def test_one_that_ends_badly_raises_after_its_last_step(
        self, board: FakeBoard, state: types.OperationState, reason: str, kind: type
    ) -> None:
        """The steps are seen all the same."""
        operation = types.Operation(id="op1", state=state, error_reason=reason)
        board.answers["ModelService.Pull"] = [models_pb2.PullResponse(operation=operation)]
        seen = []
        with Client() as client, pytest.raises(kind) as caught:
            seen.extend(step.operation.id for step in client.pull("u/r"))

        assert seen == ["op1"] or caught.value.reason == reason

    def test_result_waits_for_the_last_step(self, board: FakeBoard) -> None:
        """And is it."""
        steps = [
            operations_pb2.OperationServiceWatchResponse(
                operation=types.Operation(id="op1", progress=types.Progress(done_bytes=n))
            )
            for n in (1, 2)
        ]
        board.answers["OperationService.Watch"] = steps
        with Client() as client:
            last = client.attach("op1").result()

        assert last.operation.progress.done_bytes == 2
        assert last.operation.progress.remaining_s is None


def test_threads_may_share_a_client(board: FakeBoard) -> None:
    """One channel for all of them."""
    board.answers["ModelService.List"] = models_pb2.ListResponse()
    failures: list[BaseException] = []

    def work() -> None:
        try:
            client.list()
        except BaseException as error:  # noqa: BLE001 - told below
            failures.append(error)

    with Client() as client:
        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert failures == []


def test_a_broken_file_of_contexts_harms_only_who_needs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An endpoint that is given is enough."""
    (tmp_path / "rkctl").mkdir()
    (tmp_path / "rkctl" / "contexts.json").write_text("{")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("RKD_ENDPOINT", raising=False)

    assert Client("board:1").endpoint == "board:1"
    with pytest.raises(PreconditionError, match="cannot be read"):
        Client()


def test_a_daemon_that_comes_back_is_found_by_the_same_client(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within a few tries."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    with Client(str(tmp_path / "rkd.sock")) as client:
        with FakeBoard(tmp_path) as board:
            board.answers["ModelService.List"] = models_pb2.ListResponse()
            client.list()
        with pytest.raises(UnavailableError):
            client.list()
        with FakeBoard(tmp_path) as board:
            board.answers["ModelService.List"] = models_pb2.ListResponse()
            tries = 0
            while not board.asked:
                tries += 1
                with contextlib.suppress(UnavailableError):
                    client.list()

    assert tries <= 3
    # However long it was away: gRPC's own pause between tries grows to two minutes.
    assert dict(OPTIONS)["grpc.max_reconnect_backoff_ms"] <= 1000
