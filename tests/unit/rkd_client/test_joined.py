"""What several boards answer, as one answer."""

from __future__ import annotations

import pytest
from rkd_client.errors import (
    ForbiddenError,
    NotFoundError,
    UnavailableError,
)
from rkd_client.joined import Joined
from rkd_client.reach import Reach

from rkd.v1 import operations_pb2, pool_pb2
from rkd.v1 import types_pb2 as types

GONE = UnavailableError("UNAVAILABLE", "gone")
UNKNOWN = NotFoundError("OPERATION_NOT_FOUND", "no")


def residents(*models: str, queued: int = 0) -> pool_pb2.ListResidentResponse:
    """What one board has in memory."""
    rows = [pool_pb2.Resident(model=model) for model in models]
    return pool_pb2.ListResidentResponse(residents=rows, queued=queued, queue_limit=64)


def test_rows_name_their_board_and_counts_are_added() -> None:
    """A board that is gone hides none of the others, and is told."""
    joined = Joined[pool_pb2.ListResidentResponse](Reach.ALL)
    enough = [
        joined.take("a", residents("x", queued=2)),
        joined.take("b", GONE),
        joined.take("c", residents("x", "y", queued=1)),
    ]
    whole = joined.answer()

    assert enough == [False] * 3
    assert [(one.board, one.model) for one in whole.residents] == [
        ("a", "x"), ("c", "x"), ("c", "y"),
    ]  # fmt: skip
    assert (whole.queued, whole.queue_limit) == (3, 128)
    assert joined.missed == [("b", GONE)]


def test_seeking_ends_where_it_is_known() -> None:
    """Boards that do not know it are no error; what is found says where."""
    joined = Joined[operations_pb2.OperationServiceGetResponse](Reach.SEEK)
    found = operations_pb2.OperationServiceGetResponse(operation=types.Operation(id="1"))

    assert not joined.take("a", UNKNOWN)
    assert joined.take("b", found)
    assert joined.answer().operation.board == "b"


def test_known_nowhere_is_not_found() -> None:
    """Also where one board could not be asked."""
    joined = Joined[operations_pb2.OperationServiceGetResponse](Reach.SEEK)
    joined.take("a", UNKNOWN)
    joined.take("b", GONE)
    with pytest.raises(NotFoundError):
        joined.answer()


def test_nobody_there_is_said() -> None:
    """With the last one's words."""
    joined = Joined[pool_pb2.ListResidentResponse](Reach.ALL)
    joined.take("a", GONE)
    with pytest.raises(UnavailableError):
        joined.answer()


def test_a_wrong_token_is_not_passed_over() -> None:
    """It would look as if the board had nothing."""
    with pytest.raises(ForbiddenError):
        Joined[pool_pb2.ListResidentResponse](Reach.ALL).take("a", ForbiddenError("X", "no"))
