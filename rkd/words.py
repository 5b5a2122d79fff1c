"""Numbers as people read them."""

from __future__ import annotations


def size(count_bytes: int, *, digits: int = 1) -> str:
    """
    Write a number of bytes in decimal units, as rkctl, disks and the Hub do: `3.1 GB`, `420 MB`.

    *digits* stand behind the point of GB; a sum wants two, so that it is seen to add up.
    """
    if abs(count_bytes) >= 10**9:
        return f"{count_bytes / 10**9:.{digits}f} GB"
    return f"{count_bytes / 10**6:.0f} MB"
