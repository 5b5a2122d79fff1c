"""
Who answers now: every connection to our socket is a daemon in the midst of an answer.

Nothing is read from them and nothing written; the kernel closes those of a daemon that dies.
"""

from __future__ import annotations

import selectors
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

MOST_ANSWERERS: Final = 32
"""More connections than daemons a board can hold; further ones are closed at once."""

LINGER_S: Final = 3.0
"""Governors stay up for so long after an answer: the next turn of a conversation is near."""

IDLE_S: Final = 300.0
"""Without an answer for so long the program ends; the socket starts it again."""

TICK_S: Final = 10.0
"""So often the watchdog is pinged, and clocks are looked for that came later."""


@dataclass(frozen=True, slots=True)
class Effects:
    """What the loop does to the world."""

    raise_all: Callable[[], None]
    restore: Callable[[], bool]
    alive: Callable[[], object]
    clock: Callable[[], float]


class Answerers:
    """
    The loop.

    Args:
        listener: our socket, already listening; None where nobody can tell.
        stop: readable once the program is told to end.
        always: governors stay up until the end, whoever answers.
    """

    def __init__(
        self,
        listener: socket.socket | None,
        stop: socket.socket,
        effects: Effects,
        *,
        always: bool,
    ) -> None:
        self._listener = listener
        self._stop = stop
        self._effects = effects
        self._always = always
        self._open: set[socket.socket] = set()
        self._raised = False
        self._quiet_since_s = effects.clock()
        self._selector = selectors.DefaultSelector()
        self._selector.register(stop, selectors.EVENT_READ)
        if listener is not None:
            listener.setblocking(False)
            self._selector.register(listener, selectors.EVENT_READ)

    def run(self) -> None:
        """Go on until told to stop, or idle; the governors are not put back here at the end."""
        try:
            while self.turn():
                pass
        finally:
            self._selector.close()
            for connection in self._open:
                connection.close()

    def turn(self, longest_s: float = TICK_S) -> bool:
        """Decide, and wait for what happens next, at most *longest_s*; False when it is the end."""
        quiet_s = self._effects.clock() - self._quiet_since_s
        if self._always or self._open:
            self._raised = True
            self._effects.raise_all()
        elif self._raised and quiet_s >= LINGER_S:
            self._raised = not self._effects.restore()
        elif not self._raised and quiet_s >= IDLE_S:
            return False
        self._effects.alive()
        lingers = self._raised and not (self._always or self._open) and quiet_s < LINGER_S
        return self._wait(min(longest_s, LINGER_S - quiet_s) if lingers else longest_s)

    def _wait(self, longest_s: float) -> bool:
        for key, _ in self._selector.select(longest_s):
            if key.fileobj is self._stop:
                return False
            if key.fileobj is self._listener:
                self._accept(self._listener)
            elif isinstance(key.fileobj, socket.socket):
                self._close(key.fileobj)
        return True

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):  # who connected is gone again
            connection, _ = listener.accept()
            if len(self._open) >= MOST_ANSWERERS:
                connection.close()
                return
            connection.setblocking(False)
            self._open.add(connection)
            self._selector.register(connection, selectors.EVENT_READ)

    def _close(self, connection: socket.socket) -> None:
        """End one that ended; one that speaks is none of ours, and ends as well."""
        self._selector.unregister(connection)
        self._open.discard(connection)
        connection.close()
        self._quiet_since_s = self._effects.clock()
