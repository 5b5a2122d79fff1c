"""The journal's native protocol: events as fields that `journalctl` can select by."""

from __future__ import annotations

import re
import socket
from typing import Final

import structlog
from structlog.typing import EventDict, WrappedLogger

JOURNAL_SOCKET: Final = "/run/systemd/journal/socket"
"""**Source:** systemd.journal-fields(7), the native protocol."""

MAX_FIELD_BYTES: Final = 32 * 1024
"""Longer values are cut: one datagram must fit the socket's buffer (212,992 bytes by default)."""

PRIORITIES: Final = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}
"""syslog levels, **source:** syslog(3)."""


class JournalSender:
    """
    Send each event to journald as fields (`RKD_MODEL=…`), so that `journalctl` can select by them.

    A full journal never blocks the loop: the line is dropped and the next one says how many were.
    """

    def __init__(self, address: str, identifier: str = "rkd") -> None:
        self._address = address
        self._identifier = identifier
        self._dropped = 0
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._socket.setblocking(False)

    def close(self) -> None:
        """Close the socket; what comes later is printed."""
        self._socket.close()

    def __call__(self, _: WrappedLogger, __: str, event: EventDict) -> EventDict:
        """Send *event*; when journald is gone, pass it on to be printed instead."""
        if self._dropped:
            event["dropped_lines"] = self._dropped
        try:
            self._socket.sendto(journal_datagram(event, self._identifier), self._address)
        except BlockingIOError:
            self._dropped += 1
        except OSError:
            return event
        else:
            self._dropped = 0
        raise structlog.DropEvent


def journal_datagram(event: EventDict, identifier: str) -> bytes:
    """Render *event* in the journal's native protocol."""
    facts = {key: str(value) for key, value in event.items() if key not in {"event", "level"}}
    name = str(event.get("event", ""))
    fields = {
        "MESSAGE": " ".join([name, *(f"{key}={value}" for key, value in facts.items())]),
        "PRIORITY": str(PRIORITIES.get(str(event.get("level")), 6)),
        "SYSLOG_IDENTIFIER": identifier,
        "RKD_EVENT": name,
        **{f"RKD_{re.sub(r'[^A-Z0-9_]', '_', key.upper())}": facts[key] for key in facts},
    }
    return b"".join(_field(key, value) for key, value in fields.items())


def _field(key: str, value: str) -> bytes:
    data = value.encode(errors="replace")[:MAX_FIELD_BYTES]
    if b"\n" in data:
        return key.encode() + b"\n" + len(data).to_bytes(8, "little") + data + b"\n"
    return key.encode() + b"=" + data + b"\n"
