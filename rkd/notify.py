"""
Telling systemd how the daemon is: readiness, reload, stop and the watchdog, over NOTIFY_SOCKET.

No package does this for us: the maintained one needs a newer glibc than some boards have, and
the protocol is one datagram. **Source:** sd_notify(3), sd_watchdog_enabled(3).
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Mapping

MAX_CHARACTERS = 4096
"""Longest datagram; a status is one line for people."""


class Notifier:
    """
    Send state to the service manager; without one every call does nothing.

    Args:
        address: NOTIFY_SOCKET; a leading `@` means the abstract namespace.
    """

    def __init__(self, address: str | None) -> None:
        self._address = "\0" + address[1:] if address and address[0] == "@" else address

    def send(self, *lines: str) -> bool:
        """Send `KEY=value` lines as one datagram, if at once; False when nobody listens."""
        if not self._address:
            return False
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            data = "\n".join(" ".join(line.splitlines()) for line in lines)
            try:
                # Not waited for: a manager that does not read must not stop the loop.
                sender.sendto(
                    data[:MAX_CHARACTERS].encode(errors="backslashreplace"),
                    socket.MSG_DONTWAIT,
                    self._address,
                )
            except OSError:
                return False  # a manager that went away is no reason to stop serving
        return True

    def ready(self, status: str) -> None:
        """Say that requests are served from now on."""
        self.send("READY=1", f"STATUS={status}")

    def reloading(self) -> None:
        """Say that the configuration is read again; `ready` ends it."""
        microseconds = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self.send("RELOADING=1", f"MONOTONIC_USEC={microseconds}")

    def stopping(self, status: str, *, within_s: float | None = None) -> None:
        """Say that the stop has begun, and how long it may take, be it beyond TimeoutStopSec."""
        longest = [] if within_s is None else [f"EXTEND_TIMEOUT_USEC={int(within_s * 1e6)}"]
        self.send("STOPPING=1", f"STATUS={status}", *longest)

    def status(self, text: str) -> None:
        """Set the line `systemctl status` shows."""
        self.send(f"STATUS={text}")


def watchdog_interval_s(environ: Mapping[str, str], pid: int | None = None) -> float | None:
    """
    Tell how often to ping: half of WATCHDOG_USEC, or None when this process is not watched.

    WATCHDOG_PID names whom the manager watches; a child that inherited the variables is not it.
    """
    text = environ.get("WATCHDOG_USEC", "")
    watched = environ.get("WATCHDOG_PID", "")
    if not text.isdigit() or int(text) == 0:
        return None
    if watched and watched != str(os.getpid() if pid is None else pid):
        return None
    return int(text) / 2_000_000


async def ping_watchdog(notifier: Notifier, interval_s: float) -> None:
    """
    Ping for ever, from the event loop itself: a thread would report a hung loop as alive.

    Owned by the daemon, which cancels it as the last task of its stop.
    """
    while True:
        notifier.send("WATCHDOG=1")
        await asyncio.sleep(interval_s)
