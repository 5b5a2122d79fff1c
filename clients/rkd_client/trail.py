"""
Which board did what, as its answers named it: so that what follows goes there.

Behind an address that stands for several boards a request is cancelled, an operation asked after,
and an uploaded file made a model of, where it is.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, Final

from google.protobuf.message import Message

from rkd_client.ask import Ask

REMEMBERED: Final = 1024
"""Requests and operations; the oldest is forgotten first, and then asked of every board."""

_FILES: Final = frozenset({"/rkd.v1.ModelService/Upload", "/rkd.v1.ModelService/Create"})


class Trail:
    """What one client has learnt."""

    def __init__(self) -> None:
        self._of: OrderedDict[str, str] = OrderedDict()
        self._files = ""

    def learn(self, ask: Ask[Any, Any], message: Message, pairs: Any) -> None:
        """Remember of an answer to *ask* with the headers *pairs* what may be asked after."""
        board = next((str(value) for key, value in pairs or () if key == "x-rkd-board"), "")
        if not board:
            return
        if ask.path == "/rkd.v1.ModelService/Upload":
            self._files = board
        for field, value in message.ListFields():
            if field.name == "accepted":
                self._remember(value.request_id, board)
            elif field.name == "operation":
                self._remember(value.id, board)

    def board_for(self, ask: Ask[Any, Any]) -> str:
        """Return the board *ask* is for, "" where nothing was learnt."""
        if ask.path in _FILES:
            return self._files
        if ask.path == "/rkd.v1.InferenceService/Cancel":
            boards = {self._of.get(one, "") for one in ask.request.request_ids}  # type: ignore[attr-defined]
            return boards.pop() if len(boards) == 1 else ""
        if ask.path.startswith("/rkd.v1.OperationService/"):
            return self._of.get(getattr(ask.request, "id", ""), "")
        return ""

    def _remember(self, name: str, board: str) -> None:
        self._of.pop(name, None)
        self._of[name] = board
        if len(self._of) > REMEMBERED:
            self._of.popitem(last=False)
