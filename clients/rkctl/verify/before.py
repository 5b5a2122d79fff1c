"""What was in memory before a verification, and how it comes back; pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from rkd_client.ask import StreamAsk
from rkd_client.options import WantedBackend
from rkd_client.verbs import pool

from rkd.v1 import pool_pb2
from rkd.v1 import types_pb2 as types

if TYPE_CHECKING:
    from rkd_client.v1 import pool as v1

READY: Final = pool_pb2.RESIDENT_STATE_READY

_BACKENDS: Final[dict[int, WantedBackend]] = {
    types.BACKEND_NPU: "npu",
    types.BACKEND_CPU: "cpu",
}


def changed(
    before: Iterable[pool_pb2.Resident], now: Iterable[pool_pb2.Resident]
) -> list[pool_pb2.Resident]:
    """Return those of *before* that are not in memory *now*, or otherwise."""
    there = {_seen_as(one) for one in now if one.state == READY}
    return [one for one in before if _seen_as(one) not in there]


def again(before: pool_pb2.Resident) -> StreamAsk[pool_pb2.LoadResponse, v1.LoadResponse]:
    """Ask for *before* to be in memory as it was, but for its pin."""
    return pool.load(
        before.model,
        backend=_BACKENDS.get(before.backend),
        context_tokens=before.context_tokens or None,
    )


def _seen_as(one: pool_pb2.Resident) -> tuple[str, int, int, bool]:
    return one.model, one.backend, one.context_tokens, one.pinned
