"""What the daemon finds wrong, each with what to do."""

from __future__ import annotations

from nicegui import ui
from rkd_client.v1.system import Finding

from rkd.access.role import Role
from rkd_console.elements import card, words
from rkd_console.safe import shown
from rkd_console.visit import Visit

LOOK = {
    "error": ("error", "rkd-bad"),
    "warning": ("warning", "rkd-warn"),
    "note": ("info", "rkd-soft"),
    "ok": ("check_circle", "rkd-good"),
}
MOST = 200
"""Findings shown."""


class Doctor:
    """The findings, worst first; looked for when the page opens, and when asked."""

    def __init__(self, visit: Visit) -> None:
        self._visit = visit
        if not visit.may(Role.MANAGE):
            return
        with card(visit.text("board.doctor")).classes("rkd-wide"):
            again = ui.button(visit.text("board.doctor.again"), on_click=self._begin)
            again.props("flat dense no-caps")
            self._place = ui.element("div").props('role="status"')
        self._begin()

    def _begin(self) -> None:
        self._visit.task(self._look())

    async def _look(self) -> None:
        answer = await self._visit.client.doctor()
        worst = list(LOOK)
        order = {one: worst.index(one) if one in LOOK else 0 for one in (*LOOK, "")}
        findings = sorted(answer.findings[:MOST], key=lambda one: order.get(one.severity, 0))
        self._place.clear()
        with self._place:
            for one in findings:
                self._finding(one)

    def _finding(self, one: Finding) -> None:
        icon, look = LOOK.get(one.severity, LOOK["note"])
        with ui.element("div").classes("rkd-finding"):
            ui.icon(icon).classes(look).props('aria-hidden="true"')
            with ui.element("div"):
                severity = one.severity if one.severity in LOOK else "note"
                said = self._visit.text(f"board.severity.{severity}")
                words("span", f"{said} · {shown(one.check, 60)}", f"rkd-strong {look}")
                words("div", shown(one.message), "rkd-foreign")
                if one.remedy:
                    words("div", shown(one.remedy), "rkd-soft rkd-foreign")
