"""Says when a download, an upload or a create has ended, wherever in the console somebody is."""

from __future__ import annotations

import json
from typing import Final

from nicegui import ui
from rkd_client.v1.types import Operation

from rkd_console.feed import Change
from rkd_console.pages.stock.progress import ended
from rkd_console.safe import shown
from rkd_console.visit import Visit

LONGEST: Final = 200


def ring(visit: Visit) -> None:
    """Tell the end of every operation that goes on now or begins later."""
    before: tuple[Operation, ...] = visit.feed.operations

    def changed(change: Change) -> None:
        nonlocal before
        if change != "operations":
            return
        now = visit.feed.operations
        for one in ended(before, now):
            _tell(visit, one)
        before = now

    visit.listen(changed)


def _tell(visit: Visit, one: Operation) -> None:
    good = one.state == "succeeded"
    key = f"stock.ended.{one.kind}.{'good' if good else 'bad'}"
    said = visit.text(key, what=shown(one.model or one.source, LONGEST))
    ui.notify(said, type="positive" if good else "negative", close_button=True, timeout=8_000)
    words = "" if good else shown(one.error_message, LONGEST)
    ui.run_javascript(f"rkdStockBell({script(said)}, {script(words)}, {script(one.id)})")


def script(text: str) -> str:
    """Return *text* as a string of JavaScript."""
    return json.dumps(text).replace("<", "\\u003c")
