"""
Who is next: one bounded queue over all models, fair between clients, in three ageing classes.

Order of two waiters: the more urgent class first, where every `ageing_s` of waiting climbs one
class; in a class the lower tag; then who came first. Tags are fair queueing: a client's next
request is tagged one later than its last, but never before the present turn, so a client with
forty requests and a client with one alternate. The turn moves on with every service, by one once
as many were served as clients wait: whoever else comes, nobody is overtaken for ever.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from rkd.pool.deciding.state import Priority, Waiter

_FEW_CLIENTS = 64
"""So many clients that are not waiting are remembered without a thought."""


class Queue:
    """
    The waiting requests.

    Args:
        limit: most requests waiting at once.
        ageing_s: seconds of waiting worth one class.
    """

    def __init__(self, limit: int, ageing_s: float) -> None:
        self.limit = limit
        self._ageing_s = ageing_s
        self._waiting: dict[int, Waiter] = {}
        self._last_tag: dict[str, float] = {}
        self._turn = 0.0

    def reload(self, limit: int, ageing_s: float) -> None:
        """Go by other numbers; nobody who waits already is sent away."""
        self.limit = limit
        self._ageing_s = ageing_s

    def __len__(self) -> int:
        return len(self._waiting)

    def __contains__(self, ticket: int) -> bool:
        return ticket in self._waiting

    def __iter__(self) -> Iterator[Waiter]:
        """Everybody waiting, in order of arrival."""
        return iter(self._waiting.values())

    @property
    def full(self) -> bool:
        """No further request may wait."""
        return len(self._waiting) >= self.limit

    def join(self, waiter: Waiter) -> None:
        """Put *waiter* in; its tag is set here, once."""
        last = self._last_tag.get(waiter.client, -math.inf)
        waiter.tag = max(self._turn, last + 1)
        self._last_tag[waiter.client] = waiter.tag
        self._waiting[waiter.ticket] = waiter

    def rejoin(self, waiter: Waiter) -> None:
        """Put back one whose worker died, at the place it had."""
        self._waiting[waiter.ticket] = waiter

    def leave(self, ticket: int) -> Waiter | None:
        """Take one out, for whatever reason."""
        return self._waiting.pop(ticket, None)

    def serve(self, waiter: Waiter) -> None:
        """Take one out because its turn has come."""
        clients = {one.client for one in self._waiting.values()}
        del self._waiting[waiter.ticket]
        self._turn = max(self._turn, waiter.tag) + 1 / len(clients)
        if len(self._last_tag) > 2 * len(clients) + _FEW_CLIENTS:
            recent = {who: tag for who, tag in self._last_tag.items() if tag + 1 > self._turn}
            self._last_tag = recent

    def in_order(self, now_s: float) -> list[Waiter]:
        """Everybody waiting, the next one first."""
        return sorted(self._waiting.values(), key=lambda waiter: self._rank(waiter, now_s))

    def _rank(self, waiter: Waiter, now_s: float) -> tuple[int, float, int]:
        climbed = int((now_s - waiter.arrived_s) / self._ageing_s) if self._ageing_s > 0 else 0
        urgency = max(int(Priority.INTERACTIVE), int(waiter.priority) - climbed)
        return urgency, waiter.tag, waiter.ticket
