"""What became of every call while everything goes wrong, and what may never become of one."""

from __future__ import annotations

import collections
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

CALL_BOUND_S = 90.0
"""No call may take longer: an engine that is stopped is given up after 30 s, a load before it."""

TYPED = frozenset(
    {
        "ARCHITECTURE_UNSUPPORTED",
        "DIGEST_MISMATCH",
        "DISK_FULL",
        "HUB_NOT_FOUND",
        "HUB_UNREACHABLE",
        "LOAD_FAILED",
        "LOAD_TIMEOUT",
        "MODELFILE_MISSING",
        "MODEL_BUSY",
        "MODEL_EXISTS",
        "MODEL_FAILED",
        "MODEL_INCOMPLETE",
        "MODEL_NOT_FOUND",
        "MODEL_TOO_LARGE",
        "NO_EVICTABLE_MODEL",
        "OPERATION_NOT_FOUND",
        "QUEUE_FULL",
        "REVISION_COMPACTED",
        "SHUTTING_DOWN",
        "WEIGHTS_INVALID",
        "WORKER_CRASHED",
    }
)
"""Refusals that trouble of the kinds made here explains."""


@dataclass
class Ledger:
    """
    Counts calls by how they ended and keeps what must not have happened.

    Args:
        life: number of the daemon's life now, and whether it is up; a call that saw it change may
            have lost its connection.
    """

    life: Callable[[], tuple[int, bool]]
    ends: collections.Counter[str] = field(default_factory=collections.Counter)
    wrong: list[str] = field(default_factory=list)
    slowest_s: float = 0.0

    async def call(self, what: str, work: Awaitable[object], *, impatient: bool = False) -> bool:
        """Await one call and note its end; True when it was answered."""
        began, before = time.monotonic(), self.life()
        try:
            await work
        except grpc.aio.AioRpcError as error:
            self._refused(what, error, before, impatient=impatient)
            return False
        finally:
            self.slowest_s = max(self.slowest_s, time.monotonic() - began)
        self.ends[f"{what} answered"] += 1
        return True

    def mixed(self, what: str, asked: str, got: str) -> None:
        """Note an answer that is not the caller's own."""
        self.wrong.append(f"{what}: {asked!r} was answered {got!r}")

    def _refused(
        self, what: str, error: grpc.aio.AioRpcError, before: tuple[int, bool], *, impatient: bool
    ) -> None:
        reason = reason_of(error)
        code = error.code()
        self.ends[f"{what} {reason or code.name}"] += 1
        if reason in TYPED:
            return
        if impatient and code in {grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED}:
            return
        number, up = self.life()
        # A call that reaches gRPC while it stops is told CANCELLED, by gRPC itself.
        broken = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}
        if not reason and code in broken and (not up or not before[1] or number != before[0]):
            return
        self.wrong.append(f"{what}: {code.name} {reason} {error.details()!r}")


def reason_of(error: grpc.aio.AioRpcError) -> str:
    """ErrorInfo's reason, or "" where there is none."""
    try:
        status = rpc_status.from_call(error)
    except ValueError:
        return ""
    info = error_details_pb2.ErrorInfo()
    for detail in status.details if status else ():
        if detail.Unpack(info):
            return str(info.reason)
    return ""
