"""
What the clocks do while models answer; and whoever raises them is told that one does.

An idle board's clocks are low, and that is no fault: only what is seen during an answer tells
whether they go up. `rkd-clocks` (`rkd/clocks/`) learns that somebody answers from a connection to
its socket that is there as long: nothing is said over it, and when the daemon dies the kernel
closes it.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from rkd.board.facts import Clock
from rkd.telemetry.meters import Meters

LOOK_S: Final = 1.0
"""How often a connection that was lost is tried again, and at first looked at the clocks."""

ENOUGH_LOOKS: Final = 2
"""Before it nothing is judged: a governor may take a moment to go up."""

SELDOM: Final = 10
"""After them every so many times only: a look costs a millisecond, as much as a token."""

STALLED_S: Final = 60.0
"""An answer of which no token came for so long is none: its reader sleeps."""

RAISER: Final = "run/rkd-clocks/answering"
"""Where `rkd-clocks.socket` listens, below the root."""


@dataclass(frozen=True, slots=True)
class AnsweringClocks:
    """
    What was seen of the clocks while models answered.

    Args:
        highest_hz: by name of the clock.
        npu: one of them ran on the NPU.
    """

    highest_hz: dict[str, int] = field(default_factory=dict)
    npu: bool = False

    def with_look(self, clocks: tuple[Clock, ...], *, npu: bool) -> AnsweringClocks:
        """Return this and one look more."""
        now = {one.name: one.frequency_hz for one in clocks if one.frequency_hz is not None}
        joined = {name: max(hz, self.highest_hz.get(name, 0)) for name, hz in now.items()}
        return AnsweringClocks(self.highest_hz | joined, self.npu or npu)


class RaiserLine:
    """A connection to whoever raises the clocks, while there is one; never waits, never raises."""

    def __init__(self, path: Path) -> None:
        self._path = str(path)
        self._connection: socket.socket | None = None

    def hold(self) -> None:
        """Connect where nothing is connected; nobody may be there, now or ever."""
        if self._connection is not None and _is_open(self._connection):
            return
        self.let_go()
        one = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            one.connect(self._path)
        except OSError:  # not there, no right, its queue is full, a path too long for a socket
            one.close()
        else:
            self._connection = one

    def let_go(self) -> None:
        """Close it."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def __enter__(self) -> Self:
        self.hold()
        return self

    def __exit__(self, *_: object) -> None:
        self.let_go()


def _is_open(connection: socket.socket) -> bool:
    try:
        return bool(connection.recv(1))
    except BlockingIOError:
        return True
    except OSError:
        return False


class Answering:
    """
    Look at the clocks while models answer; one task of the daemon's runs `run`.

    Args:
        meters: know who is answered.
        read: reads the clocks; may block for milliseconds, so it runs on a thread.
        npu_runs: tells whether a model answers on the NPU now.
        raiser: the socket of whoever raises the clocks.
    """

    def __init__(
        self,
        meters: Meters,
        read: Callable[[], tuple[Clock, ...]],
        npu_runs: Callable[[], bool],
        raiser: Path,
        look_s: float = LOOK_S,
    ) -> None:
        self._meters = meters
        self._read = read
        self._npu_runs = npu_runs
        self._raiser = raiser
        self._look_s = look_s
        self.seen: AnsweringClocks | None = None
        """Of the last answer that lasted long enough."""

    async def run(self) -> None:
        """Go on for ever."""
        while True:
            await self._meters.begun.wait()
            with RaiserLine(self._raiser) as held:
                await self._watch(held)
            self._meters.begun.clear()

    async def _watch(self, held: RaiserLine) -> None:
        seen, times = AnsweringClocks(), 0
        while self._meters.streams:
            await asyncio.sleep(self._look_s)
            if all(one.stalled(STALLED_S) for one in self._meters.streams.values()):
                held.let_go()
                continue
            held.hold()
            # a model that loads or waits computes nothing yet
            if not any(one.view().tokens_per_s for one in self._meters.streams.values()):
                continue
            times += 1
            if times > ENOUGH_LOOKS and times % SELDOM:
                continue
            npu = self._npu_runs()
            seen = seen.with_look(await asyncio.to_thread(self._read), npu=npu)
            if times >= ENOUGH_LOOKS:
                self.seen = seen
