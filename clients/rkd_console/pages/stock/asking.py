"""What is asked before a model is copied, pushed, mended or deleted."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from nicegui import ui
from rkd_client.errors import PreconditionError
from rkd_client.v1.models import ShowResponse
from rkd_client.v1.types import ModelSummary

from rkd_console.pages.stock import figures
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


class Asking:
    """
    One dialog for all questions of a page.

    Args:
        visit: the page.
        changed: called when a model was changed.
    """

    def __init__(self, visit: Visit, changed: Callable[[], None]) -> None:
        self._visit, self._changed = visit, changed
        with dialog(visit.text("stock.question")) as self._dialog:
            self._box = block("rkd-card stock-ask")

    def copy(self, name: str) -> None:
        """Ask what the copy of *name* is called."""
        text = self._visit.text
        self._ask(text("stock.copy.title", model=shown(name, LONGEST)))
        with (
            self._box,
            form(lambda given: self._visit.task(self._copy(name, given)), "stock-column"),
        ):
            field(text("stock.copy.to"), "to", required=True, maxlength=128, autofocus=True)
            check(text("stock.replace"), "replace")
            self._answers(text("stock.do.copy"))

    def push(self, name: str) -> None:
        """Ask where *name* is sent to."""
        text = self._visit.text
        self._ask(text("stock.push.title", model=shown(name, LONGEST)))
        with (
            self._box,
            form(lambda given: self._visit.task(self._push(name, given)), "stock-column"),
        ):
            field(
                text("stock.push.to"), "to", required=True, placeholder="user/repo", autofocus=True
            )
            field(text("stock.push.message"), "message", maxlength=500)
            check(text("stock.push.private"), "private")
            self._answers(text("stock.do.push"))

    def delete(self, model: ModelSummary, gone: Callable[[], None]) -> None:
        """Ask whether *model* is deleted; *gone* is called when it was."""
        self._delete(model, gone, drain=False)

    def mend(self, told: ShowResponse) -> None:
        """Offer to write the Modelfile that a folder lacks; rkllama's `run NAME FILE HF_REPO`."""
        text, file = self._visit.text, told.weights[0].name
        with form(lambda given: self._visit.task(self._mend(told, given)), "stock-column"):
            put(text("stock.mend.how", file=shown(file, LONGEST)))
            with block("stock-row stock-wrap"):
                field(text("stock.mend.from"), "from", placeholder="user/repo", maxlength=300)
                submit(text("stock.mend.write"), "build")

    def _ask(self, said: str) -> None:
        self._box.clear()
        with self._box:
            put(said, "stock-heading rkd-foreign", "h2")
        self._dialog.open()

    def _answers(self, yes: str) -> None:
        with block("stock-row"):
            submit(yes)
            button(self._visit.text("stock.back"), self._dialog.close).props("flat")

    def _delete(self, model: ModelSummary, gone: Callable[[], None], *, drain: bool) -> None:
        text, name = self._visit.text, shown(model.name, LONGEST)
        self._ask(text("stock.delete.title", model=name))
        with self._box:
            size = figures.size(model.size_bytes)
            put(text("stock.delete.busy" if drain else "stock.delete.sure", size=size))
            with block("stock-row"):
                yes = text("stock.delete.drain" if drain else "stock.do.delete")
                work = partial(self._deleting, model, gone, drain=drain)
                button(yes, work, "delete").props("color=negative")
                button(text("stock.keep.it"), self._dialog.close).props("flat autofocus")

    def _deleting(self, model: ModelSummary, gone: Callable[[], None], *, drain: bool) -> None:
        self._visit.task(self._gone(model, gone, drain=drain))

    async def _gone(self, model: ModelSummary, gone: Callable[[], None], *, drain: bool) -> None:
        try:
            answer = await self._visit.client.delete(model.name, drain=drain)
        except PreconditionError as error:
            if error.reason != "MODEL_BUSY" or drain:
                raise
            self._delete(model, gone, drain=True)
            return
        self._dialog.close()
        gone()
        freed = figures.size(answer.freed_bytes)
        said = self._visit.text("stock.deleted", model=shown(model.name, LONGEST), size=freed)
        ui.notify(said, type="positive")

    async def _copy(self, name: str, given: Given) -> None:
        to = given.get("to", "").strip()
        await self._visit.client.copy(name, to, replace="replace" in given)
        self._dialog.close()
        ui.notify(self._visit.text("stock.copied", model=shown(to, LONGEST)), type="positive")

    async def _push(self, name: str, given: Given) -> None:
        to, message = given.get("to", "").strip(), given.get("message", "")
        private = "private" in given
        asked = self._visit.client.push(name, to, private=private, message=message, detach=True)
        await asked.result()
        self._dialog.close()
        self._visit.feed.refresh("operations")
        ui.notify(self._visit.text("stock.pushing", where=shown(to, LONGEST)), type="info")

    async def _mend(self, told: ShowResponse, given: Given) -> None:
        name, file = told.summary.name, told.weights[0].name
        origin = given.get("from", "").strip()
        asked = self._visit.client.create(name, existing_file=file, huggingface_path=origin)
        last = await asked.result()
        for warning in last.warnings[:5]:
            ui.notify(shown(warning, LONGEST), type="warning", multi_line=True)
        ui.notify(self._visit.text("stock.saved"), type="positive")
        self._changed()
