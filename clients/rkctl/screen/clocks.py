"""Clocks in words and numbers."""

from __future__ import annotations

from collections.abc import Iterable

from rkd.v1 import system_pb2 as pb


def mhz(hz: int) -> str:
    """Return `2112`; `?` where nothing is known."""
    return f"{hz / 1e6:.0f}" if hz else "?"


def in_words(clock: pb.Clock) -> str:
    """Return `ddr 528 of 2112 MHz, dmc_ondemand`, and what holds it back."""
    told = [f"{clock.name} {mhz(clock.frequency_hz)} of {mhz(clock.highest_hz)} MHz"]
    if clock.governor:
        told.append(clock.governor)
    if clock.limit_hz and clock.limit_hz < clock.highest_hz:
        why = "held back by heat" if clock.cooled else "limited"
        told.append(f"{why} to {mhz(clock.limit_hz)}")
    if clock.answering_hz:
        told.append(f"{mhz(clock.answering_hz)} while a model answered")
    return ", ".join(told)


def now(clocks: Iterable[pb.Clock], kind: int) -> str:
    """Return the clocks of *kind* as they are, `1800 2352 2304 MHz`; empty where none is told."""
    mine = [one for one in clocks if one.kind == kind]
    held = " (hot)" if any(one.cooled for one in mine) else ""
    return f"{' '.join(mhz(one.frequency_hz) for one in mine)} MHz{held}" if mine else ""


def part(clocks: Iterable[pb.Clock], kind: int) -> float | None:
    """Return where in its range the first clock of *kind* is, 0 to 1; None where not told."""
    first = next((one for one in clocks if one.kind == kind), None)
    if first is None or not first.highest_hz or not first.frequency_hz:
        return None
    return first.frequency_hz / first.highest_hz
