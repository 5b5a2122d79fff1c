"""A create is judged before it starts, and not on the event loop."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from rkd.errors import (
    AlreadyExistsError,
    InvalidInputError,
    NotFoundError,
    PreconditionError,
    Reason,
)
from rkd.model import ModelName
from rkd.operations.create_start import check_create, start_create
from rkd.operations.operation import Operation, OperationKind, OperationState
from rkd.operations.order import CreateOrder, Work
from tests.unit.library.folders import put
from tests.unit.operations.transfers import RememberingLibrary, library, operation
from tests.unit.weights.gguf_bytes import build

UPLOADED = (("x.gguf", "sha256:" + "0" * 64),)


@dataclass(frozen=True)
class WatchedOrder(CreateOrder):
    """An order that remembers which thread read it."""

    readers: ClassVar[list[str]] = []

    def work(self) -> Work:
        """As the order's, noted."""
        self.readers.append(threading.current_thread().name)
        return super().work()


class FakeOperations:
    """What is under way; what is started is the answer."""

    def __init__(self, *under_way: Operation) -> None:
        self._under_way = under_way

    def list(self) -> tuple[Operation, ...]:
        """What is under way."""
        return self._under_way

    async def start(self, kind: OperationKind, **facts: Any) -> Any:
        """Say what was to be started."""
        return facts | {"kind": kind}


def order(modelfile: str = "FROM ./x.gguf", *, name: str = "m", **more: Any) -> WatchedOrder:
    """A create of one uploaded file."""
    given: dict[str, Any] = {"files": UPLOADED} | more
    return WatchedOrder(ModelName.parse(name), modelfile, **given)


class Bench:
    """A library, and what is started over it."""

    def __init__(self, models: RememberingLibrary) -> None:
        self.library = models
        self.busy: set[str] = set()

    async def put(self, path: str, content: bytes | str = build()) -> None:
        """Let a file stand in the models folder."""
        put(self.library.root / path, content)
        await self.library.refresh()

    async def start(self, given: CreateOrder, *under_way: Operation) -> Any:
        """Start *given* where *under_way* is."""
        operations = FakeOperations(*under_way)
        return await start_create(operations, self.library, given, in_use=self.busy.__contains__)  # type: ignore[arg-type]


@asynccontextmanager
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """A bench over an empty library."""
    async with library(tmp_path) as models:
        yield Bench(models)


async def test_it_is_started_with_all_it_needs_after_a_restart(tmp_path: Path) -> None:
    """Under a key that is the order's."""
    given = order()
    async with bench(tmp_path) as b:
        started = await b.start(given)

    assert started == {
        "kind": OperationKind.CREATE,
        "key": given.key,
        "subject": "m",
        "request": given.request(),
    }


async def test_a_modelfile_is_read_in_a_thread(tmp_path: Path) -> None:
    """At its bounds it takes a fifth of a second: other calls are answered meanwhile."""
    WatchedOrder.readers.clear()
    async with bench(tmp_path) as b:
        started = await b.start(order())

    assert started["subject"] == "m"
    assert WatchedOrder.readers
    assert threading.main_thread().name not in WatchedOrder.readers


async def test_a_hostile_template_is_refused(tmp_path: Path) -> None:
    """By a create as by lint, with its place."""
    async with bench(tmp_path) as b:
        with pytest.raises(InvalidInputError, match="line 2, column 10: template error") as caught:
            await b.start(order("FROM ./x.gguf\nTEMPLATE {{ .System " + "`" * 61))

    assert caught.value.reason is Reason.INVALID_MODELFILE


def under_way(given: CreateOrder, **more: Any) -> Operation:
    """An operation of *given* that has not ended."""
    made = operation(OperationKind.CREATE, given.request(), key=given.key)
    return replace(made, **more)


async def test_the_same_create_under_way_is_joined(tmp_path: Path) -> None:
    """Whatever stands under the name meanwhile: it was judged when it began."""
    async with bench(tmp_path) as b:
        await b.put("m/m.gguf")
        started = await b.start(order(), under_way(order()))

    assert started["key"] == order().key


