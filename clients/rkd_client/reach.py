"""
What a call is about, where several boards can be asked: any of them, each of them, one of them.

Every method of the contract stands here, a test says so: what an address that stands for several
boards would break is made whole by asking each, or refused by saying which there are.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Iterable
from types import MappingProxyType
from typing import Any, Final

from rkd_client.ask import Ask
from rkd_client.errors import PreconditionError, RkdError

MAX_BOARDS: Final = 64
"""Most boards a proxy's refusal may name to be asked one after the other."""


class Reach(enum.Enum):
    """Which of several boards a call is for."""

    ANY = "any"
    """Whichever can: an answer is the same, or the model says where."""
    ALL = "all"
    """Each of them, and the answers are joined."""
    SEEK = "seek"
    """The one that knows the id: each is asked until one does."""
    ONE = "one"
    """One that the caller names: it changes that board, or tells of it alone."""


_TABLE: Final = {
    Reach.ANY: {
        "InferenceService": "Generate Chat Embed Rerank Tokenize Detokenize",
        "ModelService": "Show",
        "PoolService": "Load",
        "HubService": "Search ListFiles GetCard",
    },
    Reach.ALL: {
        "InferenceService": "Cancel",
        "ModelService": "List",
        "PoolService": "ListResident ListSessions DeleteSession",
        "OperationService": "List",
    },
    Reach.SEEK: {
        "OperationService": "Get Cancel Pause Resume Watch",
    },
    Reach.ONE: {
        "ModelService": "Pull Create Push Copy Delete Upload Migrate Watch",
        "PoolService": "Unload Pin Unpin Plan",
        "SystemService": "GetStatus Doctor Reload",
        "AccessService": "WhoAmI ListTokens CreateToken RevokeToken",
    },
}

REACHES: Final = MappingProxyType(
    {
        f"/rkd.v1.{service}/{method}": reach
        for reach, services in _TABLE.items()
        for service, methods in services.items()
        for method in methods.split()
    }
)
"""Of every method."""

READS: Final = {
    "ModelService": "List Show",
    "InferenceService": "Embed Rerank Tokenize Detokenize",
    "HubService": "Search ListFiles GetCard",
    "PoolService": "ListResident Plan ListSessions",
    "OperationService": "List Get",
    "SystemService": "GetStatus Doctor",
}
"""What changes nothing, so that gRPC itself may send it again when a connection broke."""


def reach_of(ask: Ask[Any, Any]) -> Reach:
    """Return which boards *ask* is for."""
    path = ask.path
    if path == "/rkd.v1.OperationService/Watch" and not ask.request.id:  # type: ignore[attr-defined]
        return Reach.ONE  # of all operations: one board's log
    return REACHES[path]


def service_of(ask: Ask[Any, Any]) -> str:
    """Return what has to be healthy for *ask*, as boards call it; "" is the daemon itself."""
    name = ask.model.removesuffix(":latest")
    if reach_of(ask) is not Reach.ANY or not name or set(name) & set("/:"):
        return ""
    return f"rkd.model.{name}"


def service_config(service: str) -> str:
    """Return what gRPC is told of a channel to one of several boards. **Source:** gRFC A2, A6."""
    reads = [
        {"service": f"rkd.v1.{name}", "method": method}
        for name, methods in READS.items()
        for method in methods.split()
    ]
    retry = {
        "maxAttempts": 2,
        "initialBackoff": "0.1s",
        "maxBackoff": "1s",
        "backoffMultiplier": 2,
        "retryableStatusCodes": ["UNAVAILABLE"],
    }
    return json.dumps(
        {
            "loadBalancingConfig": [{"round_robin": {}}],
            "healthCheckConfig": {"serviceName": service},
            "methodConfig": [{"name": reads, "retryPolicy": retry}],
        }
    )


def board_needed(ask: Ask[Any, Any], boards: Iterable[str]) -> PreconditionError:
    """Return the refusal of a call that one of *boards* has to be named for."""
    named = tuple(boards)
    return PreconditionError(
        "BOARD_NEEDED",
        f"{', '.join(named)} are several boards, and {ask.path.rpartition('/')[2]} is about one",
        remedy=f"say which: --endpoint {named[0]}\nor ask all of them: rkctl fleet --help",
        metadata={"boards": ",".join(named)},
    )


def boards_of(error: RkdError) -> tuple[str, ...]:
    """Return the boards a refusal names, of which one is to be said; none for other errors."""
    if error.reason != "BOARD_NEEDED":
        return ()
    return tuple(filter(None, error.metadata.get("boards", "").split(",")))[:MAX_BOARDS]
