"""
Which of the engine's slots a run takes: the one whose conversation goes on, else the idlest.

The engine would choose by itself, but a conversation that is read from disk before its run, or
written behind it, needs a slot nobody else is given in between. Any thread may take one.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

from rkd.backend.backend import RunHandle

Prompt = str | list[int]


@dataclass(slots=True)
class Slot:
    """
    One slot and what it holds.

    Args:
        prompt: of its last run.
        session: the conversation that run belonged to, or "".
    """

    number: int
    prompt: Prompt = ""
    session: str = ""

    def goes_on(self, prompt: Prompt) -> bool:
        """Whether *prompt* begins with most of what it holds."""
        return shared(self.prompt, prompt) * 10 >= len(self.prompt) * 9


class Slots:
    """
    The slots of one engine.

    Args:
        count: how many it has.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._free = [Slot(number) for number in range(count)]
        """The one given back last comes last."""
        self._changed = threading.Condition()

    def take(self, prompt: Prompt, session: str, handle: RunHandle) -> Slot | None:
        """Take a slot for *prompt*, waiting for one; None when the run is cancelled before."""
        handle.on_cancel(self._stir)
        with self._changed:
            while not self._free and not handle.cancelled:
                self._changed.wait()
            if handle.cancelled:
                return None
            chosen = max(self._free, key=lambda slot: _fits(slot, prompt, session))
            self._free.remove(chosen)
            return chosen

    def give_back(self, slot: Slot, prompt: Prompt, session: str) -> None:
        """Give *slot* back, with what it holds now."""
        slot.prompt, slot.session = prompt, session
        with self._changed:
            self._free.append(slot)
            self._changed.notify_all()

    def forget(self) -> None:
        """Something else has used the slots that are free: what they hold is not known any more."""
        with self._changed:
            for slot in self._free:
                slot.prompt, slot.session = "", ""

    def _stir(self) -> None:
        with self._changed:
            self._changed.notify_all()


def _fits(slot: Slot, prompt: Prompt, session: str) -> tuple[bool, int]:
    return (bool(session) and slot.session == session, shared(slot.prompt, prompt))


def shared(one: Prompt, other: Prompt) -> int:
    """How long the beginning is that two prompts have in common; halving, since slices are fast."""
    if type(one) is not type(other):
        return 0
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
