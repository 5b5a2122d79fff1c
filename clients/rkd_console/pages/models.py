"""The library of models: looked through, loaded, mended, brought in, sent out."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Final
from urllib.parse import parse_qs

from nicegui import ui
from rkd_client.errors import RkdError

from rkd.access.role import Role
from rkd_console.feed import Change
from rkd_console.pages.stock.about import About
from rkd_console.pages.stock.parts import act, block, choice, field, put, when_changed
from rkd_console.pages.stock.shelf import (
    KEPT,
    SORTINGS,
    ShelfRow,
    Want,
    rows_of,
    shown,
    with_residents,
)
from rkd_console.pages.stock.shelf_view import ShelfView
from rkd_console.pages.stock.transfers import Transfers
from rkd_console.pages.stock.upload import DropZone
from rkd_console.visit import Visit

AGAIN_S: Final = 1.0
"""The list is asked for at most so often, however much changes."""


def build(visit: Visit) -> None:
    """Build the page."""
    Models(visit)


class Models:
    """The page of one visit."""

    def __init__(self, visit: Visit) -> None:
        self._visit = visit
        self._rows: tuple[ShelfRow, ...] = ()
        self._want = Want()
        self._stale = asyncio.Event()
        if visit.may(Role.MANAGE):
            DropZone(visit)
        Transfers(visit, frozenset({"create", "push"}))
        self._filters()
        self._about = About(visit)
        self._view = ShelfView(visit, self._do)
        self._pages()
        self._wanted_model = _model_in(str(ui.context.client.request.url.query))
        visit.listen(self._changed)
        self._stale.set()
        visit.task(self._keep())

    def _filters(self) -> None:
        text = self._visit.text
        with block("stock-filters"):
            words = field(text("stock.filter"), "filter", type="search", maxlength=200)
            when_changed(words, lambda said: self._look(replace(self._want, words=said)), "input")
            kept: dict[str, str] = {one: text(f"stock.keep.{one}") for one in KEPT}
            when_changed(choice(text("stock.keep"), "keep", kept, "all"), self._keep_only)
            sorts: dict[str, str] = {one: text(f"stock.sort.{one}") for one in SORTINGS}
            when_changed(choice(text("stock.sort"), "sort", sorts, "name"), self._sort)

    def _pages(self) -> None:
        text = self._visit.text
        with block("stock-row stock-pages", "nav") as around:
            around.props["aria-label"] = text("stock.pages")
            back = act("chevron_left", text("stock.page.before"), lambda: self._turn(-1))
            self._said = put("", "rkd-soft")
            self._said.props.update({"role": "status", "aria-live": "polite"})
            more = act("chevron_right", text("stock.page.after"), lambda: self._turn(1))
        self._turns = back, more

    def _keep_only(self, said: str) -> None:
        if said in KEPT:
            self._look(replace(self._want, kept=said))

    def _sort(self, said: str) -> None:
        if said in SORTINGS:
            self._look(replace(self._want, sorting=said))

    def _turn(self, by: int) -> None:
        self._look(replace(self._want, page=self._want.page + by), turned=True)

    def _look(self, want: Want, *, turned: bool = False) -> None:
        self._want = want if turned else replace(want, page=0)
        self._show()

    def _show(self) -> None:
        page = shown(self._rows, self._want)
        self._want = replace(self._want, page=page.page)
        self._view.show(page)
        self._said.text = self._visit.text(
            "stock.page", page=page.page + 1, pages=page.pages, count=page.matching
        )
        back, more = self._turns
        back.set_enabled(page.page > 0)
        more.set_enabled(page.page + 1 < page.pages)

    def _changed(self, change: Change) -> None:
        if change == "models":
            self._stale.set()
        elif change == "residents":
            self._rows = with_residents(self._rows, self._visit.feed.residents)
            self._show()

    async def _keep(self) -> None:
        """Ask for the list whenever it has changed."""
        while True:
            await self._stale.wait()
            self._stale.clear()
            try:
                answer = await self._visit.client.list()
            except RkdError:  # the feed says that the daemon is gone, and when it is back
                await asyncio.sleep(AGAIN_S)
                self._stale.set()
                continue
            self._rows = rows_of(answer.models, self._visit.feed.residents)
            self._show()
            self._open_wanted()
            await asyncio.sleep(AGAIN_S)

    def _open_wanted(self) -> None:
        """Open what the page's address names, once."""
        name, self._wanted_model = self._wanted_model, ""
        row = next((one for one in self._rows if name and one.name == name), None)
        if row is not None:
            self._about.open(row)

    def _do(self, what: str, row: ShelfRow) -> None:
        if what == "open":
            self._about.open(row)
        elif what == "mend":
            self._about.open(row, editing=True)
        else:
            self._visit.task(self._about.do(what, row.name))


def _model_in(query: str) -> str:
    """Return the model that an address names: `?model=`."""
    return parse_qs(query[:1000]).get("model", [""])[0]
