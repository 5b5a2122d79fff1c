"""What the service manager is told."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Self

from rkd.notify import MAX_CHARACTERS, Notifier, ping_watchdog, watchdog_interval_s


class FakeManager:
    """A service manager's notification socket."""

    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.socket.settimeout(5)

    def heard(self) -> list[str]:
        """Return the lines of the next datagram."""
        return self.socket.recv(4096).decode().splitlines()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()


def test_ready_and_stopping_carry_a_status(tmp_path: Path) -> None:
    """READY and STOPPING come with the line that systemctl status shows."""
    address = str(tmp_path / "notify")
    with FakeManager(address) as manager:
        Notifier(address).ready("2 models")
        Notifier(address).stopping("draining")
        Notifier(address).stopping("draining", within_s=72)

        assert manager.heard() == ["READY=1", "STATUS=2 models"]
        assert manager.heard() == ["STOPPING=1", "STATUS=draining"]
        assert manager.heard()[2:] == ["EXTEND_TIMEOUT_USEC=72000000"]


def test_reloading_carries_the_monotonic_clock(tmp_path: Path) -> None:
    """RELOADING comes with microseconds of the monotonic clock, as notify-reload wants it."""
    address = str(tmp_path / "notify")
    with FakeManager(address) as manager:
        Notifier(address).reloading()
        first, second = manager.heard()

    assert first == "RELOADING=1"
    assert int(second.removeprefix("MONOTONIC_USEC=")) > 0


def test_an_abstract_address_is_understood() -> None:
    """A leading @ names the abstract namespace."""
    with FakeManager("\0rkd-test-notify") as manager:
        Notifier("@rkd-test-notify").status("hello")

        assert manager.heard() == ["STATUS=hello"]


def test_a_status_is_one_line_whatever_it_quotes(tmp_path: Path) -> None:
    """No text of others becomes a variable of its own, and none is too long or no UTF-8."""
    address = str(tmp_path / "notify")
    with FakeManager(address) as manager:
        assert Notifier(address).send("STATUS=" + "wrong:\nMAINPID=1\r\n\udce9")
        assert Notifier(address).send("STATUS=" + "x" * 100_000)

        assert manager.heard() == ["STATUS=wrong: MAINPID=1 \\udce9"]
        assert len(manager.heard()[0]) == MAX_CHARACTERS


def test_a_manager_that_does_not_read_stops_nobody(tmp_path: Path) -> None:
    """Its socket is full: the line is lost, and the loop goes on."""
    address = str(tmp_path / "notify")
    with FakeManager(address):
        sent = [Notifier(address).send("x" * 4000) for _ in range(1000)]

    assert sent[0]
    assert not sent[-1]


def test_without_a_manager_nothing_happens(tmp_path: Path) -> None:
    """No address, or one where nobody listens, is not an error."""
    assert Notifier(None).send("READY=1") is False
    assert Notifier(str(tmp_path / "nobody")).send("READY=1") is False


def test_the_watchdog_interval_is_half_of_the_limit() -> None:
    """WATCHDOG_USEC is halved, and counts only for the process it names."""
    assert watchdog_interval_s({"WATCHDOG_USEC": "30000000"}) == 15
    assert watchdog_interval_s({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "7"}, pid=7) == 15
    assert watchdog_interval_s({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "8"}, pid=7) is None
    assert watchdog_interval_s({}) is None
    assert watchdog_interval_s({"WATCHDOG_USEC": "0"}) is None


async def test_the_watchdog_is_pinged_again_and_again(tmp_path: Path) -> None:
    """Pings come from the loop until the task is cancelled."""
    address = str(tmp_path / "notify")
    with FakeManager(address) as manager:
        pinging = asyncio.create_task(ping_watchdog(Notifier(address), 0.001))
        heard = [await asyncio.to_thread(manager.heard) for _ in range(3)]
        pinging.cancel()

    assert heard == [["WATCHDOG=1"]] * 3
