"""
Who is next: one bounded queue over all models, fair between clients, in three ageing classes.

Order of two waiters: the more urgent class first, where every `ageing_s` of waiting climbs one
class; in a class the lower tag; then who came first. Tags are start-time fair queueing: a client's
next request is tagged one later than its last, but never before the one being served, so a client
with forty requests and a client with one take turns, and nobody can be overtaken for ever.
"""

from __future__ import annotations

from collections.abc import Iterator

from rkd.pool.state import Priority, Waiter


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
        self._last_tag: dict[str, int] = {}
        self._served_tag = 0

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
        last = self._last_tag.get(waiter.client, self._served_tag - 1)
        waiter.tag = max(self._served_tag, last + 1)
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
        del self._waiting[waiter.ticket]
        if waiter.tag > self._served_tag:
            self._served_tag = waiter.tag
            stale = [who for who, tag in self._last_tag.items() if tag < waiter.tag]
            for who in stale:
                del self._last_tag[who]

    def in_order(self, now_s: float) -> list[Waiter]:
        """Everybody waiting, the next one first."""
        return sorted(self._waiting.values(), key=lambda waiter: self._rank(waiter, now_s))

    def _rank(self, waiter: Waiter, now_s: float) -> tuple[int, int, int]:
        climbed = int((now_s - waiter.arrived_s) / self._ageing_s) if self._ageing_s > 0 else 0
        urgency = max(int(Priority.INTERACTIVE), int(waiter.priority) - climbed)
        return urgency, waiter.tag, waiter.ticket