async def test_another_create_of_the_name_is_refused_meanwhile(tmp_path: Path) -> None:
    """MODEL_BUSY, naming the one to wait for; one name may begin like another."""
    other = under_way(order(name="M", quantize="Q8_0"))
    async with bench(tmp_path) as b:
        with pytest.raises(PreconditionError) as caught:
            await b.start(order(), under_way(order(name="mm")), other)

    assert caught.value.reason is Reason.MODEL_BUSY
    assert caught.value.metadata == {"model": "m", "operation": other.id}
    assert f"rkctl ops attach {other.id}" in caught.value.remedy


@pytest.mark.parametrize(
    "other",
    [
        under_way(order(quantize="Q8_0"), state=OperationState.SUCCEEDED),
        under_way(order(quantize="Q8_0"), state=OperationState.FAILED),
        under_way(order(quantize="Q8_0"), kind=OperationKind.PULL),
        under_way(order(quantize="Q8_0", name="mm")),
        under_way(order(quantize="Q8_0", name="x")),
    ],
)
async def test_what_has_ended_or_is_another_work_stands_in_no_way(
    tmp_path: Path, other: Operation
) -> None:
    """Of another kind, or of another name."""
    async with bench(tmp_path) as b:
        started = await b.start(order(), other)

    assert started["key"] == order().key


async def test_a_taken_name_wants_replace(tmp_path: Path) -> None:
    """MODEL_EXISTS, MODEL_BUSY while it answers, then it may go; another's answer is no matter."""
    async with bench(tmp_path) as b:
        await b.put("M/m.gguf")
        with pytest.raises(AlreadyExistsError):
            await b.start(order())
        b.busy = {"m"}
        with pytest.raises(PreconditionError) as caught:
            await b.start(order(replace=True))
        b.busy = {"other"}
        started = await b.start(order(replace=True))

    assert caught.value.reason is Reason.MODEL_BUSY
    assert "rkctl stop m" in caught.value.remedy
    assert started["subject"] == "m"


async def test_a_name_nobody_has_looked_at_is_looked_at(tmp_path: Path) -> None:
    """A folder that came a moment ago, and one no look has come to since the start."""
    async with bench(tmp_path) as b:
        put(b.library.root / "m" / "m.gguf", build())
        with pytest.raises(AlreadyExistsError):
            await b.start(order())
    (tmp_path / "other").mkdir()
    async with bench(tmp_path / "other") as b:
        b.library.slow = True
        put(b.library.root / "m" / "m.gguf", build())
        with pytest.raises(AlreadyExistsError):
            await b.start(order())


async def test_a_file_in_place_may_be_of_a_model_that_is_there(tmp_path: Path) -> None:
    """Its name is taken by itself."""
    async with bench(tmp_path) as b:
        await b.put("m/m.gguf")
        started = await b.start(order("", files=(), existing_file="m.gguf"))

    assert started["subject"] == "m"


async def test_a_parent_has_to_be_there(tmp_path: Path) -> None:
    """By what FROM names, or by the name a pull gave it."""
    async with bench(tmp_path) as b:
        with pytest.raises(NotFoundError):
            await b.start(order("FROM nobody", files=()))
        with pytest.raises(NotFoundError):
            await b.start(order("FROM hf.co/u/r", files=(), parent="nobody"))
        await b.put("p/p.gguf")
        by_from = await b.start(order("FROM p", files=()))
        by_name = await b.start(order("FROM hf.co/u/r", files=(), parent="p"))

    assert by_from["subject"] == by_name["subject"] == "m"


async def test_a_repository_has_to_be_pulled_first(tmp_path: Path) -> None:
    """It says the command; to be judged alone it may be as it is."""
    given = order("FROM hf.co/u/r:Q4_0", files=())
    async with bench(tmp_path) as b:
        with pytest.raises(NotFoundError) as caught:
            await b.start(given)
        await check_create(b.library, given)

    assert caught.value.reason is Reason.MODEL_NOT_FOUND
    assert "rkctl pull hf.co/u/r:Q4_0" in caught.value.remedy
    assert caught.value.metadata == {"from": "hf.co/u/r:Q4_0"}
