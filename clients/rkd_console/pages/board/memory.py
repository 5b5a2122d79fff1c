"""Memory: how much there is, and which model has how much of it."""

from __future__ import annotations

from collections.abc import Callable

from nicegui import ui
from rkd_client import quantity
from rkd_client.v1.pool import Resident
from rkd_client.v1.system import GetStatusResponse

from rkd_console.elements import Meter, Rows, card, words
from rkd_console.safe import shown
from rkd_console.visit import Visit


class Memory:
    """The whole, and each model in it."""

    def __init__(self, visit: Visit) -> None:
        self._visit = visit
        self._total_bytes = 1
        with card(visit.text("board.memory")):
            self._used = Meter(visit.text("board.memory.used"))
            self._pool = Meter(visit.text("board.memory.models"))
            self._daemon = Meter(visit.text("board.memory.daemon"))
            words("h3", visit.text("board.memory.by_model"), "rkd-subheading")
            self._none = words("p", visit.text("board.memory.none"), "rkd-soft")
            self._rows = Rows(ui.element("div"), self._model)

    def show(self, status: GetStatusResponse) -> None:
        """Show it."""
        memory = status.memory
        total = self._total_bytes = max(memory.total_bytes, 1)
        used = memory.total_bytes - memory.available_bytes
        self._used.show(used / total, self._of(used, memory.total_bytes))
        self._pool.show(
            memory.resident_bytes / max(memory.budget_bytes, 1),
            self._of(memory.resident_bytes, memory.budget_bytes),
        )
        self._daemon.show(memory.daemon_bytes / total, quantity.size(memory.daemon_bytes))
        residents = self._visit.feed.residents
        self._none.set_visibility(not residents)
        self._rows.show((one.model, one) for one in residents)

    def _of(self, part_bytes: int, all_bytes: int) -> str:
        part = quantity.size(part_bytes) if part_bytes > 0 else "0"
        sizes = {"part": part, "all": quantity.size(all_bytes)}
        return self._visit.text("board.of", **sizes)

    def _model(self) -> Callable[[Resident], None]:
        meter = Meter("")

        def show(one: Resident) -> None:
            meter.call(shown(one.model, 140))
            mark = "" if one.size_measured else "≈ "
            meter.show(one.size_bytes / self._total_bytes, mark + quantity.size(one.size_bytes))

        return show
