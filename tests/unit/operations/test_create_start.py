"""A create is judged before it starts, and not on the event loop."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest

from rkd.errors import InvalidInputError, NotFoundError, Reason
from rkd.model import ModelName
from rkd.operations.create_start import start_create
from rkd.operations.order import CreateOrder, Work


@dataclass(frozen=True)
class WatchedOrder(CreateOrder):
    """An order that remembers which thread read it."""

    readers: ClassVar[list[str]] = []

    def work(self) -> Work:
        """As the order's, noted."""
        self.readers.append(threading.current_thread().name)
        return super().work()


class FakeOperations:
    """Nothing is under way; what is started is the answer."""

    def list(self) -> list[Any]:
        """None."""
        return []

    async def start(self, *_: Any, **facts: Any) -> Any:
        """Say what was to be started."""
        return facts


class FakeLibrary:
    """No model is here."""

    async def current(self) -> None:
        """Nothing to wait for."""

    async def learn(self, name: ModelName) -> None:
        """Nothing to read."""

    def find(self, name: ModelName) -> Any:
        """No."""
        raise NotFoundError(Reason.MODEL_NOT_FOUND, str(name))


def order(modelfile: str) -> WatchedOrder:
    """A create of one uploaded file."""
    return WatchedOrder(
        ModelName.parse("m"), modelfile, (("x.gguf", "sha256:" + "0" * 64),), "", replace=False
    )


async def start(given: CreateOrder) -> Any:
    """Start *given* where nothing else is."""
    return await start_create(FakeOperations(), FakeLibrary(), given)  # type: ignore[arg-type]


async def test_a_modelfile_is_read_in_a_thread() -> None:
    """At its bounds it takes a fifth of a second: other calls are answered meanwhile."""
    WatchedOrder.readers.clear()
    started = await start(order("FROM ./x.gguf"))

    assert started["subject"] == "m"
    assert WatchedOrder.readers
    assert threading.main_thread().name not in WatchedOrder.readers


async def test_a_hostile_template_is_refused() -> None:
    """By a create as by lint, with its place."""
    with pytest.raises(InvalidInputError, match="line 2, column 10: template error") as caught:
        await start(order("FROM ./x.gguf\nTEMPLATE {{ .System " + "`" * 61))

    assert caught.value.reason is Reason.INVALID_MODELFILE
