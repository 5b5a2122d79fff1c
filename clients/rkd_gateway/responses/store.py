"""
Responses remembered for their callers: what `previous_response_id`, get and delete speak of.

In the gateway's memory alone, within bounds, the oldest forgotten first; nobody finds another's.
"""

from __future__ import annotations

import asyncio
import json
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any, Final

from rkd_client.errors import NotFoundError

MOST: Final = 256
MOST_BYTES: Final = 32 << 20


@dataclass(slots=True)
class KeptResponse:
    """
    One response.

    Args:
        response: as it is told; grows while it is made in the background.
        items: all of the conversation before it, its own input last.
        fresh: so many of *items*, from the end, are its own input.
        making: the work of one made in the background.
    """

    response: dict[str, Any]
    items: list[Any]
    fresh: int
    making: asyncio.Task[None] | None = field(default=None, repr=False)

    @property
    def said(self) -> list[Any]:
        """The conversation with what the model said last."""
        return [*self.items, *self.response["output"]]


class ResponseStore:
    """What is remembered, by caller and id."""

    def __init__(self, most: int = MOST, most_bytes: int = MOST_BYTES) -> None:
        self._most, self._most_bytes = most, most_bytes
        self._kept: OrderedDict[tuple[str, str], tuple[KeptResponse, int]] = OrderedDict()
        self._held_bytes = 0

    def put(self, caller: str, kept: KeptResponse) -> None:
        """Remember *kept* instead of what had its id; older ones go where there is no room."""
        key = (caller, kept.response["id"])
        self._forget(key)
        size = len(json.dumps([kept.response, kept.items]))
        if size > self._most_bytes:
            return
        self._kept[key] = (kept, size)
        self._held_bytes += size
        while len(self._kept) > self._most or self._held_bytes > self._most_bytes:
            self._forget(next(iter(self._kept)))

    def get(self, caller: str, identity: str) -> KeptResponse:
        """
        Return what *caller* was told as *identity*.

        Raises:
            NotFoundError: RESPONSE_NOT_FOUND.
        """
        key = (caller, identity)
        if key not in self._kept:
            said = f"there is no response {identity[:80]!r} that you were told"
            remedy = "they are kept for a while: send the whole conversation"
            raise NotFoundError("RESPONSE_NOT_FOUND", said, remedy=remedy)
        self._kept.move_to_end(key)
        return self._kept[key][0]

    def delete(self, caller: str, identity: str) -> None:
        """
        Forget a response, and end its making.

        Raises:
            NotFoundError: RESPONSE_NOT_FOUND.
        """
        kept = self.get(caller, identity)
        if kept.making is not None:
            kept.making.cancel()
        self._forget((caller, identity))

    def _forget(self, key: tuple[str, str]) -> None:
        _, size = self._kept.pop(key, (None, 0))
        self._held_bytes -= size
