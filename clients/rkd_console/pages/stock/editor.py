"""A Modelfile edited on the page: its problems marked at their places while somebody writes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Final

from nicegui import ui
from rkd_client.errors import RkdError
from rkd_client.v1.models import ShowResponse

from rkd_console.pages.stock.beginnings import file_meant, first_text
from rkd_console.pages.stock.bell import script
from rkd_console.pages.stock.marks import MOST_SIGNS, Mark, decorations, in_editor, marks_of
from rkd_console.pages.stock.parts import act, block, button, in_words, put
from rkd_console.safe import shown as safely
from rkd_console.visit import Visit

PAUSE_S: Final = 0.3
"""After the last key, before the text is judged."""

LONGEST: Final = 400


class ModelfileEditor:
    """
    An editor for the Modelfile of one model.

    Args:
        visit: the page.
        told: the model.
        done: called when it was saved or given up.
    """

    def __init__(self, visit: Visit, told: ShowResponse, done: Callable[[], None]) -> None:
        self._visit, self._told, self._done = visit, told, done
        self._text = in_editor(first_text(told))
        self._due: asyncio.Task[None] | None = None
        said = visit.text("stock.modelfile.of", model=safely(told.summary.name, LONGEST))
        with block("stock-editor") as around:
            self._editor = ui.codemirror(self._text, line_wrapping=True, on_change=self._written)
            self._editor.classes("stock-code")
            put(visit.text("stock.modelfile.leave"), "rkd-soft stock-small")
            self._list = block("stock-problems", "ul")
            self._list.props.update({"aria-live": "polite", "aria-label": visit.text("stock.lint")})
            self._trouble = put("", "rkd-bad rkd-foreign")
            self._trouble.props["role"] = "alert"
            with block("stock-row"):
                self._save = button(visit.text("stock.save"), self._saved, "save")
                button(visit.text("stock.back"), done).props("flat")
        around.props["data-editor"] = told.summary.name
        dress = f"rkdStockEditor({self._editor.id}, {script(said)})"
        ui.run_javascript(dress)
        visit.task(self._judge(0.0))

    @classmethod
    def can(cls, told: ShowResponse) -> bool:
        """Tell whether *told*'s Modelfile can be edited here."""
        return bool(told.weights) and len(told.modelfile) <= MOST_SIGNS

    def _written(self) -> None:
        self._text = (self._editor.value or "")[: MOST_SIGNS + 1]
        if self._due is not None:
            self._due.cancel()
        self._due = self._visit.task(self._judge(PAUSE_S))

    async def _judge(self, pause_s: float) -> None:
        await asyncio.sleep(pause_s)
        text = self._text
        marks = await asyncio.to_thread(marks_of, text)
        if text == self._text:
            self._show(marks)

    def _show(self, marks: tuple[Mark, ...]) -> None:
        self._editor.decorations = decorations(marks)
        self._list.clear()
        with self._list:
            for mark in marks:
                _problem(self._visit, mark, partial(self._editor.reveal_line, mark.line))
        self._save.set_enabled(not any(mark.is_error for mark in marks))

    def _saved(self) -> None:
        self._visit.task(self._send())

    async def _send(self) -> None:
        self._save.set_enabled(False)
        self._trouble.text = ""
        name, text = self._told.summary.name, self._text
        file = file_meant(text, self._told)
        asked = self._visit.client.create(name, text, existing_file=file, replace=True)
        try:
            last = await asked.result()
        except RkdError as error:
            self._trouble.text = in_words(error)
            self._save.set_enabled(True)
            return
        for warning in last.warnings[:5]:
            ui.notify(safely(warning, LONGEST), type="warning", multi_line=True)
        ui.notify(self._visit.text("stock.saved"), type="positive")
        self._done()


def _problem(visit: Visit, mark: Mark, show: Callable[[], None]) -> None:
    kind = "error" if mark.is_error else "warning"
    with block(f"stock-row stock-problem stock-is-{kind}", "li"):
        place = visit.text("stock.place", line=mark.line, column=mark.column)
        act("my_location", place, show)
        put(f"{place} · {visit.text(f'stock.mark.{kind}')}:", "stock-strong")
        put(safely(mark.message, LONGEST), "rkd-foreign")
