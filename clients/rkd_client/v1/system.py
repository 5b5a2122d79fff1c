"""Generated from rkd/v1/system.proto by tests/value_types.py; never edited."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal


ClockKind = Literal["", "npu", "cpu", "ddr"]
"""What a clock drives."""


Severity = Literal["", "ok", "note", "warning", "error"]
"""How bad a finding is."""


@dataclass(frozen=True, slots=True)
class Temperature:
    """A temperature."""

    zone: str = ""
    """`npu`, `soc`, `bigcore0` …"""

    celsius: float = 0.0
    """Degrees Celsius."""


@dataclass(frozen=True, slots=True)
class NpuStatus:
    """The NPU."""

    available: bool = False
    """Whether models can run on it now."""

    reason: str = ""
    """When not: why, in one sentence."""

    remedy: str = ""
    """When not: what to do."""

    driver_version: str = ""
    """Kernel driver version; empty where unknown."""

    runtimes: tuple[str, ...] = ()
    """Runtime libraries found, as `version path`."""

    core_load: tuple[float, ...] = ()
    """Load of each core, 0 to 1; empty where unknown."""

    frequency_hz: int = 0
    """Clock; 0 where unknown."""


@dataclass(frozen=True, slots=True)
class Clock:
    """A clock; numbers are 0 and texts empty where the kernel does not tell."""

    name: str = ""
    """`npu`, `cpu4-5` (the cores of a cluster) or `ddr`."""

    kind: ClockKind = ""
    """What it drives."""

    frequency_hz: int = 0
    """Now."""

    lowest_hz: int = 0
    """Least the governor may choose now."""

    limit_hz: int = 0
    """Most the governor may choose now."""

    highest_hz: int = 0
    """Most the hardware can."""

    governor: str = ""
    """Who chooses: `ondemand`, `performance`, `dmc_ondemand` …"""

    governors: tuple[str, ...] = ()
    """What `governor` may be."""

    cooled: bool = False
    """The limit is below what the hardware can because something is too hot."""

    answering_hz: int = 0
    """Most it was seen at while the last answer ran that lasted long enough to look; 0 before that."""


@dataclass(frozen=True, slots=True)
class MemoryStatus:
    """Memory of the board."""

    total_bytes: int = 0
    """All of it."""

    available_bytes: int = 0
    """What the kernel says could be had now."""

    budget_bytes: int = 0
    """What the pool may use of it now, with the configured fraction and reserve."""

    resident_bytes: int = 0
    """What resident models use."""

    daemon_bytes: int = 0
    """What the daemon itself uses."""


@dataclass(frozen=True, slots=True)
class StreamStatus:
    """One stream being answered."""

    request_id: str = ""
    """The request."""

    model: str = ""
    """The model."""

    tokens: int = 0
    """Tokens so far."""

    tokens_per_s: float = 0.0
    """Over the last seconds."""

    age_s: float | None = None
    """Since it began."""


@dataclass(frozen=True, slots=True)
class GetStatusResponse:
    """The status."""

    version: str = ""
    """Of rkd."""

    started: datetime | None = None
    """Since when it runs."""

    addresses: tuple[str, ...] = ()
    """Addresses it listens on."""

    soc: str = ""
    """SoC (`rk3588`), or empty."""

    board: str = ""
    """Name of the board."""

    kernel: str = ""
    """Kernel release."""

    cores: int = 0
    """CPU cores."""

    load_average: float = 0.0
    """Load average over a minute."""

    npu: NpuStatus = NpuStatus()
    """The NPU."""

    memory: MemoryStatus = MemoryStatus()
    """Memory."""

    temperatures: tuple[Temperature, ...] = ()
    """Temperatures."""

    cpu_engine: str = ""
    """The CPU engine and its version."""

    models: int = 0
    """Models on disk."""

    residents: int = 0
    """Models in memory."""

    queued: int = 0
    """Requests waiting."""

    streams: tuple[StreamStatus, ...] = ()
    """Streams being answered."""

    models_folder: str = ""
    """Folder of the models."""

    models_free_bytes: int = 0
    """Free space there."""

    operations: int = 0
    """Operations not ended."""

    tokens_total: int = 0
    """Tokens generated since the start."""

    requests_total: int = 0
    """Requests answered since the start."""

    clocks: tuple[Clock, ...] = ()
    """Clocks an answer's speed hangs on: NPU, CPU clusters, memory."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One check."""

    check: str = ""
    """What was checked: `soc`, `npu-driver`, `npu-library`, `disk` …"""

    severity: Severity = ""
    """How bad."""

    message: str = ""
    """What was found."""

    remedy: str = ""
    """What to do; empty when all is well."""


@dataclass(frozen=True, slots=True)
class DoctorResponse:
    """The checks."""

    findings: tuple[Finding, ...] = ()
    """In a fixed order."""


@dataclass(frozen=True, slots=True)
class ReloadResponse:
    """What changed."""

    applied: tuple[str, ...] = ()
    """Settings now in force that were not before, as `key: old -> new`."""

    needs_restart: tuple[str, ...] = ()
    """Settings that differ but need a restart."""
