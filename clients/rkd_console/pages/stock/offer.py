"""A repository of the Hub, in a dialog: its files judged for this board, and its card."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Final
from urllib.parse import quote

from nicegui import ui
from rkd_client.errors import RkdError
from rkd_client.v1.hub import ListFilesResponse, Variant

from rkd.access.role import Role
from rkd_console.pages.stock import figures
from rkd_console.pages.stock.parts import act, block, button, dialog, in_words, put
from rkd_console.pages.stock.pulling import Pulling
from rkd_console.pages.stock.query import Place
from rkd_console.pages.stock.transfers import Transfers
from rkd_console.safe import markdown, shown
from rkd_console.visit import Visit

MOST: Final = 80
"""Variants shown, best first."""

LONGEST: Final = 300
ICONS: Final = {
    "fits": ("check_circle", "rkd-good"),
    "fits_alone": ("check_circle", "rkd-warn"),
    "too_large": ("block", "rkd-bad"),
    "wrong_platform": ("block", "rkd-bad"),
    "unsupported": ("block", "rkd-bad"),
    "": ("help", "rkd-soft"),
}


class Offer:
    """
    The dialog of one page; `open` shows a repository in it.

    Args:
        visit: the page.
        pulling: begins downloads.
        transfers: shows those that go on.
    """

    def __init__(self, visit: Visit, pulling: Pulling, transfers: Callable[[], Transfers]) -> None:
        self._visit, self._pulling = visit, pulling
        self._link: Place | None = None
        with dialog(visit.text("stock.repository")) as self._dialog, block("rkd-card stock-dialog"):
            with block("stock-row"):
                self._title = put("", "stock-heading rkd-foreign", "h2")
                ui.space()
                act("close", visit.text("stock.close"), self._dialog.close)
            transfers()
            self._inside = block("stock-column")

    def open(self, place: Place) -> None:
        """Show the repository of *place*."""
        self._link = place
        self._title.text = shown(place.repository, LONGEST)
        self._inside.clear()
        with self._inside:
            self._state = put(self._visit.text("stock.looking"), "rkd-soft", "p")
        self._dialog.open()
        self._visit.task(self._fill(place))

    async def _fill(self, place: Place) -> None:
        try:
            answer = await self._visit.client.files(place.repository, revision=place.revision)
        except RkdError as error:
            self._state.text = in_words(error)
            return
        if place is not self._link:  # somebody looks at another one meanwhile
            return
        self._inside.clear()
        self._title.text = shown(answer.repository.id or place.repository, LONGEST)
        with self._inside:
            self._head(answer)
            if place.chosen and self._visit.may(Role.MANAGE):
                self._pasted(place)
            self._variants(answer, place)
            self._card(answer, place)

    def _head(self, answer: ListFilesResponse) -> None:
        text, one = self._visit.text, answer.repository
        facts = [
            text("stock.fact.downloads", count=figures.tally(one.downloads)),
            text("stock.license.of", license=shown(one.license, 60) or text("stock.license.none")),
        ]
        if one.gated:
            facts.append(text("stock.gate.how"))
        put(" · ".join(facts), "rkd-soft rkd-foreign")

    def _pasted(self, place: Place) -> None:
        with block("stock-row stock-wrap"):
            put(shown(place.source, LONGEST), "rkd-foreign")
            self._get(place.source, place)

    def _variants(self, answer: ListFilesResponse, place: Place) -> None:
        text = self._visit.text
        if not answer.variants:
            put(text("stock.no_weights"), "rkd-warn")
            return
        with block("stock-list", "ul"):
            for one in answer.variants[:MOST]:
                self._variant(one, place, answer.repository.id)
        if len(answer.variants) > MOST:
            put(text("stock.rest", count=len(answer.variants) - MOST), "rkd-soft")

    def _variant(self, one: Variant, place: Place, repository: str) -> None:
        text = self._visit.text
        icon, colour = ICONS.get(one.verdict, ICONS[""])
        name = one.files[0] if one.files else one.tag
        classes = "rkd-card stock-variant" + (" stock-advised" if one.recommended else "")
        with block(classes, "li") as item:
            item.props.update({"data-tag": one.tag, "data-verdict": one.verdict})
            with block("stock-row stock-wrap"):
                if one.recommended:
                    put(f"★ {text('stock.advised')}", "stock-badge stock-badge-good")
                put(shown(one.quantization or name, 60), "stock-strong rkd-foreign")
                put(figures.size(one.size_bytes))
                with block(f"stock-row stock-tight {colour}"):
                    ui.icon(icon).props('aria-hidden="true"')
                    put(text(f"stock.verdict.{one.verdict or 'unknown'}"), "stock-strong")
                ui.space()
                if self._visit.may(Role.MANAGE) and one.verdict != "unsupported":
                    tag = one.tag or name
                    self._get(f"{repository}:{tag}", place)
            parts = len(one.files)
            said = [shown(name, LONGEST), text("stock.parts", count=parts) if parts > 1 else ""]
            said += _made(self._visit, one)
            put(" · ".join(filter(None, said)), "rkd-soft rkd-foreign stock-small")
            if one.advice:
                put(shown(one.advice, LONGEST), "rkd-foreign stock-small")
            if one.verdict_detail:
                put(shown(one.verdict_detail, LONGEST), "rkd-soft rkd-foreign stock-small")
            if one.projector:
                size = figures.size(one.projector_bytes)
                said_ = text("stock.companion", file=shown(one.projector, LONGEST), size=size)
                put(said_, "rkd-foreign stock-small")

    def _get(self, source: str, place: Place) -> None:
        said = self._visit.text("stock.download")
        made = button(said, partial(self._pulling.begin, source, place.revision), "download")
        made.props["aria-label"] = f"{said}: {shown(source, LONGEST)}"
        made.on("click", js_handler="() => rkdStockAsk()")

    def _card(self, answer: ListFilesResponse, place: Place) -> None:
        text = self._visit.text
        with block("stock-column") as around:
            show = partial(self._read, around, answer.repository.id, place.revision)
            with block("stock-row stock-wrap"):
                button(text("stock.card"), show, "article").props("outline")
                address = f"https://huggingface.co/{quote(answer.repository.id, safe='/')}"
                page = ui.link(text("stock.page_there"), address, new_tab=True)
                page.props["rel"] = "noopener noreferrer"

    def _read(self, around: ui.element, repository: str, revision: str) -> None:
        self._visit.task(self._show_card(around, repository, revision))

    async def _show_card(self, around: ui.element, repository: str, revision: str) -> None:
        answer = await self._visit.client.card(repository, revision=revision)
        made = await asyncio.to_thread(markdown, answer.text)
        around.clear()
        with around:
            put(self._visit.text("stock.card"), "stock-heading", "h3")
            ui.html(made, sanitize=False).classes("stock-card-text")


def _made(visit: Visit, one: Variant) -> list[str]:
    """Say what is known of *one* beyond its size."""
    made_for = " ".join(filter(None, (shown(one.platform, 40), shown(one.toolkit_version, 40))))
    return [
        made_for,
        visit.text("stock.fact.of_parameters", count=figures.count(one.parameters))
        if one.parameters
        else "",
        visit.text("stock.fact.of_context", count=one.context_tokens) if one.context_tokens else "",
        visit.text("stock.needs", size=figures.size(one.needed_bytes)) if one.needed_bytes else "",
    ]
