"""Generated from rkd/v1/pool.proto by tests/value_types.py; never edited."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from rkd_client.v1 import types


ResidentState = Literal["", "loading", "ready", "draining", "unloading", "failed"]
"""State of a model in memory."""


@dataclass(frozen=True, slots=True)
class Resident:
    """A model in memory."""

    model: str = ""
    """Its name."""

    state: ResidentState = ""
    """Where it is."""

    backend: types.Backend = ""
    """Where it runs."""

    backend_reason: str = ""
    """Why not the NPU; empty when it is or when the CPU was asked for."""

    size_bytes: int = 0
    """Memory: measured where that is known, else estimated."""

    size_measured: bool = False
    """Whether size_bytes was measured."""

    context_tokens: int = 0
    """Context of each slot, tokens."""

    slots: int = 0
    """Runs it can decode together."""

    slots_used: int = 0
    """Of these, in use."""

    queued: int = 0
    """Requests waiting for it."""

    expires: datetime | None = None
    """When it leaves if nobody asks; absent: never, or not counting yet."""

    pinned: bool = False
    """Pinned."""

    npu_domain: int | None = None
    """IOMMU domain on the NPU; absent on the CPU."""

    pid: int = 0
    """Process id of its worker; 0 when there is none."""

    runtime: str = ""
    """Engine and version."""

    loaded: datetime | None = None
    """When it became ready."""

    reason: str = ""
    """For FAILED: what happened."""

    retry: datetime | None = None
    """For FAILED: when the next load is allowed."""

    served: int = 0
    """Requests served since it became ready."""

    prompt_cache_bytes: int = 0
    """Of size_bytes at most, for the caches of conversations that have no slot now: another turn of theirs is not computed anew (RKD_PROMPT_CACHE). 0 on the NPU and for models with adapters."""

    prompt_cache_used_bytes: int = 0
    """Of these, in use: by how much its worker grew since its first answer."""

    engine_lines: tuple[str, ...] = ()
    """What the NPU's library printed while it loaded the model, at most 40 lines; empty on the CPU."""

    board: str = ""
    """Board it is on, where a client joined the lists of several; else empty."""


@dataclass(frozen=True, slots=True)
class ListResidentResponse:
    """What is resident."""

    residents: tuple[Resident, ...] = ()
    """Sorted by name."""

    next_page_token: str = ""
    """Asks for the next page; empty when this was the last."""

    queued: int = 0
    """Requests waiting, all models."""

    queue_limit: int = 0
    """Most that may wait (RKD_MAX_QUEUE)."""


@dataclass(frozen=True, slots=True)
class LoadResponse:
    """One step of a load."""

    queued: types.Queued | None = None
    """Waiting for room."""

    loading: types.Loading | None = None
    """Loading."""

    resident: Resident | None = None
    """Done; last."""


@dataclass(frozen=True, slots=True)
class UnloadResponse:
    """The model has left."""

    was_resident: bool = False
    """Whether it was resident."""


@dataclass(frozen=True, slots=True)
class PinResponse:
    """The pin is set."""

    resident: Resident = Resident()
    """The model."""


@dataclass(frozen=True, slots=True)
class UnpinResponse:
    """The pin is gone."""

    was_pinned: bool = False
    """Whether there was one."""


@dataclass(frozen=True, slots=True)
class Session:
    """What is kept of a conversation."""

    name: str = ""
    """As its requests call it."""

    model: str = ""
    """The model it is with."""

    tokens: int = 0
    """How long it is."""

    size_bytes: int = 0
    """What it takes on disk."""

    used: datetime | None = None
    """When it was last written."""

    board: str = ""
    """Board it is on, where a client joined the lists of several; else empty."""


@dataclass(frozen=True, slots=True)
class ListSessionsResponse:
    """The caller's conversations."""

    sessions: tuple[Session, ...] = ()
    """Sorted by name, then model."""

    next_page_token: str = ""
    """Asks for the next page; empty when this was the last."""


@dataclass(frozen=True, slots=True)
class DeleteSessionResponse:
    """What was removed."""

    deleted: int = 0
    """How many: one for each model it was with; 0 when nothing was kept."""


@dataclass(frozen=True, slots=True)
class PlanResponse:
    """What loading would do."""

    fits: bool = False
    """It would fit, now or after the models below have left."""

    resident: bool = False
    """It is resident already."""

    backend: types.Backend = ""
    """Where it would run."""

    backend_reason: str = ""
    """Why not the NPU."""

    needed_bytes: int = 0
    """Memory it needs."""

    needed_measured: bool = False
    """Whether that was measured on an earlier load."""

    available_bytes: int = 0
    """Memory free for models now."""

    evicting: tuple[str, ...] = ()
    """Who would leave, in this order."""

    explanation: str = ""
    """The sum, or why it does not fit, in words."""

    context_tokens: int = 0
    """Context of each slot it would have."""

    slots: int = 0
    """Slots it would have."""

    npu_domain: int | None = None
    """IOMMU domain on the NPU; absent on the CPU."""
