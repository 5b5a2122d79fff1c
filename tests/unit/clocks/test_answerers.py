"""Who answers, and what follows from it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from rkd.clocks.answerers import IDLE_S, LINGER_S, MOST_ANSWERERS, Answerers, Effects

BOUND_S = 30.0


class Deeds:
    """What the loop did; its time is ours."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.raised = False
        self.refusals = 0
        self.alive = 0

    def raise_all(self) -> None:
        """Governors are up."""
        self.raised = True

    def restore(self) -> bool:
        """Governors are back, after so many refusals."""
        if self.refusals:
            self.refusals -= 1
            return False
        self.raised = False
        return True

    def ping(self) -> None:
        """Count."""
        self.alive += 1


class Room:
    """A loop that is turned by hand, with a socket people connect to."""

    def __init__(self, place: Path) -> None:
        self.place = str(place)
        self.deeds = Deeds()
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(self.place)
        self.listener.listen(64)
        self.told, self.stop = socket.socketpair()
        self.clients: list[socket.socket] = []
        self.loop = self.make(always=False)

    def make(self, *, always: bool) -> Answerers:
        """Make the loop."""
        deeds = self.deeds
        effects = Effects(deeds.raise_all, deeds.restore, deeds.ping, lambda: deeds.now)
        self.loop = Answerers(self.listener, self.stop, effects, always=always)
        return self.loop

    def connect(self) -> socket.socket:
        """Begin to answer."""
        one = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        one.settimeout(BOUND_S)
        one.connect(self.place)
        self.clients.append(one)
        return one

    def settle(self) -> bool:
        """Turn until everything that has happened is seen; tell whether it goes on."""
        return all(self.loop.turn(0) for _ in range(2 * MOST_ANSWERERS + 40))

    def after(self, seconds: float) -> bool:
        """Let time go by; tell whether the loop goes on."""
        self.deeds.now += seconds
        return self.settle()

    def close(self) -> None:
        """End what is open."""
        self.told.send(b"x")
        self.loop.run()
        for one in (self.listener, self.told, self.stop, *self.clients):
            one.close()


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    """A loop."""
    one = Room(tmp_path / "s")
    yield one
    one.close()


def test_up_while_somebody_answers(room: Room) -> None:
    """At once, however long, and down a moment after the last one has ended."""
    one, two = room.connect(), room.connect()
    room.settle()
    assert room.deeds.raised

    one.close()
    room.settle()
    room.after(1000)
    assert room.deeds.raised

    two.close()
    room.settle()
    room.after(LINGER_S - 0.1)
    assert room.deeds.raised
    room.after(0.2)
    assert not room.deeds.raised


def test_the_next_answer_in_the_meantime_keeps_it_up(room: Room) -> None:
    """Turns of a conversation do not make governors dance."""
    for _ in range(5):
        one = room.connect()
        room.settle()
        one.close()
        room.settle()
        room.deeds.refusals = 1000  # a restore would be seen
        room.after(LINGER_S / 2)
    left, room.deeds.refusals = room.deeds.refusals, 0

    assert left == 1000
    assert room.deeds.raised


def test_a_restore_that_fails_is_tried_again(room: Room) -> None:
    """Until it works; the program does not end before."""
    room.connect().close()
    room.settle()
    room.deeds.refusals = 10**6
    assert room.after(2 * IDLE_S)
    assert room.deeds.raised

    room.deeds.refusals = 0
    room.settle()
    assert not room.deeds.raised


def test_always_is_up_without_anybody(room: Room) -> None:
    """Until the end, whoever comes and goes."""
    room.make(always=True)
    room.settle()
    room.connect().close()
    room.settle()

    assert room.after(2 * IDLE_S)
    assert room.deeds.raised


def test_idle_for_long_it_ends(room: Room) -> None:
    """The socket, which is systemd's, starts it again; never with governors up."""
    room.connect().close()
    room.settle()
    assert room.after(IDLE_S - 1)
    assert not room.after(2)
    assert not room.deeds.raised


def test_told_to_stop_it_stops(room: Room) -> None:
    """In the midst of an answer too; putting back is for who called it."""
    room.connect()
    room.settle()
    room.told.send(b"x")

    assert not room.settle()
    assert room.deeds.raised


def test_connections_have_a_bound(room: Room) -> None:
    """Those beyond it are closed; those before stay."""
    many = [room.connect() for _ in range(MOST_ANSWERERS + 8)]
    room.settle()

    assert all(one.recv(1) == b"" for one in many[MOST_ANSWERERS:])
    many[0].setblocking(False)
    with pytest.raises(BlockingIOError):
        many[0].recv(1)


def test_who_speaks_is_none_of_ours(room: Room) -> None:
    """He is closed, and keeps nothing up for longer than anybody else who goes."""
    one = room.connect()
    one.sendall(b"x" * 10000)
    room.settle()
    with pytest.raises(ConnectionError):
        one.sendall(b"x")
    room.after(LINGER_S)

    assert not room.deeds.raised


def test_the_watchdog_hears_of_every_turn(room: Room) -> None:
    """And of none when the loop hangs."""
    before = room.deeds.alive
    room.loop.turn(0)

    assert room.deeds.alive == before + 1
