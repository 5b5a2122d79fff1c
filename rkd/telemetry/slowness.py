"""
Why a clock is slower than it could be: clocks in, what is wrong and what to do out. Pure.

A low clock alone is no fault: under `ondemand` an idle board is slow by design. Judged is what it
may become (limit, governor) and what it was seen at while a model answered.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from rkd.board.clocks import FASTEST, NEARLY, layout_of
from rkd.board.facts import Clock, ClockKind, Telemetry
from rkd.board.telemetry import SLOW_GOVERNORS
from rkd.telemetry.answering import AnsweringClocks
from rkd.telemetry.finding import Trouble

FAST: Final = 0.8
"""Of the fastest cluster's end others count as fast too: on an RK3588 2304 and 2352, not 1800."""

BY_SERVICE: Final = (
    "Run `sudo ./install.sh --clocks`, or with the package `sudo systemctl enable --now "
    "rkd-clocks.socket`: rkd-clocks raises the governors while a model answers."
)


def governors(now: Telemetry) -> tuple[Trouble | None, str]:
    """Tell which governors never go up, and all of them in words."""
    clocks = (("NPU", now.npu_governor), ("CPU", now.cpu_governor), ("DDR", now.ddr_governor))
    shown = ", ".join(f"{what} {governor}" for what, governor in clocks if governor)
    slow = [f"{what} {governor}" for what, governor in clocks if governor in SLOW_GOVERNORS]
    if not slow:
        return None, shown
    return Trouble(f"clocks are held low: {', '.join(slow)}", BY_SERVICE), shown


def heat(now: Telemetry, hot_c: float) -> Trouble | None:
    """Tell which clocks may not go up because something is too hot."""
    held = [one for one in now.clocks if _held_by_heat(one, now, hot_c)]
    if not held:
        return None
    zone, degrees = max(now.temperatures_c, key=lambda one: one[1], default=("", 0.0))
    at = f"; {zone} is at {degrees:.0f} °C" if zone else ""
    told = ", ".join(f"{one.name} at {_mhz(one.limit_hz)} of {range_(one)}" for one in held)
    return Trouble(f"heat holds back {told}{at}", "Add a heat sink or a fan, and let air to it.")


def slow(
    kind: ClockKind, now: Telemetry, seen: AnsweringClocks | None, *, hot_c: float, raised: bool
) -> Trouble | None:
    """
    Tell why the clocks of *kind* are slower than they could be, but for heat and for `governors`.

    Args:
        kind: which of them.
        now: the board as it is.
        seen: of the last answer.
        hot_c: from this on a limit is taken for the heat's, also where no cooling device says so:
            Rockchip's system monitor has none. **Source:** rockchip_system_monitor.c.
        raised: rkd-clocks is installed.
    """
    mine = [one for one in now.clocks if one.kind is kind]
    top = max((one.highest_hz or 0 for one in mine), default=0)
    found = [
        wrong
        for one in mine
        if not _held_by_heat(one, now, hot_c) and one.governor not in SLOW_GOVERNORS
        for wrong in [
            _limited(one) or _fixed(one) or _lazy(one, seen, fast=top * FAST, raised=raised)
        ]
        if wrong is not None
    ]
    if not found:
        return None
    return Trouble("; ".join(one.message for one in found), found[0].remedy)


def words(kind: ClockKind, clocks: Iterable[Clock]) -> str:
    """Tell of those of *clocks* that are of *kind*, which all is well with."""
    told = (f"{one.name} up to {range_(one)}" for one in clocks if one.kind is kind)
    return ", ".join(told) or "none to see"


def range_(clock: Clock) -> str:
    """Tell what the hardware can."""
    return f"{_mhz(clock.highest_hz or clock.limit_hz or clock.frequency_hz)} MHz"


def _mhz(hz: int | None) -> str:
    return f"{(hz or 0) / 1e6:.0f}"


def _held_by_heat(clock: Clock, now: Telemetry, hot_c: float) -> bool:
    warmest = max((degrees for _, degrees in now.temperatures_c), default=0.0)
    return clock.cooled or (_limited(clock) is not None and warmest >= hot_c)


def _limited(clock: Clock) -> Trouble | None:
    if clock.limit_hz is None or clock.highest_hz is None:
        return None
    if clock.limit_hz >= clock.highest_hz * NEARLY:
        return None
    layout = layout_of(clock.kind)
    return Trouble(
        f"{clock.name} may go up to {_mhz(clock.limit_hz)} of {range_(clock)} only",
        f"As root: `echo {clock.highest_hz // layout.unit_hz} > /{clock.folder}/{layout.limit}`.",
    )


def _fixed(clock: Clock) -> Trouble | None:
    """`userspace` leaves the choice to whoever wrote last, and nobody may write again."""
    top = clock.limit_hz or clock.highest_hz
    if clock.governor != "userspace" or top is None or clock.frequency_hz is None:
        return None
    if clock.frequency_hz >= top * NEARLY:
        return None
    at = _mhz(clock.frequency_hz)
    return Trouble(f"{clock.name} is fixed at {at} of {range_(clock)} (userspace)", BY_SERVICE)


def _lazy(
    clock: Clock, seen: AnsweringClocks | None, *, fast: float, raised: bool
) -> Trouble | None:
    top = clock.limit_hz or clock.highest_hz
    at = seen.highest_hz.get(clock.name) if seen is not None else None
    if top is None or at is None or at >= top * NEARLY:
        return None
    if clock.kind is ClockKind.NPU and not (seen and seen.npu):
        return None  # the CPU answered
    if (clock.highest_hz or top) < fast:
        return None  # the engines run on the fast cores
    layout = layout_of(clock.kind)
    if clock.governors and FASTEST not in clock.governors:
        remedy = f"As root: `echo {top // layout.unit_hz} > /{clock.folder}/{layout.lowest}`."
    elif raised:
        remedy = "See `journalctl -u rkd-clocks`: it is installed, and this clock stayed low."
    else:
        remedy = BY_SERVICE
    message = f"{clock.name} was at {_mhz(at)} of {range_(clock)} while a model answered"
    return Trouble(f"{message} ({clock.governor or 'no governor told'})", remedy)
