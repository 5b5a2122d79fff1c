"""
Which board answers: told in the headers of every answer, and in the trailers of every refusal.

Headers are sent with the first message, not before: a refusal stays one without headers, which is
what lets gRPC's own retries, and proxies, see that nothing was begun.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any, Final

from rkd.errors import Reason, UnavailableError
from rkd.outside import quoted

AGAIN_S: Final = 0.1
"""Another try may reach the right one, behind an address that spreads calls by itself."""

BOARD_KEY: Final = "x-rkd-board"
"""Metadata: in an answer, the board that gave it; in a call, the only board it is for."""


class Headers:
    """The headers of one call's answer."""

    def __init__(self, context: Any, board: str) -> None:
        self._context, self._board, self.begun = context, board, False

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """What they say."""
        return ((BOARD_KEY, self._board),) if self._board else ()

    async def begin(self) -> None:
        """Send them, if that has not been done: before the first message, or instead of one."""
        if not self.begun:
            self.begun = True
            await self._context.send_initial_metadata(self.pairs)


HEADERS: ContextVar[Headers] = ContextVar("rkd-headers")
"""Those of the call whose task this is."""


def check_board(metadata: Mapping[str, object], board: str) -> None:
    """
    Refuse a call that is for another board than *board*, as one does that a proxy misled.

    Raises:
        UnavailableError: WRONG_BOARD.
    """
    wanted = metadata.get(BOARD_KEY)
    if wanted is None or not board or str(wanted).casefold() == board.casefold():
        return
    raise UnavailableError(
        Reason.WRONG_BOARD,
        f"this is the board {board}; the call is for {quoted(str(wanted)[:80])}",
        remedy="Ask that board itself, or look at the proxy's configuration.",
        metadata={"board": board},
        retry_after_s=AGAIN_S,
    )
