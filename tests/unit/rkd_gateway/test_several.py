"""What the gateway says where one board is not the whole."""

from __future__ import annotations

from pathlib import Path

import pytest
from rkd_client import AsyncClient, PreconditionError
from rkd_gateway.several import ready_models, version

from rkd.v1 import models_pb2, system_pb2
from rkd.v1 import types_pb2 as types
from tests.unit.rkctl.fake_board import Refusal
from tests.unit.rkd_client.healthy_board import HealthyBoard, fleet, listed

READY, BROKEN = types.MODEL_STATE_READY, types.MODEL_STATE_INVALID


def summary(name: str, state: types.ModelState = READY) -> types.ModelSummary:
    """A model of a list."""
    return types.ModelSummary(name=name, state=state)


async def test_a_model_on_several_boards_is_listed_once(tmp_path: Path) -> None:
    """One that is broken on one board and well on another can be used."""
    with fleet(tmp_path, "a", "b") as boards:
        lists = ([summary("x", BROKEN), summary("y")], [summary("x"), summary("y"), summary("z")])
        for board, models in zip(boards, lists, strict=True):
            board.answers["ModelService.List"] = models_pb2.ListResponse(models=models)
        async with AsyncClient(listed(boards)) as client:
            found = [one.name for one in await ready_models(client)]

    assert sorted(found) == ["x", "y", "z"]


async def test_the_version_of_several_is_the_first_ones(tmp_path: Path) -> None:
    """Clients of Ollama ask for it before anything else."""
    with fleet(tmp_path, "a", "b") as boards:
        boards[0].answers["SystemService.GetStatus"] = system_pb2.GetStatusResponse(version="7")
        async with AsyncClient(listed(boards)) as client:
            assert await version(client) == "7"


async def test_a_refusal_of_one_board_stays_one(tmp_path: Path) -> None:
    """Only which board is meant is chosen here."""
    with HealthyBoard(tmp_path / "a", "a") as board:
        board.answers["SystemService.GetStatus"] = Refusal(
            "FAILED_PRECONDITION", "MODELS_READ_ONLY", "No."
        )
        async with AsyncClient(board.endpoint) as client:
            with pytest.raises(PreconditionError, match="MODELS_READ_ONLY"):
                await version(client)
