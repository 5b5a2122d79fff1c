"""
The scheduler's nouns: who waits, what is resident, and the actions it asks for.

Plain data: `scheduler.py` decides on it, `pool/desk.py` carries the actions out.
"""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass, field

from rkd.board.facts import RuntimeLibrary
from rkd.errors import RkdError
from rkd.inference import Loaded, LoadSpec
from rkd.model import BackendChoice, BackendKind
from rkd.pool.deciding.budget import Held, Need

_BY_OTHERS = frozenset({"SIGKILL", "SIGTERM", "SIGINT", "SIGHUP", "SIGPIPE"})
"""Signals that come from outside (the memory killer's is SIGKILL); all others a process earns."""


class Phase(enum.StrEnum):
    """Where a model is in memory; a model that is nowhere is absent from the table."""

    LOADING = "loading"
    READY = "ready"
    DRAINING = "draining"
    UNLOADING = "unloading"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Death:
    """
    How a worker ended.

    Args:
        description: for people: `killed by SIGSEGV`, `exited with 1`.
        signal: its name (`SIGKILL`), or "" when it exited.
        exit_code: None when a signal ended it.
        last_lines: what it last printed.
        blamed: the request that is told did it, as far as can be known: it is not tried again.
    """

    description: str
    signal: str = ""
    exit_code: int | None = None
    last_lines: tuple[str, ...] = ()
    blamed: bool = False

    @property
    def from_outside(self) -> bool:
        """Whether somebody or something else ended it, rather than what it did."""
        return self.signal in _BY_OTHERS


class Priority(enum.IntEnum):
    """How urgent a request is; lower goes first."""

    INTERACTIVE = 0
    NORMAL = 1
    BACKGROUND = 2


class LoadFault(enum.Enum):
    """Why a load did not end well."""

    REFUSED = "refused"
    MEMORY = "memory"
    CRASHED = "crashed"


@dataclass(frozen=True, slots=True)
class Moment:
    """Now: a monotonic clock in seconds, and MemAvailable."""

    at_s: float
    available_bytes: int


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """
    One way to make a model resident.

    Args:
        model: the model's name as the library writes it.
        key: its `ModelName.key`.
        version: its `Model.version`.
        spec: what the worker is told; the scheduler fills in the NPU domain.
        need: what it takes, and whether that was measured on an earlier load.
        choice: what was asked for.
        exact_context: the context was asked for by the request itself.
        reason: why it is not the NPU, one sentence; "" when it is or the CPU was asked for.
        total: the sum behind `need`, in words; "" when it was measured.
        calibration_key: under which the measured memory is kept.
        fingerprint: of NPU weights, under which it is kept how libraries got on with them.
        library: the NPU's runtime, or None.
        warnings: told with the answer.
        tried: NPU libraries that failed with it before in this request, a sentence each.
    """

    model: str
    key: str
    version: str
    spec: LoadSpec
    need: Need
    measured: bool = False
    choice: BackendChoice = BackendChoice.AUTO
    exact_context: bool = False
    reason: str = ""
    total: str = ""
    calibration_key: str = ""
    fingerprint: str = ""
    library: RuntimeLibrary | None = None
    keep_alive_s: float | None = None
    """The model's own; None leaves it to the daemon."""
    warnings: tuple[str, ...] = ()
    tried: tuple[str, ...] = ()

    @property
    def backend(self) -> BackendKind:
        """Where it runs."""
        return self.spec.backend

    @property
    def way(self) -> str:
        """The backend, and on the NPU the library: what fails one way may go well another."""
        return f"{self.spec.backend} {self.fingerprint and self.spec.runtime_library}".strip()


@dataclass(slots=True)
class Waiter:
    """
    One request, from its arrival to its end.

    Args:
        ticket: its identity; never used twice.
        plans: the ways it accepts, best first; a way that failed is taken out.
        client: who asks, for fairness; "" is a client too.
        takes_slot: it decodes; False for tokenizing and for loads, which only need the model.
        keep_alive_s: sticks to the resident until a later request says another; None says nothing.
        deadline_s: on the monotonic clock; math.inf for none.
        deliberate: a person asked for the load itself: a back-off does not hold it up.
    """

    ticket: int
    plans: tuple[LoadPlan, ...]
    client: str = ""
    priority: Priority = Priority.NORMAL
    takes_slot: bool = True
    keep_alive_s: float | None = None
    deadline_s: float = math.inf
    deliberate: bool = False
    arrived_s: float = 0.0
    tag: float = 0.0
    """Its place among the clients, see `queue.py`."""
    pressed: bool = False
    """A load for it failed for memory once already."""
    crashes: int = 0
    """How many workers died loading for it."""
    retries: int = 0
    """How often it was put back because its worker died before saying anything."""

    @property
    def key(self) -> str:
        """The model it waits for."""
        return self.plans[0].key


