"""Operations: what the board does or did beside answering; and the log of what happened."""

from __future__ import annotations

from rkd_console.pages.operations.log import Log
from rkd_console.pages.operations.work import Work
from rkd_console.visit import Visit


def build(visit: Visit) -> None:
    """Build the page."""
    Work(visit)
    Log(visit)
