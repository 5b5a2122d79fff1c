"""Which board did what, remembered."""

from __future__ import annotations

from rkd_client.ask import Ask
from rkd_client.trail import REMEMBERED, Trail
from rkd_client.verbs import inference, models, operations

from rkd.v1 import inference_pb2, models_pb2
from rkd.v1 import types_pb2 as types

HERE = (("x-rkd-board", "rock"), ("other", "x"))


def accepted(request_id: str) -> inference_pb2.GenerateResponse:
    """The first message of an answer."""
    return inference_pb2.GenerateResponse(accepted=types.Accepted(request_id=request_id))


def test_what_follows_goes_where_it_began() -> None:
    """Requests, operations, and files of which a model is made."""
    trail = Trail()
    trail.learn(inference.generate("m", "x"), accepted("r"), HERE)
    pulled = models_pb2.PullResponse(operation=types.Operation(id="op"))
    trail.learn(models.pull("u/r"), pulled, HERE)
    upload: Ask[models_pb2.UploadResponse, object] = Ask(models_pb2.UploadRequest())
    trail.learn(upload, models_pb2.UploadResponse(), HERE)
    asks = (
        inference.cancel("r"),
        operations.attach("op"),
        operations.cancel_operation("op"),
        upload,
        models.create("m", "FROM x"),
    )

    assert [trail.board_for(ask) for ask in asks] == ["rock"] * 5


def test_what_nobody_named_is_not_guessed() -> None:
    """Neither an id never seen, nor requests of two boards, nor calls that can go anywhere."""
    trail = Trail()
    trail.learn(inference.generate("m", "x"), accepted("r"), HERE)
    trail.learn(inference.generate("m", "x"), accepted("s"), (("x-rkd-board", "pi"),))
    trail.learn(inference.generate("m", "x"), accepted("t"), None)
    asks = (
        inference.cancel("t"),
        inference.cancel("r", "s"),
        operations.operation("r2"),
        models.list(),
        models.create("m"),
    )

    assert [trail.board_for(ask) for ask in asks] == [""] * 5


def test_it_forgets_the_oldest() -> None:
    """A client that lives for months does not grow."""
    trail = Trail()
    for at in range(REMEMBERED + 1):
        trail.learn(inference.generate("m", "x"), accepted(str(at)), HERE)

    assert trail.board_for(inference.cancel("0")) == ""
    assert trail.board_for(inference.cancel("1")) == "rock"
