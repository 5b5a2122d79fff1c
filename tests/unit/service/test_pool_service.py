"""PoolService over a pool that only remembers what it was asked."""

from __future__ import annotations

import math
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rkd.errors import InvalidInputError, NotFoundError, Reason
from rkd.inference import LoadSpec
from rkd.model import BackendChoice, BackendKind, Model, ModelName, ModelState
from rkd.pool.deciding.budget import Need
from rkd.pool.deciding.placement import Wish
from rkd.pool.deciding.state import LoadPlan, Phase, Resident
from rkd.pool.ticket import Ask, Loading, Queued
from rkd.pool.views import Preview
from rkd.service.pool import PoolService
from rkd.v1 import pool_pb2 as pb
from rkd.v1 import types_pb2

READY = Resident(
    "tiny",
    "tiny",
    Phase.READY,
    reason="no NPU here",
    size_bytes=7,
    slots=2,
    ready_s=1.0,
    expires_s=math.inf,
    npu_domain=3,
    pid=42,
)


class FakeContext:
    """A call with a minute left."""

    def peer(self) -> str:
        """Who calls."""
        return "unix:"

    def time_remaining(self) -> float:
        """How long the call may go on."""
        return 60.0


class FakePool:
    """Answers from a list and notes what it was asked."""

    queued, queue_limit = 3, 64

    def __init__(self, *listed: Resident) -> None:
        self.listed = listed
        self.asks: list[Ask] = []
        self.here = bool(listed)

    def residents(self) -> tuple[Resident, ...]:
        """What there is."""
        return self.listed

    async def load(self, ask: Ask) -> AsyncIterator[Any]:
        """Wait, load, be there."""
        self.asks.append(ask)
        yield Queued(1, 2.5)
        yield Loading("loading", BackendKind.CPU, 0.5)
        yield READY

    async def unload(self, _key: str, *, grace_s: float | None) -> bool:
        """Leave."""
        self.grace_s = grace_s
        return self.here

    def unpin(self, _key: str) -> bool:
        """Whether there was a pin."""
        return self.here

    def plan(self, _model: Model, _wish: Wish) -> Preview:
        """What a load would do."""
        spec = LoadSpec(BackendKind.NPU, "w", context_tokens=512)
        plan = LoadPlan("tiny", "tiny", "1", spec, Need(5))
        return Preview(True, False, plan, 9, ("other",), "fits", 4)


async def resolve(name: ModelName) -> Model:
    """Know one model."""
    if name.key != "tiny":
        raise NotFoundError(Reason.MODEL_NOT_FOUND, f"there is no model '{name}'")
    return Model(name, Path("/m/tiny"), ModelState.READY)


def service(pool: Any) -> PoolService:
    """The service over *pool*."""
    return PoolService(resolve, pool)


async def test_residents_are_told_whole() -> None:
    """Times that never come are left out; a failure's reason is not a backend's."""
    failed = Resident("bad", "bad", Phase.FAILED, reason="it broke", retry_s=time.monotonic() + 9)
    pool = FakePool(failed, READY)

    told = await service(pool).ListResident(pb.ListResidentRequest(), FakeContext())

    bad, tiny = told.residents
    assert (bad.state, bad.reason, bad.backend_reason) == (
        pb.RESIDENT_STATE_FAILED,
        "it broke",
        "",
    )
    assert bad.HasField("retry")
    assert (tiny.backend_reason, tiny.reason) == ("no NPU here", "")
    assert (tiny.npu_domain, tiny.pid, tiny.slots, tiny.size_bytes) == (3, 42, 2, 7)
    assert tiny.HasField("loaded")
    assert not tiny.HasField("expires")
    assert (told.queued, told.queue_limit) == (3, 64)


async def test_a_load_is_streamed_as_asked() -> None:
    """Waiting, loading, the resident; with what the request said."""
    pool = FakePool()
    request = pb.LoadRequest(model="tiny", backend=types_pb2.BACKEND_CPU, context_tokens=128)
    request.keep_alive.FromSeconds(-1)

    events = [one async for one in service(pool).Load(request, FakeContext())]

    assert [one.WhichOneof("event") for one in events] == ["queued", "loading", "resident"]
    (ask,) = pool.asks
    assert ask.wish == Wish(BackendChoice.CPU, 128)
    assert ask.keep_alive_s == math.inf


async def test_a_context_too_small_is_refused() -> None:
    """By name, before anything is loaded."""
    request = pb.LoadRequest(model="tiny", context_tokens=1)

    with pytest.raises(InvalidInputError, match="context_tokens"):
        _ = [one async for one in service(FakePool()).Load(request, FakeContext())]


async def test_leaving_and_unpinning_know_names() -> None:
    """What is no model is an error; what is not resident is only told."""
    absent, present = service(FakePool()), service(FakePool(READY))
    unload, unpin = pb.UnloadRequest(model="tiny"), pb.UnpinRequest(model="tiny")

    assert (await present.Unload(unload, FakeContext())).was_resident
    assert not (await absent.Unload(unload, FakeContext())).was_resident
    assert (await present.Unpin(unpin, FakeContext())).was_pinned
    assert not (await absent.Unpin(unpin, FakeContext())).was_pinned
    with pytest.raises(NotFoundError):
        await absent.Unload(pb.UnloadRequest(model="nope"), FakeContext())
    with pytest.raises(NotFoundError):
        await absent.Unpin(pb.UnpinRequest(model="nope"), FakeContext())


async def test_a_plan_is_told() -> None:
    """What it needs, who would leave, and where it would be."""
    told = await service(FakePool()).Plan(pb.PlanRequest(model="tiny"), FakeContext())

    assert told.fits
    assert (told.backend, told.npu_domain) == (types_pb2.BACKEND_NPU, 4)
    assert (told.needed_bytes, told.available_bytes) == (5, 9)
    assert (list(told.evicting), told.explanation) == (["other"], "fits")
    assert (told.context_tokens, told.slots) == (512, 1)


async def test_one_resident_hides_no_other() -> None:
    """Numbers and dates nobody can send are left out or clamped; text is escaped."""
    odd = replace(READY, model="odd\udce9", key="odd", expires_s=1e12, size_bytes=2**70)
    answer = await service(FakePool(odd, READY)).ListResident(
        pb.ListResidentRequest(), FakeContext()
    )

    assert [one.model for one in answer.residents] == ["odd\\xe9", "tiny"]
    assert not answer.residents[0].HasField("expires")
    assert answer.residents[0].size_bytes == 2**63 - 1


async def test_a_negative_grace_is_refused() -> None:
    """Instead of killing the worker at once."""
    request = pb.UnloadRequest(model="tiny")
    request.grace.seconds = -5

    with pytest.raises(InvalidInputError, match="grace"):
        await service(FakePool(READY)).Unload(request, FakeContext())
