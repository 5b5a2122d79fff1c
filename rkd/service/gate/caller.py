"""Who calls: a name for the log, what it may do, and by what its share of the board is counted."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass

from rkd.access.role import Role


@dataclass(frozen=True, slots=True)
class Caller:
    """
    Who calls.

    Args:
        name: for the log.
        role: what it may do.
        identity: the same for every call of one caller, over all its connections: its token or
            certificate, else its network. gRPC for Python tells no user of a unix socket's peer
            (grpc/grpc#15511), so those are one caller.
    """

    name: str
    role: Role
    identity: str


def anybody(network: str) -> Caller:
    """Name a caller nobody asked for a proof."""
    return Caller("anybody", Role.ADMIN, network)


def identity() -> str:
    """Return by what the caller of this task's call is counted; "" outside a call."""
    caller = CALLER.get()
    return caller.identity if caller else ""


CALLER: ContextVar[Caller | None] = ContextVar("rkd-caller", default=None)
"""The caller of the call whose task this is."""
