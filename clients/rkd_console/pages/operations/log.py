"""
The log: what the daemon holds of what happened, the newest on top.

At most `MOST` lines stand in the page, however many events come; it is brought up to date twice a
second at most.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from nicegui import ui
from rkd_client.v1.models import WatchResponse

from rkd_console.elements import Rows, card, words
from rkd_console.feed import Change
from rkd_console.safe import shown
from rkd_console.visit import Visit

MOST: Final = 200
EVERY_S: Final = 0.5
TOPICS: Final = ("model", "resident", "operation", "system")
FACTS: Final = 12
"""Of one event."""


class Log:
    """The list and what narrows it."""

    def __init__(self, visit: Visit) -> None:
        self._visit = visit
        self._stale = True
        with card(visit.text("log.title")):
            with ui.element("div").classes("rkd-line"):
                choices = {topic: visit.text(f"log.topic.{topic}") for topic in TOPICS}
                self._topic = ui.select(
                    {"": visit.text("log.topic.all"), **choices},
                    value="",
                    label=visit.text("log.topic"),
                    on_change=self._again,
                )
                self._words = ui.input(visit.text("log.words"), on_change=self._again)
                self._topic.props("dense outlined").classes("rkd-grow")
                self._words.props("dense outlined clearable debounce=300 maxlength=100")
                self._words.classes("rkd-grow")
            self._count = words("p", "", "rkd-soft")
            place = ui.element("div").classes("rkd-log").props('role="log" tabindex="0"')
            place.props["aria-label"] = visit.text("log.title")
            self._rows = Rows(place, _line, most=MOST)
        visit.listen(self._told)
        ui.timer(EVERY_S, self._show)
        self._show()

    def _told(self, change: Change) -> None:
        if change == "event":
            self._stale = True

    def _again(self) -> None:
        self._stale = True

    def _show(self) -> None:
        if not self._stale:
            return
        self._stale = False
        topic, sought = str(self._topic.value or ""), str(self._words.value or "").casefold()
        events = self._visit.feed.events
        found = [
            one
            for one in events
            if (not topic or one.topic == topic) and (not sought or sought in _said(one).casefold())
        ]
        self._rows.show((f"{one.revision} {one.time}", one) for one in found[-MOST:])
        counts = {"shown": min(len(found), MOST), "all": len(events)}
        self._count.text = self._visit.text("log.count", **counts)


def _line() -> Callable[[WatchResponse], None]:
    moment = words("span", "", "rkd-soft rkd-figure")
    said = words("span", "", "rkd-foreign")

    def show(one: WatchResponse) -> None:
        moment.text = f"{one.time.astimezone():%H:%M:%S}" if one.time else ""
        said.text = _said(one)

    return show


def _said(one: WatchResponse) -> str:
    facts = [f"{key}={value}" for key, value in list(one.detail.items())[:FACTS]]
    head = f"{one.topic} {one.action} {one.subject}"
    return shown(" ".join((head, *facts)), 600)
