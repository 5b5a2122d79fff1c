"""Begins downloads, and asks where a name is taken."""

from __future__ import annotations

from typing import Final

from nicegui import ui
from rkd_client.errors import AlreadyExistsError
from rkd_client.v1.types import Operation

from rkd_console.pages.stock.parts import (
    Given,
    block,
    button,
    check,
    dialog,
    field,
    form,
    put,
    submit,
)
from rkd_console.safe import shown
from rkd_console.visit import Visit

LONGEST: Final = 300


class Pulling:
    """
    The downloads of one page.

    Args:
        visit: the page.
        seen: gets the ids of downloads begun here.
    """

    def __init__(self, visit: Visit, seen: dict[str, None]) -> None:
        self._visit, self._seen = visit, seen
        with dialog(visit.text("stock.question")) as self._asking:
            self._question = block("rkd-card stock-ask")

    def begin(self, source: str, revision: str = "") -> None:
        """Download *source*, `user/repo:QUANT` or a link."""
        self._visit.task(self._pull(source, revision))

    def settle(self, operation: Operation) -> None:
        """Ask under which name *operation* is tried again: its own is taken."""
        self._ask(operation.source, "", operation.error_message)

    async def _pull(
        self, source: str, revision: str, name: str = "", *, replace: bool = False
    ) -> None:
        asked = self._visit.client.pull(
            source, name=name, revision=revision, replace=replace, detach=True
        )
        try:
            began = await asked.result()
        except AlreadyExistsError as error:
            self._ask(source, revision, error.message)
            return
        self._asking.close()
        self._seen[began.operation.id] = None  # it may end before anybody sees it go
        self._visit.feed.refresh("operations")
        what = began.operation.model or began.operation.source or source
        ui.notify(self._visit.text("stock.begun", what=shown(what, LONGEST)), type="info")

    def _ask(self, source: str, revision: str, why: str) -> None:
        text = self._visit.text

        def take(given: Given) -> None:
            name, replace = given.get("name", "").strip(), "replace" in given
            self._visit.task(self._pull(source, revision, name, replace=replace))

        self._question.clear()
        with self._question, form(take, "stock-column"):
            put(shown(why, LONGEST), "rkd-foreign")
            field(text("stock.other_name"), "name", maxlength=128)
            check(text("stock.replace"), "replace")
            with block("stock-row"):
                submit(text("stock.download"), "download")
                button(text("stock.back"), self._asking.close).props("flat")
        self._asking.open()
