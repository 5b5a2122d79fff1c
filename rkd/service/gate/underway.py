"""
Calls under way, and a daemon that takes no more of them: it stays, and says so, until they ended.

A proxy in front of several boards sees NOT_SERVING on a listener that still answers, and need not
choose between killing what runs and waiting for a board that hangs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from rkd.errors import Reason, UnavailableError

STILL_TAKEN: Final = frozenset(
    {
        "/rkd.v1.InferenceService/Cancel",
        "/rkd.v1.PoolService/ListResident",
        "/rkd.v1.SystemService/GetStatus",
    }
)
"""What may be asked of a board that drains: what still runs there, and that it ends."""

AGAIN_S: Final = 2.0
"""When a call that was refused may find this board back; another one takes it at once."""


class UnderWay:
    """How many calls are under way; on the event loop's thread."""

    def __init__(self) -> None:
        self._count = 0
        self._refusing = False
        self._idle = asyncio.Event()
        self._idle.set()

    def refuse(self) -> None:
        """Take no more of them from now on."""
        self._refusing = True

    @contextmanager
    def one(self, method: str) -> Iterator[None]:
        """
        Count a call of *method*.

        Raises:
            UnavailableError: SHUTTING_DOWN.
        """
        if self._refusing and method not in STILL_TAKEN:
            raise UnavailableError(
                Reason.SHUTTING_DOWN,
                "rkd is stopping: it finishes what runs and takes nothing new.",
                remedy="Ask another board, or try again when it is back.",
                retry_after_s=AGAIN_S,
            )
        self._count += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._count -= 1
            if not self._count:
                self._idle.set()

    async def ended(self, within_s: float) -> bool:
        """Wait until none is under way, at most *within_s*; whether that is so."""
        try:
            async with asyncio.timeout(within_s):
                await self._idle.wait()
        except TimeoutError:
            return False
        return True
