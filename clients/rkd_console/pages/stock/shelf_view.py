"""The table of models: one page of it, each row with what can be done."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from nicegui import ui

from rkd.access.role import Role
from rkd_console.pages.stock import figures
from rkd_console.pages.stock.parts import act, block, put
from rkd_console.pages.stock.shelf import ShelfPage, ShelfRow
from rkd_console.safe import shown
from rkd_console.visit import Visit

COLUMNS: Final = ("name", "state", "size", "quantization", "parameters", "format", "acts")
LONGEST: Final = 200

Do = Callable[[str, ShelfRow], None]
"""Gets `open`, `load`, `unload`, `pin` or `unpin`, and the model."""


class ShelfView:
    """
    The table.

    Args:
        visit: the page.
        do: does what is asked for.
    """

    def __init__(self, visit: Visit, do: Do) -> None:
        self._visit, self._do = visit, do
        self._lines: dict[str, _Line] = {}
        with block("stock-table", "table"):
            with ui.element("thead"), ui.element("tr"):
                for column in COLUMNS:
                    said = put(visit.text(f"stock.column.{column}"), f"stock-c-{column}", "th")
                    said.props["scope"] = "col"
            self._body = ui.element("tbody")
        self._empty = put("", "rkd-soft", "p")

    def show(self, page: ShelfPage) -> None:
        """Show *page*; rows that stay are changed in place, so that nobody loses his."""
        names = [row.name for row in page.rows]
        if list(self._lines) != names:
            self._body.clear()
            with self._body:
                self._lines = {row.name: _Line(self._visit, self._do) for row in page.rows}
        for row in page.rows:
            self._lines[row.name].show(row)
        key = "stock.none" if page.total == 0 else "stock.none_such"
        self._empty.text = "" if page.rows else self._visit.text(key)


class _Line:
    """One row."""

    def __init__(self, visit: Visit, do: Do) -> None:
        self._visit, self._do = visit, do
        self._row: ShelfRow | None = None
        with ui.element("tr") as self._line:
            with block("stock-c-name", "th") as head:
                head.props["scope"] = "row"
                self._open = put("", "stock-open rkd-foreign", "button")
                self._open.props["type"] = "button"
                self._open.on("click", self._opened)
                self._reason = put("", "rkd-warn rkd-foreign stock-small stock-below")
            self._cells = {
                column: put("", f"stock-c-{column} rkd-foreign", "td") for column in COLUMNS[1:-1]
            }
            with block("stock-c-acts", "td"):
                self._acts = block("stock-row stock-tight")

    def show(self, row: ShelfRow) -> None:
        """Show how it is now."""
        if row == self._row:
            return
        self._row = row
        model, text = row.model, self._visit.text
        self._line.props.update({"data-model": model.name, "data-state": row.state})
        self._open.text = shown(model.name, LONGEST)
        told = row.resident.reason if row.resident and row.resident.reason else model.reason
        self._reason.text = shown(told, LONGEST)
        self._reason.set_visibility(bool(told))
        state = text(f"stock.row.{row.state}")
        if row.resident is not None and row.resident.pinned:
            state = f"{state} · {text('stock.pinned')}"
        if row.resident is not None and row.resident.backend:
            state = f"{state} · {row.resident.backend.upper()}"
        values = {
            "state": state,
            "size": figures.size(model.size_bytes),
            "quantization": shown(model.quantization, 40) or figures.NOTHING,
            "parameters": figures.count(model.parameters),
            "format": " + ".join(model.formats) or figures.NOTHING,
        }
        for column, value in values.items():
            self._cells[column].text = value
            self._cells[column].classes(
                add="stock-nothing" if value == figures.NOTHING else "",
                remove="" if value == figures.NOTHING else "stock-nothing",
            )
        self._offer(row)

    def _opened(self) -> None:
        if self._row is not None:
            self._do("open", self._row)

    def _offer(self, row: ShelfRow) -> None:
        self._acts.clear()
        with self._acts:
            for what, icon, role in _offers(row):
                if self._visit.may(role):
                    said = self._visit.text(f"stock.act.{what}", model=shown(row.name, LONGEST))
                    act(icon, said, partial(self._do, what, row)).props["data-act"] = what


def _offers(row: ShelfRow) -> list[tuple[str, str, Role]]:
    offers: list[tuple[str, str, Role]] = []
    if row.resident is not None:
        offers.append(("unload", "eject", Role.MANAGE))
        if row.resident.pinned:
            offers.append(("unpin", "bookmark", Role.MANAGE))
        else:
            offers.append(("pin", "bookmark_border", Role.MANAGE))
    elif row.model.state == "ready":
        offers.append(("load", "play_arrow", Role.GENERATE))
        offers.append(("pin", "bookmark_border", Role.MANAGE))
    if row.wants_mending:
        offers.append(("mend", "build", Role.MANAGE))
    return offers
