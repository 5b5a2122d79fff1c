"""A stop signal for blocking work in a thread: seen between steps, and waking what waits."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Iterator


class StoppedError(Exception):
    """The work was asked to stop; never leaves the hub room."""


class StopSign:
    """Set once, from any thread; the work looks at it and its sockets are cut."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._sockets: set[socket.socket] = set()

    def set(self) -> None:
        """Ask the work to stop, and wake a read that is waiting for bytes."""
        with self._lock:
            self._event.set()
            for waiting in self._sockets:
                with contextlib.suppress(OSError):
                    waiting.shutdown(socket.SHUT_RDWR)

    def check(self) -> None:
        """
        Go on, or not.

        Raises:
            StoppedError: a stop was asked for.
        """
        if self._event.is_set():
            raise StoppedError

    def wait(self, seconds: float) -> None:
        """
        Sleep, but not past a stop.

        Raises:
            StoppedError: a stop was asked for.
        """
        self._event.wait(seconds)
        self.check()

    @contextlib.contextmanager
    def cutting(self, connection: socket.socket | None) -> Iterator[None]:
        """Cut *connection*, where there is one to be had, if a stop comes inside the block."""
        if connection is None:
            self.check()
            yield
            return
        # A duplicate: shutting it down ends the connection also under TLS, without touching the
        # reader's own object from another thread.
        double = socket.socket(fileno=os.dup(connection.fileno()))
        with self._lock:
            self._sockets.add(double)
        try:
            self.check()
            yield
        finally:
            with self._lock:
                self._sockets.discard(double)
            double.close()
