"""Looking at the board while it is measured: the status, again and again, beside the answers."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Self

from rkd_client.errors import RkdError

from rkd.v1 import system_pb2 as pb

LOOK_S: Final = 0.5


@dataclass(slots=True)
class Seen:
    """
    What was seen of a board.

    Args:
        before: its status before anything was measured; None where it may not be asked.
        highest_hz: of each clock, by name.
        cooled: clocks that were held back by heat at any look.
        warmest_c: 0 where there are no sensors.
        streams: most answers under way at once.
        looks: how many there were.
    """

    before: pb.GetStatusResponse | None = None
    highest_hz: dict[str, int] = field(default_factory=dict)
    cooled: set[str] = field(default_factory=set)
    warmest_c: float = 0.0
    streams: int = 0
    looks: int = 0

    def add(self, now: pb.GetStatusResponse) -> None:
        """Add one look."""
        self.looks += 1
        self.streams = max(self.streams, len(now.streams))
        self.warmest_c = max((self.warmest_c, *(one.celsius for one in now.temperatures)))
        for clock in now.clocks:
            at = max(self.highest_hz.get(clock.name, 0), clock.frequency_hz)
            self.highest_hz[clock.name] = at
            if clock.cooled:
                self.cooled.add(clock.name)


class Looking:
    """
    A thread that looks while the block runs; what fails is not seen, and nothing else.

    Args:
        status: asks for the status.
    """

    def __init__(self, status: Callable[[], pb.GetStatusResponse]) -> None:
        self._status = status
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self.seen = Seen()
        try:
            self.seen.before = status()
        except RkdError:
            self._stop.set()  # it may not be asked: not now, and not later

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._stop.wait(LOOK_S):
            try:
                self.seen.add(self._status())
            except RkdError:
                return
