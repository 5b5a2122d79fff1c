"""Models on the Hub: found, judged for this board, fetched."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from urllib.parse import parse_qs

from nicegui import ui
from rkd_client.errors import RkdError

from rkd_console.pages.stock.findings import Findings
from rkd_console.pages.stock.offer import Offer
from rkd_console.pages.stock.parts import in_words
from rkd_console.pages.stock.pulling import Pulling
from rkd_console.pages.stock.query import Form, Place, asked, place_in
from rkd_console.pages.stock.search_form import SearchForm
from rkd_console.pages.stock.transfers import Transfers
from rkd_console.visit import Visit


def build(visit: Visit) -> None:
    """Build the page."""
    Hub(visit)


class Hub:
    """The page of one visit."""

    def __init__(self, visit: Visit) -> None:
        self._visit = visit
        self._form = Form()
        self._next = ""
        self._asked = 0
        self._fields = SearchForm(visit, self._search)
        seen: dict[str, None] = {}
        pulling = Pulling(visit, seen)
        transfers = partial(Transfers, visit, frozenset({"pull"}), seen, pulling.settle)
        transfers()
        self._results = Findings(visit, open_=self._open, more=self._more, narrow=self._narrow)
        self._offer = Offer(visit, pulling, transfers)
        query = str(ui.context.client.request.url.query)[:2000]
        place = place_in(parse_qs(query).get("repo", [""])[0])
        if place is not None:
            self._offer.open(place)

    def _search(self, form: Form) -> None:
        place = place_in(form.words)
        if place is not None:
            self._offer.open(place)
            return
        self._form, self._next = form, ""
        self._results.wait()
        self._visit.task(self._find(behind=False))

    def _more(self) -> None:
        if self._next:
            self._results.wait()
            self._visit.task(self._find(behind=True))

    def _narrow(self, name: str, value: str) -> None:
        self._fields.narrow(name, value)
        form = self._form
        if name == "quantization":
            self._search(replace(form, quantization=value))
        else:
            self._search(replace(form, license=value))

    async def _find(self, *, behind: bool) -> None:
        self._asked += 1
        mine = self._asked
        try:
            answer = await self._visit.client.search(**asked(self._form, self._next))
        except RkdError as error:
            if mine == self._asked:
                self._results.clear(in_words(error))
            return
        if mine != self._asked:  # another search was asked for meanwhile
            return
        self._next = answer.next_page_token
        self._results.show(answer, behind=behind)

    def _open(self, repository: str) -> None:
        self._offer.open(Place(repository, "", repository, chosen=False))
