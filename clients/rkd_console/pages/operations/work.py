"""Pulls, creates and pushes, the newest first; each can be paused, resumed, cancelled."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

from nicegui import ui
from rkd_client import quantity
from rkd_client.v1.types import Operation

from rkd.access.role import Role
from rkd_console.elements import Meter, Rows, card, named, words
from rkd_console.feed import Change
from rkd_console.safe import shown
from rkd_console.visit import Visit

MOST: Final = 100
STATES: Final = ("pending", "running", "paused", "succeeded", "failed", "cancelled")
KINDS: Final = ("pull", "create", "push")
GOING_ON: Final = frozenset({"pending", "running"})


class Work:
    """The list."""

    def __init__(self, visit: Visit) -> None:
        self._visit = visit
        with card(visit.text("operations.title")):
            self._none = words("p", visit.text("operations.none"), "rkd-soft")
            self._rows = Rows(ui.element("div"), self._row, most=MOST)
            self._more = words("p", "", "rkd-soft")
        self._show("operations")
        visit.listen(self._show)

    def _show(self, change: Change) -> None:
        if change != "operations":
            return
        listed = self._visit.feed.operations
        self._none.set_visibility(not listed)
        more = self._rows.show((one.id, one) for one in listed)
        self._more.text = self._visit.text("board.more", count=more) if more > 0 else ""

    def _row(self) -> Callable[[Operation], None]:
        text = self._visit.text
        held: list[str] = [""]
        with ui.element("div").classes("rkd-line"):
            title = words("span", "", "rkd-strong rkd-foreign")
            with ui.element("span").classes("rkd-acts"):
                client = self._visit.client
                pause = self._act("pause", held, client.pause_operation)
                resume = self._act("play_arrow", held, client.resume_operation)
                cancel = self._act("close", held, client.cancel_operation)
        meter = Meter("")
        detail = words("div", "", "rkd-soft rkd-small rkd-foreign")
        trouble = words("div", "", "rkd-bad rkd-foreign")

        def show(one: Operation) -> None:
            held[0] = one.id
            kind = text(f"operations.kind.{one.kind}") if one.kind in KINDS else shown(one.kind)
            title.text = f"{kind} · {shown(one.source or one.model, 200)}"
            state = text(f"operations.state.{one.state}") if one.state in STATES else one.state
            meter.call(shown(state, 40))
            meter.show(*_progress(one))
            detail.text = " · ".join(filter(None, _details(one)))
            trouble.text = shown(" ".join(filter(None, (one.error_message, one.error_remedy))))
            pause.set_visibility(one.state in GOING_ON and one.kind != "create")
            resume.set_visibility(one.state in {"paused", "failed"})
            cancel.set_visibility(one.state in {*GOING_ON, "paused"})

        return show

    def _act(self, icon: str, held: list[str], ask: Callable[[str], Awaitable[Any]]) -> ui.element:
        async def done() -> None:
            await ask(held[0])
            self._visit.feed.refresh("operations")

        button = ui.button(icon=icon, on_click=lambda: self._visit.task(done()))
        button.props("flat round dense").set_enabled(self._visit.may(Role.MANAGE))
        return named(button, self._visit.text(f"operations.act.{icon}"))


def _progress(one: Operation) -> tuple[float, str]:
    progress = one.progress
    if one.state == "succeeded":
        return 1.0, ""
    if progress.total_bytes <= 0:
        return 0.0, ""
    # A bar at its end while files are still judged would lie.
    most = 0.99 if one.state in GOING_ON else 1.0
    part = min(most, progress.done_bytes / progress.total_bytes)
    return part, f"{100 * part:.0f} %"


def _details(one: Operation) -> list[str]:
    progress = one.progress
    told = [shown(one.model, 140), shown(progress.stage, 80)]
    if progress.total_bytes:
        sizes = (quantity.size(progress.done_bytes), quantity.size(progress.total_bytes))
        told.append(" / ".join(sizes))
    if one.state == "running" and progress.rate_bytes_per_s > 0:
        told.append(f"{quantity.size(round(progress.rate_bytes_per_s))}/s")
    if one.state == "running" and progress.remaining_s is not None:
        told.append(quantity.seconds(max(1.0, progress.remaining_s)))
    moment = one.finished or one.created
    told.append(f"{moment.astimezone():%Y-%m-%d %H:%M}" if moment else "")
    return told
