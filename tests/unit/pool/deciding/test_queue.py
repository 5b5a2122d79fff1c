"""Who is next: classes, clients, arrival; and nobody is overtaken for ever."""

from __future__ import annotations

from rkd.pool.deciding.queue import Queue
from rkd.pool.deciding.state import Priority
from tests.unit.pool.fakes import waiter


def served(queue: Queue, count: int, now_s: float = 0.0) -> list[int]:
    """Serve the next ones; their tickets."""
    tickets = []
    for _ in range(count):
        one = queue.in_order(now_s)[0]
        queue.serve(one)
        tickets.append(one.ticket)
    return tickets


def test_one_client_is_served_in_order() -> None:
    """Arrival decides."""
    queue = Queue(99, 30)
    for ticket in range(5):
        queue.join(waiter(ticket, client="a"))
    assert served(queue, 5) == [0, 1, 2, 3, 4]


def test_many_clients_with_one_request_each_are_served_in_order() -> None:
    """Also those who come while others are served."""
    queue = Queue(99, 30)
    for ticket in range(4):
        queue.join(waiter(ticket, client=f"c{ticket}"))
    assert served(queue, 2) == [0, 1]
    for ticket in range(4, 8):
        queue.join(waiter(ticket, client=f"c{ticket}"))
    assert served(queue, 6) == [2, 3, 4, 5, 6, 7]


def test_two_clients_take_turns() -> None:
    """However many the first one sent before the second came."""
    queue = Queue(99, 30)
    for ticket in range(6):
        queue.join(waiter(ticket, client="a"))
    for ticket in range(10, 13):
        queue.join(waiter(ticket, client="b"))
    assert served(queue, 9) == [0, 10, 1, 11, 2, 12, 3, 4, 5]


def test_new_clients_do_not_starve_an_old_one() -> None:
    """A second request waits for a round, not for everybody who will ever come."""
    queue = Queue(99, 30)
    queue.join(waiter(0, client="old"))
    queue.join(waiter(1, client="old"))
    order: list[int] = []
    for ticket in range(2, 12):
        queue.join(waiter(ticket, client=f"new {ticket}"))
        order += served(queue, 1)
    assert 1 in order[:5]


def test_clients_who_left_are_forgotten() -> None:
    """A daemon that has served millions remembers a few."""
    queue = Queue(99, 30)
    for ticket in range(1000):
        queue.join(waiter(ticket, client=f"c{ticket}"))
        served(queue, 1)
    assert len(queue._last_tag) < 100


def test_rejoining_keeps_the_place() -> None:
    """A dead worker's request goes before those behind it."""
    queue = Queue(99, 30)
    first, second = waiter(0, client="a"), waiter(1, client="b")
    queue.join(first)
    queue.serve(first)
    queue.join(second)
    queue.rejoin(first)
    assert served(queue, 2) == [0, 1]


def test_a_class_is_climbed_by_waiting() -> None:
    """Background after sixty seconds equals interactive, and came first."""
    queue = Queue(99, 30)
    queue.join(waiter(0, priority=Priority.BACKGROUND, client="a"))
    queue.join(waiter(1, priority=Priority.INTERACTIVE, client="b", arrived_s=60.0))
    assert [one.ticket for one in queue.in_order(59)] == [1, 0]
    assert [one.ticket for one in queue.in_order(60)] == [0, 1]


def test_leaving() -> None:
    """Out, once; and it says who."""
    queue = Queue(1, 30)
    queue.join(waiter(7))
    assert queue.full
    assert 7 in queue
    assert queue.leave(7) is not None
    assert queue.leave(7) is None
    assert len(queue) == 0


def test_without_ageing_nobody_climbs() -> None:
    """However long they wait; a fraction of a second is an ageing, too."""
    queue = Queue(99, 0)
    queue.join(waiter(0, priority=Priority.BACKGROUND, client="a"))
    queue.join(waiter(1, priority=Priority.NORMAL, client="b", arrived_s=1000.0))
    assert [one.ticket for one in queue.in_order(1000)] == [1, 0]

    queue.reload(99, 0.5)
    assert [one.ticket for one in queue.in_order(1000)] == [0, 1]


def test_the_turn_moves_one_step_for_a_round() -> None:
    """An old client's second request comes after one round of those who came meanwhile."""
    queue = Queue(99, 30)
    queue.join(waiter(0, client="old"))
    queue.join(waiter(1, client="old"))
    order: list[int] = []
    for ticket in range(2, 10):
        queue.join(waiter(ticket, client=f"new {ticket}"))
        order += served(queue, 1)

    assert order == [0, 2, 3, 4, 1, 5, 6, 7]


def test_a_crowd_does_not_make_the_queue_forget_who_was_just_served() -> None:
    """Only tags that no longer matter are dropped: the next request of a flood waits its turn."""
    queue = Queue(999, 30)
    for ticket in range(200):
        queue.join(waiter(ticket, client=f"c{ticket}"))
        served(queue, 1)
    queue.join(waiter(1001, client="flood"))
    queue.join(waiter(1002, client="other"))
    assert served(queue, 1) == [1001]
    queue.join(waiter(1003, client="flood"))
    queue.join(waiter(1004, client="third"))

    assert served(queue, 3) == [1002, 1004, 1003]


def test_who_is_forgotten_had_no_place_to_lose() -> None:
    """A client that was served more than its share lately is remembered when others are not."""
    queue = Queue(99, 30)
    for ticket in range(2):
        queue.join(waiter(ticket, client="busy"))
        queue.leave(ticket)
    for ticket in range(10, 80):
        queue.join(waiter(ticket, client=f"c{ticket}"))
    for ticket in range(11, 80):
        queue.leave(ticket)
    served(queue, 1)
    assert set(queue._last_tag) == {"busy"}

    queue.join(waiter(100, client="busy"))
    queue.join(waiter(101, client="new"))
    assert served(queue, 2) == [101, 100]


def test_without_ageing_a_class_is_for_ever() -> None:
    """Nobody climbs, from the start; half a second is a time, too."""
    for ageing_s, order in ((0.0, [1, 0]), (0.5, [0, 1])):
        queue = Queue(99, ageing_s)
        queue.join(waiter(0, priority=Priority.NORMAL))
        queue.join(waiter(1, priority=Priority.INTERACTIVE, arrived_s=0.9))
        assert [one.ticket for one in queue.in_order(0.9)] == order
