"""The board: load, clocks, temperatures, memory by model, what runs and waits, what is wrong."""

from __future__ import annotations

from nicegui import ui

from rkd_console.elements import words
from rkd_console.feed import Change
from rkd_console.pages.board.doctor import Doctor
from rkd_console.pages.board.machine import Clocks, Machine, Npu, Temperatures
from rkd_console.pages.board.memory import Memory
from rkd_console.pages.board.minutes import Minutes
from rkd_console.pages.board.running import RunningNow
from rkd_console.visit import Visit


def build(visit: Visit) -> None:
    """Build the page."""
    feed = visit.feed
    waiting = words("p", visit.text("board.waiting"), "rkd-soft")
    with ui.element("div").classes("rkd-board") as board:
        minutes = Minutes(visit)
        parts = (RunningNow(visit), Npu(visit), Memory(visit), Clocks(visit), Temperatures(visit))
        machine = Machine(visit)
        Doctor(visit)
    board.set_visibility(feed.status is not None)
    waiting.set_visibility(feed.status is None)

    def told(change: Change) -> None:
        status = feed.status
        if status is None or change not in {"status", "residents"}:
            return
        board.set_visibility(True)
        waiting.set_visibility(False)
        for part in (*parts, machine):
            part.show(status)
        if change == "status":
            minutes.add(feed.samples[-1])

    told("residents")
    visit.listen(told)
