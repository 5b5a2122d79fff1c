"""The form of a search on the Hub: words and every filter the daemon has."""

from __future__ import annotations

from collections.abc import Callable

from nicegui import ui
from nicegui.element import Element

from rkd_console.pages.stock.parts import (
    VALUE,
    Given,
    block,
    choice,
    field,
    form,
    put,
    submit,
    suggested,
)
from rkd_console.pages.stock.query import (
    FORMATS,
    LICENSES,
    LIMITS,
    QUANTIZATIONS,
    SIZES,
    SORTS,
    Form,
    form_of,
)
from rkd_console.visit import Visit


class SearchForm:
    """
    The form.

    Args:
        visit: the page.
        search: gets what is looked for.
    """

    def __init__(self, visit: Visit, search: Callable[[Form], None]) -> None:
        self._visit, self._search = visit, search
        text = visit.text
        self._fields: dict[str, Element] = {}
        with form(self._taken, "stock-search") as around:
            around.props.update({"role": "search", "aria-label": text("stock.search")})
            with block("stock-row stock-wide"):
                words = field(text("stock.words"), "words", type="search", maxlength=1200)
                words.props["placeholder"] = text("stock.words.hint")
                submit(text("stock.search"), "search")
            with ui.element("details").props("open").classes("stock-more"):
                put(text("stock.filters"), "stock-summary", "summary")
                with block("stock-filters"):
                    self._filters()

        ui.run_javascript("rkdStockFilters()")

    def narrow(self, name: str, value: str) -> None:
        """Set one filter as if somebody had typed it; the next search has it."""
        known = self._fields.get(name)
        if known is not None:
            known.props[VALUE] = value

    def _filters(self) -> None:
        text, any_ = self._visit.text, self._visit.text("stock.any")
        sizes = {"": any_, **{one: text("stock.about_size", size=one) for one in SIZES}}
        formats = {"": any_, **{one: one.upper() for one in FORMATS}}
        sorts = {one: text(f"stock.by.{one}") for one in SORTS}
        gates = {"": any_, "open": text("stock.gate.open"), "gated": text("stock.gate.gated")}
        made = {
            "size": choice(text("stock.size"), "size", sizes),
            "quantization": suggested(
                text("stock.quantization"), "quantization", QUANTIZATIONS, maxlength=60
            ),
            "format": choice(text("stock.format"), "format", formats),
            "sort": choice(text("stock.sort"), "sort", sorts, "downloads"),
            "limit": choice(
                text("stock.limit"), "limit", {str(one): str(one) for one in LIMITS}, "20"
            ),
            "min_downloads": field(
                text("stock.min_downloads"), "min_downloads", type="number", min=0, step=1
            ),
            "license": suggested(text("stock.license"), "license", LICENSES, maxlength=60),
            "gated": choice(text("stock.gated"), "gated", gates),
        }
        self._fields = made

    def _taken(self, given: Given) -> None:
        self._search(form_of(given))
