"""One model, in a dialog: what it is, what can be done with it, its Modelfile."""

from __future__ import annotations

from functools import partial
from typing import Final

from nicegui import ui
from rkd_client.errors import RkdError
from rkd_client.v1.models import ShowResponse
from rkd_client.v1.types import WeightsFile

from rkd.access.role import Role
from rkd_console.pages.stock import figures
from rkd_console.pages.stock.asking import Asking
from rkd_console.pages.stock.editor import ModelfileEditor
from rkd_console.pages.stock.parts import act, block, button, dialog, in_words, put
from rkd_console.pages.stock.shelf import ShelfRow
from rkd_console.safe import shown
from rkd_console.visit import Visit

LONGEST: Final = 300
MOST_TEXT: Final = 60_000
"""Characters of a Modelfile that are shown; the rest is on the board."""


class About:
    """The dialog of one page; `open` shows a model in it."""

    def __init__(self, visit: Visit) -> None:
        self._visit = visit
        self._name = ""
        self._asking = Asking(visit, self._again)
        with (
            dialog(visit.text("stock.about"), persistent=True) as self._dialog,
            block("rkd-card stock-dialog"),
        ):
            with block("stock-row"):
                self._title = put("", "stock-heading rkd-foreign", "h2")
                ui.space()
                act("close", visit.text("stock.close"), self._dialog.close)
            self._inside = block("stock-column")

    def open(self, row: ShelfRow, *, editing: bool = False) -> None:
        """Show the model of *row*; *editing* begins with its Modelfile."""
        self._name = row.name
        self._title.text = shown(row.name, LONGEST)
        self._inside.clear()
        with self._inside:
            put(self._visit.text("stock.looking"), "rkd-soft")
        self._dialog.open()
        self._visit.task(self._fill(row.name, editing=editing))

    async def do(self, what: str, name: str) -> None:
        """Load, unload, pin or unpin *name*."""
        client = self._visit.client
        match what:
            case "load":
                await client.load(name).result()
            case "unload":
                await client.unload(name)
            case "pin":
                await client.pin(name)
            case _:
                await client.unpin(name)
        self._visit.feed.refresh("residents")

    def _again(self) -> None:
        self._visit.task(self._fill(self._name, editing=False))

    def _gone(self) -> None:
        self._dialog.close()

    async def _fill(self, name: str, *, editing: bool) -> None:
        try:
            told = await self._visit.client.show(name)
        except RkdError as error:
            self._inside.clear()
            with self._inside:
                put(in_words(error), "rkd-bad rkd-foreign")
            return
        if name != self._name:  # somebody looks at another one meanwhile
            return
        self._inside.clear()
        with self._inside:
            if editing and ModelfileEditor.can(told):
                self._mend(told)
            else:
                self._facts(told)
                self._acts(told)
                self._modelfile(told)

    def _mend(self, told: ShowResponse) -> None:
        if told.summary.reason:
            put(shown(told.summary.reason, LONGEST), "rkd-warn rkd-foreign")
        if told.summary.state == "needs_modelfile":
            self._asking.mend(told)
        ModelfileEditor(self._visit, told, self._again)

    def _facts(self, told: ShowResponse) -> None:
        text = self._visit.text
        if told.summary.reason:
            put(shown(told.summary.reason, LONGEST), "rkd-warn rkd-foreign")
        with block("stock-facts", "dl"):
            for key, value in _facts_of(told):
                put(text(f"stock.fact.{key}"), "rkd-soft", "dt")
                put(shown(value, LONGEST), "rkd-foreign", "dd")

    def _acts(self, told: ShowResponse) -> None:
        name, text = told.summary.name, self._visit.text
        with block("stock-row stock-wrap"):
            if self._visit.may(Role.GENERATE) and told.summary.state == "ready":
                button(text("stock.do.load"), partial(self._task, "load", name), "play_arrow")
            if not self._visit.may(Role.MANAGE):
                return
            for what, icon in (("unload", "eject"), ("pin", "bookmark")):
                button(text(f"stock.do.{what}"), partial(self._task, what, name), icon).props(
                    "flat"
                )
            copy = partial(self._asking.copy, name)
            button(text("stock.do.copy"), copy, "content_copy").props("flat")
            push = partial(self._asking.push, name)
            button(text("stock.do.push"), push, "cloud_upload").props("flat")
            delete = partial(self._asking.delete, told.summary, self._gone)
            bad = button(text("stock.do.delete"), delete, "delete").props("flat")
            bad.classes("rkd-bad")

    def _task(self, what: str, name: str) -> None:
        self._visit.task(self.do(what, name))

    def _modelfile(self, told: ShowResponse) -> None:
        text = self._visit.text
        with block("stock-row"):
            put(text("stock.modelfile"), "stock-heading", "h3")
            ui.space()
            if self._visit.may(Role.MANAGE) and ModelfileEditor.can(told):
                edit = partial(self._edit, told.summary.name)
                button(text("stock.edit"), edit, "edit").props("flat")
        if told.modelfile_derived:
            put(text("stock.modelfile.derived"), "rkd-soft")
        code = put(shown(told.modelfile, MOST_TEXT), "rkd-code rkd-foreign stock-text", "pre")
        code.props["tabindex"] = 0

    def _edit(self, name: str) -> None:
        self._visit.task(self._fill(name, editing=True))


def _facts_of(told: ShowResponse) -> list[tuple[str, str]]:
    one = told.summary
    facts = [
        ("size", figures.size(one.size_bytes)),
        ("format", " + ".join(one.formats)),
        ("quantization", one.quantization),
        ("parameters", figures.count(one.parameters)),
        ("architecture", one.architecture),
        ("context", str(one.context_tokens or "")),
        ("capabilities", ", ".join(told.capabilities)),
        (
            "files",
            ", ".join(f"{file.name} ({figures.size(file.size_bytes)})" for file in _files(told)),
        ),
        ("origin", f"{told.repository} {told.revision[:12]}".strip()),
        ("tokenizer", told.huggingface_path),
        ("changed", figures.day(one.modified)),
    ]
    return [(key, value) for key, value in facts if value and value != figures.NOTHING]


def _files(told: ShowResponse) -> tuple[WeightsFile, ...]:
    return (*told.weights[:10], *((told.projector,) if told.projector.name else ()))
