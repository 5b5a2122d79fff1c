"""What an error may repeat of a Modelfile: little, and nothing a terminal would act upon."""

from __future__ import annotations

from rkd.outside import shown

MAX_SIGNS = 48
"""At most four bytes each: even with a second one beside it an error stays below 400 bytes."""


def excerpt(text: str) -> str:
    """Return the start of *text*, signs that cannot be printed or sent written as escapes."""
    start = shown(text[:MAX_SIGNS])[:MAX_SIGNS]
    return start + ("…" if len(text) > MAX_SIGNS else "")
