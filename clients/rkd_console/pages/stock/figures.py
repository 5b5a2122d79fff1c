"""
Numbers as people read them, the same on every page of models.

Sizes are decimal, as disks, the Hub and rkctl count: 1 GB is 10^9 bytes.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from rkd_client import quantity

_COUNTS: Final = ((10**12, "T"), (10**9, "B"), (10**6, "M"), (10**3, "K"))
_SHORT: Final = 100
NOTHING: Final = "\N{EN DASH}"


def size(count_bytes: float) -> str:
    """Write a number of bytes, `3.1 GB`; nothing known is a dash."""
    if count_bytes <= 0:
        return NOTHING
    value, unit = quantity.scaled(count_bytes)
    return f"{value:.{0 if unit == 'B' or value >= _SHORT else 1}f} {unit}"


def count(number: int) -> str:
    """Write how many, `1.2B`, `45K`; nothing known is a dash."""
    if number <= 0:
        return NOTHING
    for bound, unit in _COUNTS:
        if number >= bound:
            value = number / bound
            return f"{value:.{0 if value >= _SHORT else 1}f}".removesuffix(".0") + unit
    return str(number)


def tally(number: int) -> str:
    """Write how many were counted; none is a 0."""
    return count(number) if number > 0 else "0"


def clock(left_s: float) -> str:
    """Write a time left, `0:07`, `12:30`, `3:04:00`."""
    minutes, seconds = divmod(max(0, round(left_s)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def day(moment: datetime | None) -> str:
    """Write a date, `2026-11-26`; none is a dash."""
    return NOTHING if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%d")
