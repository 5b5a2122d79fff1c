"""What runs and what waits: models in memory, answers being given, what is queued."""

from __future__ import annotations

from collections.abc import Callable

from nicegui import ui
from rkd_client import quantity
from rkd_client.v1.pool import Resident
from rkd_client.v1.system import GetStatusResponse, StreamStatus

from rkd.access.role import Role
from rkd_console.elements import Rows, card, named, words
from rkd_console.safe import shown
from rkd_console.visit import Visit

STATES = ("loading", "ready", "draining", "unloading", "failed")


class RunningNow:
    """Answers and residents."""

    def __init__(self, visit: Visit) -> None:
        self._visit = visit
        with card(visit.text("board.running")):
            self._summary = words("p", "", "rkd-soft")
            self._streams = Rows(ui.element("div"), self._stream)
            self._more = words("p", "", "rkd-soft")
            words("h3", visit.text("board.residents"), "rkd-subheading")
            self._none = words("p", visit.text("board.memory.none"), "rkd-soft")
            self._residents = Rows(ui.element("div"), self._resident)

    def show(self, status: GetStatusResponse) -> None:
        """Show them."""
        self._summary.text = self._visit.text(
            "board.running.summary",
            running=len(status.streams),
            queued=status.queued,
            answered=status.requests_total,
            tokens=quantity.count(status.tokens_total) if status.tokens_total else 0,
        )
        more = self._streams.show((one.request_id, one) for one in status.streams)
        self._more.text = self._visit.text("board.more", count=more) if more > 0 else ""
        self._none.set_visibility(not self._visit.feed.residents)
        self._residents.show((one.model, one) for one in self._visit.feed.residents)

    def _stream(self) -> Callable[[StreamStatus], None]:
        held: list[str] = [""]

        async def stop() -> None:
            await self._visit.client.cancel(held[0])

        with ui.element("div").classes("rkd-line"):
            said = words("span", "", "rkd-foreign")
            if self._visit.may(Role.GENERATE):
                button = ui.button(icon="stop", on_click=lambda: self._visit.task(stop()))
                named(button.props("flat round dense"), self._visit.text("board.stop"))

        def show(one: StreamStatus) -> None:
            held[0] = one.request_id
            said.text = self._visit.text(
                "board.stream",
                model=shown(one.model, 140),
                tokens=one.tokens,
                rate=f"{one.tokens_per_s:.1f}",
                age=quantity.seconds(one.age_s or 0.0),
            )

        return show

    def _resident(self) -> Callable[[Resident], None]:
        name = words("div", "", "rkd-foreign rkd-strong")
        detail = words("div", "", "rkd-soft rkd-small rkd-foreign")

        def show(one: Resident) -> None:
            name.text = shown(one.model, 140)
            text = self._visit.text
            state = text(f"board.state.{one.state}") if one.state in STATES else shown(one.state)
            facts = {"used": one.slots_used, "slots": one.slots, "queued": one.queued}
            said = [state, shown(one.backend.upper(), 20), text("board.slots", **facts)]
            said += [text("board.pinned")] if one.pinned else []
            said += [shown(one.runtime, 80), shown(one.backend_reason), shown(one.reason)]
            detail.text = " · ".join(filter(None, said))

        return show
