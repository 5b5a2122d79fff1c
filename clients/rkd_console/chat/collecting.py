"""
Brings answers that ended in other conversations to the browser, and marks those that are made.

An answer is safe once the browser keeps it; any page of its owner can hand it over.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Protocol

from rkd_console.chat import kept
from rkd_console.chat.desk import Desk

EVERY_S = 3.0


class Keeps(Protocol):
    """The part of a screen that a collector needs."""

    async def keep(self, changed: dict[str, Any]) -> bool:
        """Have the browser keep what changed; False when it does not say that it did."""

    def works(self, conversations: Sequence[str]) -> None:
        """Mark the conversations in which an answer is being made."""


class Collector:
    """
    Looks after the answers of one owner, for as long as one of his pages is open.

    Args:
        desk: where they are.
        owner: whose.
        screen: his page.
    """

    def __init__(self, desk: Desk, owner: object, screen: Keeps) -> None:
        self._desk, self._owner, self._screen = desk, owner, screen
        self._told: list[str] = []

    async def watch(self) -> None:
        """Look again and again."""
        while True:
            await self.look()
            await asyncio.sleep(EVERY_S)

    async def look(self) -> None:
        """Hand over what ended and no page draws; tell what works, where that changed."""
        self._desk.touch(self._owner)
        for conversation, running in self._desk.unseen(self._owner):
            if await self._screen.keep(kept.alone(conversation, running.turn())):
                self._desk.drop(self._owner, conversation, running.id)
        working = sorted(self._desk.working(self._owner))
        if working != self._told:
            self._told = working
            self._screen.works(working)