@dataclass(slots=True)
class Residence:
    """
    One model in memory, from the launch of its worker until its memory is back.

    Args:
        generation: its identity: events about an earlier worker of the same model do not match.
        holders: tickets that hold a reference, and whether each holds a slot.
        seen_bytes: the most its worker was seen to take; the budget keeps to `need`, since a
            cache fills later.
        now_bytes: what it took when it had last answered.
        first_bytes: what it took after its first answer; what came since is its prompt cache.
        expires_s: when it leaves if nobody asks, on the monotonic clock; None: not counting.
        outdated: the model changed on disk since.
    """

    generation: int
    plan: LoadPlan
    domain: int
    phase: Phase
    keep_alive_s: float
    since_s: float
    holders: dict[int, bool] = field(default_factory=dict)
    loaded: Loaded | None = None
    need: Need = field(default_factory=lambda: Need(0))
    measured: bool = False
    seen_bytes: int = 0
    now_bytes: int = 0
    first_bytes: int = 0
    ready_s: float = 0.0
    load_s: float = 0.0
    idle_since_s: float = 0.0
    expires_s: float | None = None
    outdated: bool = False
    served: int = 0

    @property
    def key(self) -> str:
        """The model's key."""
        return self.plan.key

    @property
    def slots(self) -> int:
        """Runs it decodes together."""
        return self.loaded.slots if self.loaded else self.plan.spec.slots

    @property
    def slots_used(self) -> int:
        """Of these, taken."""
        return sum(self.holders.values())

    @property
    def leaving(self) -> bool:
        """It takes nobody new."""
        return self.phase in {Phase.DRAINING, Phase.UNLOADING}

    @property
    def prompt_cache_used_bytes(self) -> int:
        """Of the room for conversations that wait, taken: by what the worker grew since."""
        grown = self.now_bytes - self.first_bytes if self.first_bytes else 0
        return max(0, min(grown, self.plan.spec.prompt_cache_bytes))

    @property
    def bare_bytes(self) -> int:
        """The most it took, without its prompt cache."""
        return max(self.first_bytes, self.seen_bytes - self.plan.spec.prompt_cache_bytes)

    @property
    def on_npu(self) -> bool:
        """It computes on the NPU, by Rockchip's runtime or by a llama-server that can."""
        return self.plan.backend is BackendKind.NPU or self.plan.need.npu_bytes > 0

    def held(self) -> Held:
        """What it takes of the budget."""
        return Held(self.need, self.domain, arriving=self.phase is Phase.LOADING)


@dataclass(frozen=True, slots=True)
class FailedWay:
    """
    Why a way to run a model is left alone for a while.

    Args:
        loads: loads in a row that were refused.
        crashes: workers in a row that died without serving anybody.
        retry_s: when it may be tried again, on the monotonic clock.
        deadly: its load has killed workers: it is tried once a request from now on.
    """

    error: RkdError
    loads: int = 0
    crashes: int = 0
    retry_s: float = 0.0
    deadly: bool = False


@dataclass(frozen=True, slots=True)
class Launch:
    """Start a worker and load *plan* in it; then `on_loaded` or `on_load_failed`."""

    generation: int
    plan: LoadPlan


@dataclass(frozen=True, slots=True)
class Stop:
    """End the worker and wait until its memory is back; then `on_unloaded`."""

    generation: int
    model: str
    kill: bool = False


@dataclass(frozen=True, slots=True)
class Grant:
    """Give the ticket its lease on the resident; it ends with `on_finished`."""

    ticket: int
    generation: int


@dataclass(frozen=True, slots=True)
class Refuse:
    """End the ticket with *error*."""

    ticket: int
    error: RkdError


@dataclass(frozen=True, slots=True)
class Announce:
    """Tell whoever watches."""

    action: str
    model: str
    detail: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Resident:
    """One model in memory as others may see it; times are on the monotonic clock."""

    model: str
    key: str
    phase: Phase
    generation: int = 0
    backend: BackendKind = BackendKind.CPU
    reason: str = ""
    size_bytes: int = 0
    size_measured: bool = False
    context_tokens: int = 0
    slots: int = 0
    slots_used: int = 0
    queued: int = 0
    expires_s: float | None = None
    pinned: bool = False
    npu_domain: int | None = None
    pid: int = 0
    runtime: str = ""
    ready_s: float | None = None
    retry_s: float | None = None
    served: int = 0
    prompt_cache_bytes: int = 0
    prompt_cache_used_bytes: int = 0
    engine_lines: tuple[str, ...] = ()


Action = Launch | Stop | Grant | Refuse | Announce
Actions = tuple[Action, ...]
