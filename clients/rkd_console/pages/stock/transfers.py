"""Downloads, uploads and creates on a page: a bar each, with what can be done with it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final
from urllib.parse import quote

from nicegui import ui
from rkd_client.v1.types import Operation

from rkd.access.role import Role
from rkd_console.feed import Change
from rkd_console.pages.stock import figures
from rkd_console.pages.stock.parts import act, block, put, section
from rkd_console.pages.stock.progress import Doing, OperationShown, chosen, told
from rkd_console.safe import shown
from rkd_console.visit import Visit

ICONS: Final[dict[Doing, str]] = {
    "pause": "pause",
    "resume": "play_arrow",
    "cancel": "close",
    "dismiss": "done",
}
LONGEST: Final = 300
_STEPS: Final = 1000


class Transfers:
    """
    The operations of some kinds, as long as they go on, and those that ended while looked at.

    Args:
        visit: the page.
        kinds: `pull`, `push`, `create`.
        seen: ids of operations that are shown though they have ended; of all lists of the page.
        settle: asks under which name an operation is tried again that found its own taken.
    """

    def __init__(
        self,
        visit: Visit,
        kinds: frozenset[str],
        seen: dict[str, None] | None = None,
        settle: Callable[[Operation], None] | None = None,
    ) -> None:
        self._settle = settle
        self._visit, self._kinds = visit, kinds
        self._seen = {} if seen is None else seen
        self._rows: dict[str, _Transfer] = {}
        self._section = section(visit.text("stock.transfers"), "stock-transfers")
        self._section.set_visibility(False)
        with self._section:
            self._list = ui.element("ul").classes("stock-list")
        visit.listen(self._changed)
        self._show()

    def _changed(self, change: Change) -> None:
        if change == "operations":
            self._show()

    def _show(self) -> None:
        wanted = chosen(self._visit.feed.operations, self._kinds, self._seen)
        self._seen.update({one.id: None for one in wanted})
        if list(self._rows) != [one.id for one in wanted]:
            self._list.clear()
            with self._list:
                self._rows = {
                    one.id: _Transfer(self._visit, self._drop, self._settle) for one in wanted
                }
        for one in wanted:
            self._rows[one.id].show(one)
        self._section.set_visibility(bool(wanted))

    def _drop(self, operation: str) -> None:
        self._seen.pop(operation, None)
        self._visit.feed.refresh("operations")


class _Transfer:
    """One of them."""

    def __init__(
        self,
        visit: Visit,
        drop: Callable[[str], None],
        settle: Callable[[Operation], None] | None,
    ) -> None:
        self._visit, self._drop, self._settle = visit, drop, settle
        self._told: OperationShown | None = None
        with ui.element("li").classes("rkd-card stock-transfer") as self._item:
            with block("stock-row"):
                self._title = put("", "stock-strong rkd-foreign")
                ui.space()
                self._buttons = block("stock-row stock-tight")
            self._bar = ui.element("progress").props(f"max={_STEPS}").classes("stock-bar")
            self._line = put("", "rkd-soft rkd-foreign")
            self._trouble = put("", "rkd-bad rkd-foreign")

    def show(self, operation: Operation) -> None:
        """Show how it is now."""
        now = told(operation)
        if now == self._told:
            return
        before, self._told = self._told, now
        self._item.props.update({"data-operation": now.id, "data-state": now.state})
        self._title.text = shown(now.title, LONGEST)
        self._bar.props["aria-label"] = shown(now.title, LONGEST)
        if now.fraction is None:
            self._bar.props(remove="value")
        else:
            self._bar.props["value"] = round(now.fraction * _STEPS)
        self._line.text = self._words(now)
        self._trouble.text = shown(f"{now.trouble} {now.remedy}".strip(), LONGEST * 4)
        self._trouble.set_visibility(bool(now.trouble))
        if before is None or before.doings != now.doings or before.state != now.state:
            self._offer(now, operation)

    def _words(self, now: OperationShown) -> str:
        text = self._visit.text
        known = now.total != figures.NOTHING
        parts = [text(f"stock.state.{now.state or 'pending'}")]
        if now.state == "running":
            parts = [text(f"stock.stage.{now.stage}") if now.stage else shown(now.words, LONGEST)]
        if known and now.state != "succeeded":
            parts.append(text("stock.of", done=now.done, total=now.total))
        elif now.state == "succeeded" and known:
            parts.append(now.total)
        if now.rate:
            parts.append(now.rate)
        if now.left:
            parts.append(text("stock.left", time=now.left))
        return " · ".join(one for one in parts if one)

    def _offer(self, now: OperationShown, operation: Operation) -> None:
        self._buttons.clear()
        with self._buttons:
            if now.state == "succeeded" and operation.kind != "push":
                address = f"/models?model={quote(operation.model, safe='')}"
                ui.link(self._visit.text("stock.open"), address).classes("stock-touch")
            if not self._visit.may(Role.MANAGE):
                return
            if operation.error_reason == "MODEL_EXISTS" and self._settle is not None:
                said = self._visit.text("stock.settle")
                settle = partial(self._settle, operation)
                act("edit", f"{said}: {shown(now.title, LONGEST)}", settle)
            for doing in now.doings:
                said = self._visit.text(f"stock.doing.{doing}")
                act(ICONS[doing], f"{said}: {shown(now.title, LONGEST)}", partial(self._do, doing))

    def _do(self, doing: Doing) -> None:
        if self._told is not None and doing == "dismiss":
            self._drop(self._told.id)
        elif self._told is not None:
            self._visit.task(self._ask(doing, self._told.id))

    async def _ask(self, doing: Doing, operation: str) -> None:
        client = self._visit.client
        match doing:
            case "pause":
                await client.pause_operation(operation)
            case "resume":
                await client.resume_operation(operation)
            case _:
                await client.cancel_operation(operation)
        self._visit.feed.refresh("operations")
