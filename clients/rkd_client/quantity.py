"""Numbers as people read them: sizes, counts, lengths of time."""

from __future__ import annotations

_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


def scaled(count_bytes: float) -> tuple[float, str]:
    """Return a size in the decimal unit people say it in: 93.04 and `MB`."""
    value, unit = float(count_bytes), 0
    while value >= 999.5 and unit < len(_UNITS) - 1:  # noqa: PLR2004 - what would round to 1000
        value, unit = value / 1000, unit + 1
    return value, _UNITS[unit]


def size(count_bytes: int) -> str:
    """Return a size in decimal units with three digits: `93.0 MB`; `-` for none known."""
    if count_bytes <= 0:
        return "-"
    value, unit = scaled(count_bytes)
    return f"{count_bytes} B" if unit == "B" else f"{value:#.3g}".rstrip(".") + f" {unit}"


def count(number: int) -> str:
    """Return a number of parameters or downloads: `135M`, `1.5B`; `-` for none known."""
    if number <= 0:
        return "-"
    for limit, unit in ((10**12, "T"), (10**9, "B"), (10**6, "M"), (10**3, "k")):
        if number >= limit:
            return f"{number / limit:.3g}{unit}"
    return str(number)


def seconds(value_s: float) -> str:
    """Return a length of time: `12 ms`, `3.4 s`, `5m 10s`, `2h 03m`, `3d 4h`."""
    if value_s < 1:
        return f"{value_s * 1000:.0f} ms"
    if value_s < 60:  # noqa: PLR2004 - a minute
        return f"{value_s:.3g} s" if value_s < 9.95 else f"{value_s:.0f} s"  # noqa: PLR2004
    minutes, rest = divmod(round(value_s), 60)
    if minutes < 60:  # noqa: PLR2004 - an hour
        return f"{minutes}m {rest:02}s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h {minutes:02}m" if hours < 48 else f"{hours // 24}d {hours % 24}h"  # noqa: PLR2004
