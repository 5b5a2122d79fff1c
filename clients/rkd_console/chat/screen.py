"""The chat in the browser as an element of NiceGUI: what is drawn and kept goes there."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

from nicegui.element import Element

ANSWER_WITHIN_S = 30.0
"""So long a browser may take to draw a step, or to keep a change."""


class ChatBoard(Element, component="chatboard.js", esm={"rkd-chat": "browser"}):  # type: ignore[call-arg]
    """
    The chat in one page.

    Args:
        texts: what the browser says itself, by name.
        desk: under which the page's requests come.
    """

    def __init__(self, texts: Mapping[str, str], desk: str) -> None:
        super().__init__()
        self.props["texts"] = dict(texts)
        self.props["desk"] = desk

    def show(self, drawn: dict[str, Any]) -> None:
        """Draw the conversation anew."""
        self.run_method("show", drawn)

    async def grow(self, step: dict[str, Any]) -> bool:
        """Draw what is new of an answer; False when the browser does not say that it did."""
        return await self._answered("grow", step)

    async def keep(self, changed: dict[str, Any]) -> bool:
        """Have the browser keep what changed; False when it does not say that it did."""
        return await self._answered("keep", changed)

    def works(self, conversations: Sequence[str]) -> None:
        """Mark the conversations in which an answer is being made."""
        self.run_method("works", list(conversations))

    async def _answered(self, method: str, given: dict[str, Any]) -> bool:
        with contextlib.suppress(TimeoutError, RuntimeError):
            return bool(await self.run_method(method, given, timeout=ANSWER_WITHIN_S))
        return False
