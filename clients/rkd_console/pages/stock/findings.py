"""What a search found: a card a repository, and what narrows the search further."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from nicegui import ui
from rkd_client.v1.hub import Repository, SearchResponse

from rkd_console.pages.stock import figures
from rkd_console.pages.stock.parts import block, button, put
from rkd_console.safe import shown
from rkd_console.visit import Visit

MOST: Final = 300
"""Repositories a page holds; then it says that the search should be narrowed."""

MOST_KINDS: Final = 12
MOST_FACETS: Final = 10
LONGEST: Final = 200


class Findings:
    """
    The list of what was found.

    Args:
        visit: the page.
        open_: shows a repository.
        more: asks for the page behind.
        narrow: sets a filter and searches anew.
    """

    def __init__(
        self,
        visit: Visit,
        *,
        open_: Callable[[str], None],
        more: Callable[[], None],
        narrow: Callable[[str, str], None],
    ) -> None:
        self._visit, self._open, self._narrow = visit, open_, narrow
        self._held = 0
        self._said = put("", "rkd-soft", "p")
        self._said.props.update({"role": "status", "aria-live": "polite"})
        self._facets = block("stock-facets")
        self._list = block("stock-list stock-results", "ul")
        self._more = button(visit.text("stock.more"), more, "expand_more").props("flat")
        self._more.set_visibility(False)

    def wait(self) -> None:
        """Say that an answer is waited for."""
        self._said.text = self._visit.text("stock.searching")

    def clear(self, said: str = "") -> None:
        """Show nothing but *said*."""
        self._list.clear()
        self._facets.clear()
        self._held = 0
        self._more.set_visibility(False)
        self._said.text = said

    def show(self, answer: SearchResponse, *, behind: bool) -> None:
        """Show *answer*, *behind* what is there already or in its place."""
        if not behind:
            self.clear()
            self._show_facets(answer)
        with self._list:
            for one in answer.repositories[: MOST - self._held]:
                self._card(one)
        self._held += len(answer.repositories)
        self._more.set_visibility(bool(answer.next_page_token) and self._held < MOST)
        self._said.text = self._words(answer)

    def _words(self, answer: SearchResponse) -> str:
        text = self._visit.text
        if not self._held:
            return text("stock.nothing")
        said = [text("stock.found", count=min(self._held, MOST))]
        if self._held >= MOST:
            said.append(text("stock.too_many"))
        if answer.cached is not None:
            said.append(text("stock.cached", day=figures.day(answer.cached)))
        return " · ".join(said)

    def _show_facets(self, answer: SearchResponse) -> None:
        with self._facets:
            for facet in answer.facets:
                if facet.name not in {"quantization", "license"}:
                    continue
                with block("stock-row stock-wrap stock-tight"):
                    put(self._visit.text(f"stock.facet.{facet.name}"), "rkd-soft")
                    for one in facet.values[:MOST_FACETS]:
                        said = f"{shown(one.value, 60)} ({one.count})"
                        narrow = partial(self._narrow, facet.name, one.value)
                        ui.button(said, on_click=narrow).props("flat dense no-caps")

    def _card(self, one: Repository) -> None:
        text = self._visit.text
        with block("rkd-card stock-result", "li") as card:
            card.props["data-repository"] = one.id
            with block("stock-row stock-wrap"):
                name = put(shown(one.id, LONGEST), "stock-open rkd-foreign", "button")
                name.props["type"] = "button"
                name.on("click", partial(self._open, one.id))
                for format_ in one.formats:
                    put(format_.upper(), "stock-badge")
                if one.gated:
                    put(text("stock.gate.gated"), "stock-badge stock-badge-warn")
            put(" · ".join(_facts(self._visit, one)), "rkd-soft rkd-foreign")
            kinds = [shown(kind, 40) for kind in one.quantizations[:MOST_KINDS]]
            if len(one.quantizations) > MOST_KINDS:
                kinds.append("…")
            put(" ".join(kinds), "rkd-soft rkd-foreign stock-small")


def _facts(visit: Visit, one: Repository) -> list[str]:
    sizes = [figures.size(one.min_size_bytes), figures.size(one.max_size_bytes)]
    facts = [
        visit.text("stock.fact.downloads", count=figures.tally(one.downloads)),
        visit.text("stock.fact.likes", count=figures.tally(one.likes)),
    ]
    if one.parameters:
        facts.append(visit.text("stock.fact.of_parameters", count=figures.count(one.parameters)))
    if one.max_size_bytes:
        facts.append(sizes[0] if sizes[0] == sizes[1] else f" {figures.NOTHING} ".join(sizes))
    if one.license:
        facts.append(shown(one.license, 60))
    if one.updated is not None:
        facts.append(visit.text("stock.fact.updated", day=figures.day(one.updated)))
    return facts
