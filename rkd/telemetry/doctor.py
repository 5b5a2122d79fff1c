"""
What commonly goes wrong on a board, checked: facts in, findings out, each with one remedy.

Pure: `daemon/settings.py` collects the facts. The order of `CHECKS` is the order of the findings,
and the names of the checks are for programs and stay.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

from rkd.board.facts import Board, ClockKind, Telemetry
from rkd.board.npu import (
    MINIMUM_DRIVER,
    QUANTIZATIONS,
    SUPPORTED_SOCS,
    VISION_ONLY,
    no_device_remedy,
    npu_obstacle,
    version_numbers,
)
from rkd.setting import Listen
from rkd.telemetry import slowness
from rkd.telemetry.answering import AnsweringClocks
from rkd.telemetry.finding import Diagnosis, Finding, Severity, Trouble
from rkd.words import size

RECOMMENDED_DRIVER: Final = (0, 9, 8)
"""**Source:** the documents of librkllmrt 1.2 and 1.3."""

SMALL_DISK_BYTES: Final = 4 << 30
"""Less cannot take a model of 7 billion parameters in four bits."""

SMALL_MEMORY_BYTES: Final = 1 << 30
HOT_C: Final = 80.0
"""The vendor kernel begins to slow the SoC at 75 to 85 °C. **Source:** rk3588.dtsi, soc-thermal."""

FEW_FILES: Final = 4096
OLDEST_CLOCK: Final = datetime(2026, 1, 1, tzinfo=UTC)
"""Earlier than this rkd did not exist: the clock is wrong, and certificates fail."""

MOST_TOLD: Final = 5
"""Models a finding names."""


@dataclass(frozen=True, slots=True)
class Condition:
    """
    Everything the checks look at.

    Args:
        backend: `auto`, `npu` or `cpu`, as configured.
        groups: names of the groups the daemon is in.
        models_writable, models_free_bytes: of the models folder.
        listen: where the daemon listens.
        tokens: how many access tokens there are; None when the file cannot be read.
        wants_tokens: there is a token file, be it empty: TCP is closed without one.
        insecure: open listeners are allowed by the configuration.
        native_engine: a native llama-server is configured.
        open_files: how many files the daemon may open.
        now: the board's clock.
        unfit: models and the NPU libraries that failed with them, a sentence each.
        stuck: of those, the ones no library here gets on with.
        engine_trouble: why the CPU engine cannot be loaded; None when it can.
        seen: what the clocks did while models answered; None while none did for long enough.
        clocks_raised: rkd-clocks is installed.
    """

    board: Board
    telemetry: Telemetry
    backend: str
    groups: tuple[str, ...]
    models: Path
    models_writable: bool
    models_free_bytes: int
    disk_reserve_bytes: int
    listen: tuple[Listen, ...]
    tokens: int | None
    has_tls: bool
    has_client_ca: bool
    insecure: bool
    native_engine: bool
    open_files: int
    now: datetime
    engine_trouble: Trouble | None = None
    wants_tokens: bool = False
    unfit: tuple[str, ...] = ()
    stuck: tuple[str, ...] = ()
    seen: AnsweringClocks | None = None
    clocks_raised: bool = False


def examine(facts: Condition) -> tuple[Finding, ...]:
    """Run every check."""
    found = ((name, check(facts)) for name, check in CHECKS.items())
    return tuple(Finding(name, one.severity, one.message, one.remedy) for name, one in found)


def _soc(facts: Condition) -> Diagnosis:
    board = facts.board
    known = board.soc_source not in {"", "device tree"}
    told = f", as {board.soc_source} tell: the device tree is masked" if known else ""
    named = f"{board.model or 'a board'} with {board.soc}{told}"
    if board.platform in SUPPORTED_SOCS:
        takes = ", ".join(QUANTIZATIONS[board.platform][:2])
        return Diagnosis(Severity.OK, f"{named}; .rkllm files of {takes} and more run on it")
    bad = Severity.ERROR if facts.backend == "npu" else Severity.NOTE
    if board.platform in VISION_ONLY:
        return Diagnosis(
            bad,
            f"{named}, whose NPU runs vision models alone; models run on the CPU",
            "Nothing to do: use GGUF files, Q4_0 where there is a choice.",
        )
    what = f"{board.soc} has no NPU rkd drives" if board.soc else "no Rockchip SoC recognised"
    return Diagnosis(
        bad,
        f"{what}; models run on the CPU",
        "Nothing to do off a board; in a container, unmask /proc/device-tree.",
    )


def _driver(facts: Condition) -> Diagnosis:
    board = facts.board
    if board.platform not in SUPPORTED_SOCS:
        return Diagnosis(Severity.OK, "not needed here")
    if board.npu_mainline and not board.npu_nodes:
        return Diagnosis(
            Severity.ERROR,
            "the kernel has the mainline driver (rocket), which librkllmrt.so cannot use",
            "Install a vendor kernel with Rockchip's rknpu driver.",
        )
    version = version_numbers(board.npu_driver)
    if not version and not board.npu_nodes:
        return Diagnosis(
            Severity.ERROR,
            "the kernel has no NPU driver",
            "Install a vendor kernel with Rockchip's rknpu driver.",
        )
    if not version:
        return Diagnosis(
            Severity.NOTE,
            "the version of the rknpu driver is not known",
            "As root: cat /sys/kernel/debug/rknpu/version; 0.9.8 or newer is wanted.",
        )
    if version < RECOMMENDED_DRIVER:
        bad = Severity.ERROR if version < MINIMUM_DRIVER else Severity.WARNING
        remedy = "Update the kernel to one with rknpu 0.9.8 or newer."
        return Diagnosis(bad, f"rknpu {board.npu_driver} is old", remedy)
    return Diagnosis(Severity.OK, f"rknpu {board.npu_driver}")


def _device(facts: Condition) -> Diagnosis:
    board = facts.board
    if board.platform not in SUPPORTED_SOCS:
        return Diagnosis(Severity.OK, "not needed here")
    if not board.npu_nodes:
        return Diagnosis(
            Severity.ERROR, "neither /dev/rknpu nor a render node of RKNPU", no_device_remedy(board)
        )
    open_ = [str(node.path) for node in board.npu_nodes if node.accessible]
    if open_:
        return Diagnosis(Severity.OK, ", ".join(open_))
    node = board.npu_nodes[0]
    return Diagnosis(
        Severity.ERROR,
        f"no permission on {node.path} (mode {node.mode:04o})",
        "Install systemd/60-rkd.rules into /etc/udev/rules.d, then `udevadm trigger`.",
    )


def _library(facts: Condition) -> Diagnosis:
    board = facts.board
    good = [f"{one.version} {one.path}" for one in board.runtimes if one.problem is None]
    if good:
        return Diagnosis(Severity.OK, ", ".join(good))
    wanted = board.platform in SUPPORTED_SOCS or facts.backend == "npu"
    problem = board.runtimes[0].problem if board.runtimes else npu_obstacle(board)
    if not wanted or problem is None:
        return Diagnosis(Severity.OK, "not needed here")
    message = problem.message if board.runtimes else "librkllmrt.so was not found"
    remedy = problem.remedy if board.runtimes else "Put librkllmrt.so into /usr/lib."
    return Diagnosis(Severity.ERROR, message, remedy)


def _pairings(facts: Condition) -> Diagnosis:
    if facts.stuck:
        return Diagnosis(
            Severity.WARNING,
            _some(facts.stuck),
            "Install another version of librkllmrt.so, or convert the model anew; `rkctl load` "
            "tries what is here again.",
        )
    if facts.unfit:
        return Diagnosis(
            Severity.NOTE,
            _some(facts.unfit),
            "Nothing: another library serves; `rkctl show` has the details, `PARAMETER "
            "rkllm_version` overrides.",
        )
    return Diagnosis(Severity.OK, "every model tried gets on with its library")


def _some(lines: tuple[str, ...]) -> str:
    more = len(lines) - MOST_TOLD
    return "; ".join(lines[:MOST_TOLD]) + (f"; and {more} more" if more > 0 else "")


def _groups(facts: Condition) -> Diagnosis:
    missing = [name for name in ("render", "video") if name not in facts.groups]
    closed = any(not node.accessible for node in facts.board.npu_nodes + facts.board.heap_nodes)
    if not closed or not missing:
        shown = ", ".join(facts.groups) or "none"
        return Diagnosis(Severity.OK, f"the daemon is in {shown}")
    return Diagnosis(
        Severity.WARNING,
        f"the daemon is not in {' and '.join(missing)}, and NPU devices are closed to it",
        "Use the shipped unit (SupplementaryGroups=render video), or `usermod -aG`.",
    )


def _governor(facts: Condition) -> Diagnosis:
    slow, shown = slowness.governors(facts.telemetry)
    return _clocked(slow, shown or "none to see")


def _speed(kind: ClockKind, facts: Condition) -> Diagnosis:
    now, raised = facts.telemetry, facts.clocks_raised
    slow = slowness.slow(kind, now, facts.seen, hot_c=HOT_C, raised=raised)
    return _clocked(slow, slowness.words(kind, now.clocks))


def _heat(facts: Condition) -> Diagnosis:
    return _clocked(slowness.heat(facts.telemetry, HOT_C), "no clock is held back")


def _clocked(slow: Trouble | None, well: str) -> Diagnosis:
    if slow is None:
        return Diagnosis(Severity.OK, well)
    return Diagnosis(Severity.WARNING, slow.message, slow.remedy)


def _temperature(facts: Condition) -> Diagnosis:
    zones = facts.telemetry.temperatures_c
    if not zones:
        return Diagnosis(Severity.OK, "no sensors to see")
    name, degrees = max(zones, key=lambda zone: zone[1])
    if degrees >= HOT_C:
        remedy = "Add a heat sink or a fan: the kernel slows the clocks."
        return Diagnosis(Severity.WARNING, f"{name} is at {degrees:.0f} °C", remedy)
    return Diagnosis(Severity.OK, f"{name} at {degrees:.0f} °C is the warmest")


def _memory(facts: Condition) -> Diagnosis:
    now = facts.telemetry
    text = f"{size(now.memory_available_bytes)} of {size(now.memory_total_bytes)} available"
    if 0 < now.memory_available_bytes < SMALL_MEMORY_BYTES:
        remedy = "Unload models (`rkctl stop`) or end other programs."
        return Diagnosis(Severity.WARNING, text, remedy)
    return Diagnosis(Severity.OK, text)


def _disk(facts: Condition) -> Diagnosis:
    free = facts.models_free_bytes
    text = f"{size(free)} free in {facts.models}"
    if not facts.models_writable:
        return Diagnosis(
            Severity.ERROR,
            f"{facts.models} cannot be written",
            "Give the daemon's user the folder, or set RKD_MODELS to another.",
        )
    if free < facts.disk_reserve_bytes:
        return Diagnosis(Severity.ERROR, text, "Delete models (`rkctl rm`) or files.")
    if free < SMALL_DISK_BYTES:
        return Diagnosis(Severity.WARNING, text, "Larger models will not fit: make room.")
    return Diagnosis(Severity.OK, text)


def _listeners(facts: Condition) -> Diagnosis:
    exposed = [str(one) for one in facts.listen if not one.is_local]
    text = ", ".join(str(one) for one in facts.listen)
    if exposed and facts.insecure and not (facts.has_tls and (facts.tokens or facts.has_client_ca)):
        return Diagnosis(
            Severity.WARNING,
            f"{', '.join(exposed)} is open to the network without TLS or without tokens",
            "Run `rkctl cert init` and `rkctl token create`, and remove `insecure = true`.",
        )
    return Diagnosis(Severity.OK, text)


def _tokens(facts: Condition) -> Diagnosis:
    if facts.tokens is None:
        return Diagnosis(
            Severity.ERROR,
            "the token file cannot be read: nobody gets in over TCP",
            "Give it the daemon's group (0640), or make it anew with `rkctl token create`.",
        )
    if facts.tokens == 0 and facts.wants_tokens:
        return Diagnosis(
            Severity.NOTE,
            "the token file is empty: nobody gets in over TCP",
            "Make one with `rkctl token create`, or delete the file to open loopback.",
        )
    if facts.tokens == 0 and any(not one.socket for one in facts.listen):
        return Diagnosis(
            Severity.NOTE,
            "no tokens: every user of this machine may do everything over loopback",
            "On a shared machine: `rkctl token create --role admin NAME`.",
        )
    return Diagnosis(Severity.OK, f"{facts.tokens} tokens")


def _clock(facts: Condition) -> Diagnosis:
    if facts.now < OLDEST_CLOCK:
        return Diagnosis(
            Severity.ERROR,
            f"the clock says {facts.now:%Y-%m-%d}: certificates and downloads fail",
            "Set it, or enable systemd-timesyncd.",
        )
    return Diagnosis(Severity.OK, f"{facts.now:%Y-%m-%d %H:%M} UTC")


def _files(facts: Condition) -> Diagnosis:
    if facts.open_files < FEW_FILES:
        return Diagnosis(
            Severity.NOTE,
            f"at most {facts.open_files} files may be open",
            "Use the shipped unit (LimitNOFILE), or `ulimit -n 65536`.",
        )
    return Diagnosis(Severity.OK, f"at most {facts.open_files}")


def _engine(facts: Condition) -> Diagnosis:
    if trouble := facts.engine_trouble:
        return Diagnosis(Severity.ERROR, trouble.message, trouble.remedy)
    wheel_is_slow = facts.board.architecture == "aarch64" and "asimddp" in facts.board.cpu.features
    if wheel_is_slow and not facts.native_engine:
        return Diagnosis(
            Severity.NOTE,
            "the packaged CPU engine does not use this processor's dot products",
            "Run `install.sh --native-engine` to build one that does.",
        )
    return Diagnosis(Severity.OK, "native" if facts.native_engine else "packaged")


CHECKS: Final[dict[str, Callable[[Condition], Diagnosis]]] = {
    "soc": _soc,
    "npu-driver": _driver,
    "npu-device": _device,
    "npu-library": _library,
    "npu-models": _pairings,
    "groups": _groups,
    "governor": _governor,
    **{f"clock-{one.name.lower()}": partial(_speed, one) for one in ClockKind},
    "clock-heat": _heat,
    "temperature": _temperature,
    "memory": _memory,
    "disk": _disk,
    "listeners": _listeners,
    "tokens": _tokens,
    "clock": _clock,
    "open-files": _files,
    "cpu-engine": _engine,
}
