"""Signs of life of a worker: asked for while it owes an answer, and never while it is idle."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

PING_S = 5.0
MISSES = 6
"""
Pings in a row without any word, so 30 s: then it counts as hung. Only its reading thread has to
answer, in microseconds; what keeps it from that is a stop (SIGSTOP, a debugger) or code that does
not let go of the interpreter (one comparison of a template). Counted in pings and not in time:
when the whole machine slept, one ping is late and not six.
"""


class Pulse:
    """
    Watches one worker; lives on the event loop's thread.

    Args:
        ping: asks for a sign of life.
        busy: whether the worker owes anything.
        lapse: called once, when it has given no sign for too long.
    """

    def __init__(
        self, ping: Callable[[], None], busy: Callable[[], bool], lapse: Callable[[], None]
    ) -> None:
        self._ping = ping
        self._busy = busy
        self._lapse = lapse
        self._misses = 0
        self._timer: asyncio.TimerHandle | None = None

    def watch(self) -> None:
        """Something is asked of the worker from now on."""
        if self._timer is None:
            self._misses = 0
            self._arm()

    def heard(self) -> None:
        """It said something."""
        self._misses = 0

    def stop(self) -> None:
        """It is gone."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(PING_S, self._tick)

    def _tick(self) -> None:
        self._timer = None
        if not self._busy():
            return
        if self._misses >= MISSES:
            self._lapse()
            return
        self._misses += 1
        self._ping()
        self._arm()
