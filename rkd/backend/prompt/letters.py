"""How byte-level vocabularies write bytes: each by one letter that can be printed."""

from __future__ import annotations


def _letters() -> dict[str, int]:
    """Each byte by its letter: itself where it is printed."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    spare = [byte for byte in range(256) if byte not in plain]
    return {chr(one): one for one in plain} | {chr(256 + at): one for at, one in enumerate(spare)}


BYTES = _letters()
"""By letter."""
