"""Events as the journal takes them."""

from __future__ import annotations

import socket
from contextlib import closing
from pathlib import Path

import pytest
import structlog

from rkd.journal import MAX_FIELD_BYTES, JournalSender, journal_datagram


def test_facts_become_fields() -> None:
    """Event, priority and every fact are fields of their own; the message is for people."""
    data = journal_datagram(
        {"event": "worker.died", "level": "error", "model": "tiny", "signal": 9}, "rkd"
    )

    assert data.decode().splitlines() == [
        "MESSAGE=worker.died model=tiny signal=9",
        "PRIORITY=3",
        "SYSLOG_IDENTIFIER=rkd",
        "RKD_EVENT=worker.died",
        "RKD_MODEL=tiny",
        "RKD_SIGNAL=9",
    ]


def test_values_with_newlines_are_length_prefixed() -> None:
    """A newline cannot forge a field: the value goes with its length."""
    data = journal_datagram({"event": "x", "detail": "a\nPRIORITY=0"}, "rkd")

    assert b"RKD_DETAIL\n" + (12).to_bytes(8, "little") + b"a\nPRIORITY=0\n" in data
    assert data.splitlines().count(b"PRIORITY=0") == 2  # inside both prefixed values alone
    assert b"MESSAGE\n" in data


def test_long_values_are_cut() -> None:
    """One datagram always fits the socket."""
    assert len(journal_datagram({"event": "e" * 10**6}, "rkd")) < 3 * MAX_FIELD_BYTES


def test_a_sent_event_goes_no_further(tmp_path: Path) -> None:
    """What the journal took is not printed as well."""
    address = str(tmp_path / "journal")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
        journal.bind(address)
        with closing(JournalSender(address)) as sender, pytest.raises(structlog.DropEvent):
            sender(None, "info", {"event": "hello", "level": "info"})

        assert journal.recv(4096).startswith(b"MESSAGE=hello\n")


def test_without_a_journal_the_event_is_printed(tmp_path: Path) -> None:
    """When nobody takes the datagram, the event goes on to the next processor."""
    event = {"event": "hello", "level": "info"}

    with closing(JournalSender(str(tmp_path / "nobody"))) as sender:
        assert sender(None, "info", event) == event


def test_a_full_journal_drops_and_counts(tmp_path: Path) -> None:
    """The loop is never blocked; the next line that passes says how many were lost."""
    address = str(tmp_path / "journal")
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal,
        closing(JournalSender(address)) as sender,
    ):
        journal.bind(address)
        journal.settimeout(5)
        sent = 2000  # more than max_dgram_qlen and the buffer hold
        for number in range(sent):
            with pytest.raises(structlog.DropEvent):
                sender(None, "info", {"event": f"line {number}"})
        dropped = sender._dropped
        journal.recv(4096)
        with pytest.raises(structlog.DropEvent):
            sender(None, "info", {"event": "after"})
        kept = sent - dropped
        last = [journal.recv(4096) for _ in range(kept)][-1]

    assert dropped > 0
    assert f"RKD_DROPPED_LINES={dropped}\n".encode() in last
