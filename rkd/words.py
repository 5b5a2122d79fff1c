"""Numbers as people read them."""

from __future__ import annotations

_MIB = 1 << 20
_GIB = 1 << 30


def size(count_bytes: int, *, digits: int = 1) -> str:
    """
    Write a number of bytes in binary units, as memory is counted: `3.1 GiB`, `420 MiB`.

    *digits* stand behind the point of GiB; a sum wants two, so that it is seen to add up.
    """
    if abs(count_bytes) >= _GIB:
        return f"{count_bytes / _GIB:.{digits}f} GiB"
    return f"{count_bytes / _MIB:.0f} MiB"
