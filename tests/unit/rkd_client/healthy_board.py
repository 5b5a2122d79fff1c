"""Fake boards that say how they are, as `grpc.health.v1` has it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from rkd.v1 import inference_pb2, models_pb2
from rkd.v1 import types_pb2 as types
from tests.unit.rkctl import canned
from tests.unit.rkctl.fake_board import FakeBoard

_STATUS = health_pb2.HealthCheckResponse


class HealthyBoard(FakeBoard):
    """A board that serves the models it is given, each answering with the board's name."""

    def __init__(self, folder: Path, name: str, *models: str) -> None:
        folder.mkdir()
        super().__init__(folder)
        self.name = name
        self.health = health.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self.health, self._server)
        self.tell("", serving=True)
        for model in models:
            self.tell(f"rkd.model.{model}", serving=True)
        self.answers["InferenceService.Generate"] = lambda _: canned.answer(name)
        self.answers["InferenceService.Cancel"] = inference_pb2.CancelResponse(cancelled=[name])
        self.answers["ModelService.List"] = models_pb2.ListResponse(
            models=[types.ModelSummary(name=model) for model in models]
        )

    @property
    def endpoint(self) -> str:
        """Where it is."""
        return f"127.0.0.1:{self.port}"

    def tell(self, service: str, *, serving: bool) -> None:
        """Say how *service* is from now on."""
        self.health.set(service, _STATUS.SERVING if serving else _STATUS.NOT_SERVING)

    def drain(self) -> None:
        """Say that nothing new should come."""
        self.health.enter_graceful_shutdown()

    @property
    def answered(self) -> int:
        """How many generations it was asked for."""
        return len(self.requests("InferenceService.Generate"))


@contextmanager
def fleet(
    folder: Path, *names: str, models: tuple[str, ...] = ("m",)
) -> Iterator[list[HealthyBoard]]:
    """Run boards of these names, each with *models*."""
    with ExitStack() as stack:
        yield [stack.enter_context(HealthyBoard(folder / name, name, *models)) for name in names]


def listed(boards: list[HealthyBoard]) -> str:
    """Return their endpoints as one list."""
    return ",".join(board.endpoint for board in boards)
