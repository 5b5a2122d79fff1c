"""Files dropped on the page: asked about, brought to the board, made a model of."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from nicegui import ui
from nicegui.element import Element
from nicegui.events import GenericEventArguments
from rkd_client.errors import RkdError

from rkd_console.pages.stock import figures
from rkd_console.pages.stock.drops import Dropped, Plan, planned
from rkd_console.pages.stock.parts import (
    Given,
    act,
    block,
    button,
    check,
    choice,
    dialog,
    field,
    form,
    put,
    submit,
)
from rkd_console.pages.stock.upload_route import ADDRESS
from rkd_console.safe import shown
from rkd_console.visit import Visit

LONGEST: Final = 200
MOST_LISTED: Final = 20
TYPES: Final = ("Q4_K_M", "Q5_K_M", "Q6_K", "Q8_0", "F16")
STAGES: Final = frozenset({"hashing", "sending", "checking"})
_STEPS: Final = 1000


class _Drop(Element, component="drop.js"):  # type: ignore[call-arg]
    """The part in the browser."""


class DropZone:
    """Where files are dropped or chosen, and how far those are that come."""

    def __init__(self, visit: Visit) -> None:
        self._visit = visit
        self._sets: list[_Set] = []
        text = visit.text
        self._drop = _Drop().classes("stock-drop")
        self._drop.props["address"] = ADDRESS
        with self._drop:
            ui.icon("upload_file").props('aria-hidden="true"')
            put(text("stock.drop"))
            button(text("stock.drop.choose"), icon="folder_open").props("outline")
        self._drop.on("dropped", self._dropped)
        self._drop.on("step", self._step)
        self._drop.on("brought", self._brought)
        self._drop.on("broken", self._broken)
        self._rows = block("stock-list", "ul")
        with dialog(text("stock.drop.ask")) as self._dialog:
            self._box = block("rkd-card stock-ask")

    def _dropped(self, event: GenericEventArguments) -> None:
        files = _files_in(event.args)
        plan = planned(files)
        if plan.wrong:
            self._cancel([one.key for one in files])
            said = self._visit.text(f"stock.drop.{plan.wrong}", file=shown(plan.which, LONGEST))
            ui.notify(said, type="negative", multi_line=True)
            return
        self._ask(plan)

    def _ask(self, plan: Plan) -> None:
        text = self._visit.text
        self._box.clear()
        take = partial(self._begin, plan)
        with self._box, form(take, "stock-column"):
            put(text("stock.drop.ask"), "stock-heading", "h2")
            with block("stock-names", "ul"):
                for one in plan.files[:MOST_LISTED]:
                    said = f"{shown(one.name, LONGEST)} · {figures.size(one.size_bytes)}"
                    put(said, "rkd-foreign", "li")
            size = figures.size(plan.size_bytes)
            put(text("stock.drop.sum", count=len(plan.files), size=size), "rkd-soft")
            field(text("stock.drop.name"), "name", plan.model, required=True, maxlength=128)
            types = {"": text("stock.drop.as_it_is"), **{one: one for one in TYPES}}
            choice(text("stock.drop.quantize"), "quantize", types)
            check(text("stock.replace"), "replace")
            put(text("stock.drop.again"), "rkd-soft stock-small")
            with block("stock-row"):
                submit(text("stock.drop.bring"), "upload")
                button(text("stock.back"), partial(self._back, plan)).props("flat")
        self._dialog.open()

    def _back(self, plan: Plan) -> None:
        self._dialog.close()
        self._cancel([one.key for one in plan.files])

    def _begin(self, plan: Plan, given: Given) -> None:
        self._visit.task(self._check(plan, given))

    async def _check(self, plan: Plan, given: Given) -> None:
        """Let the board judge before gigabytes are read and sent."""
        name = given.get("name", "").strip()
        asked: dict[str, Any] = {
            "quantize": given.get("quantize", ""),
            "replace": "replace" in given,
        }
        unread = {_called(plan, one): "" for one in plan.files}
        judged = self._visit.client.create(
            name, plan.modelfile, files=unread, check_only=True, **asked
        )
        async for _ in judged:
            pass
        self._dialog.close()
        with self._rows:
            one = _Set(self._visit, plan, name, asked, self._cancel)
        self._sets.append(one)
        self._drop.run_method("bring", [file.key for file in plan.files])

    def _cancel(self, keys: list[str]) -> None:
        self._sets = [one for one in self._sets if not set(keys) & one.keys]
        self._drop.run_method("cancel", keys)

    def _of(self, event: GenericEventArguments) -> tuple[_Set | None, dict[str, Any]]:
        told = event.args if isinstance(event.args, dict) else {}
        key = str(told.get("key", ""))
        return next((one for one in self._sets if key in one.keys), None), told

    def _step(self, event: GenericEventArguments) -> None:
        one, told = self._of(event)
        if one is not None:
            stage = str(told.get("stage", ""))
            one.step(
                str(told["key"]), stage if stage in STAGES else "sending", _count(told, "done")
            )

    def _brought(self, event: GenericEventArguments) -> None:
        one, told = self._of(event)
        if one is not None and one.brought(str(told["key"]), str(told.get("digest", ""))[:100]):
            self._sets.remove(one)
            self._visit.task(one.make())

    def _broken(self, event: GenericEventArguments) -> None:
        one, told = self._of(event)
        if one is not None:
            self._cancel([key for key in one.keys if key != told["key"]])
            one.broken(str(told.get("message", "")))


class _Set:
    """Files dropped together, on their way."""

    def __init__(
        self, visit: Visit, plan: Plan, name: str, asked: dict[str, Any], cancel: Any
    ) -> None:
        self._visit, self._plan, self._name, self._asked = visit, plan, name, asked
        self._sizes = {one.key: one.size_bytes for one in plan.files}
        self._done: dict[str, tuple[str, int]] = {}
        self._digests: dict[str, str] = {}
        self.keys = frozenset(self._sizes)
        with block("rkd-card stock-transfer", "li") as self._item:
            with block("stock-row"):
                put(shown(name, LONGEST), "stock-strong rkd-foreign")
                ui.space()
                self._stop = act(
                    "close", f"{visit.text('stock.doing.cancel')}: {name}", self._cancelled
                )
            self._bar = ui.element("progress").props(f"max={_STEPS}").classes("stock-bar")
            self._bar.props["aria-label"] = shown(name, LONGEST)
            self._line = put("", "rkd-soft rkd-foreign")
            self._trouble = put("", "rkd-bad rkd-foreign")
        self._item.props["data-upload"] = name
        self._cancel = cancel

    def step(self, key: str, stage: str, done_bytes: int) -> None:
        """Show how far file *key* is."""
        self._done[key] = (stage, min(done_bytes, self._sizes[key]))
        total = self._plan.size_bytes
        # Hashed and sent: each file is read twice, and the bar counts both.
        done = sum(
            at if one == "hashing" else self._sizes[which] + at
            for which, (one, at) in self._done.items()
        )
        if stage == "checking":
            self._bar.props(remove="value")
        else:
            self._bar.props["value"] = round(done / (2 * total) * _STEPS)
        now = self._visit.text(
            "stock.of", done=figures.size(self._done[key][1]), total=figures.size(self._sizes[key])
        )
        file = next(one.name for one in self._plan.files if one.key == key)
        said = self._visit.text(f"stock.upload.{stage}")
        self._line.text = f"{shown(file, LONGEST)} · {said} · {now}"

    def brought(self, key: str, digest: str) -> bool:
        """Note that file *key* is on the board; tells whether all are."""
        self._digests[key] = digest
        self._done[key] = ("sending", self._sizes[key])
        return len(self._digests) == len(self._sizes)

    def broken(self, said: str) -> None:
        """Show what went wrong."""
        self._bar.props["value"] = 0
        self._trouble.text = shown(said, LONGEST * 2)
        self._line.text = self._visit.text("stock.drop.again")

    async def make(self) -> None:
        """Make the model of what was brought."""
        self._stop.set_visibility(False)
        files = {_called(self._plan, one): self._digests[one.key] for one in self._plan.files}
        asked = self._visit.client.create(
            self._name, self._plan.modelfile, files=files, **self._asked
        )
        self._item.delete()  # from here on it is an operation, shown with the others
        try:
            last = await asked.result()
        except RkdError as error:
            self._visit.tell(error)
            return
        for warning in last.warnings[:5]:
            ui.notify(shown(warning, LONGEST), type="warning", multi_line=True)

    def _cancelled(self) -> None:
        self._cancel(list(self.keys))
        self._item.delete()


def _called(plan: Plan, file: Dropped) -> str:
    """Return what Create calls *file*: as FROM says, or its name inside the checkpoint."""
    return f"./{file.name}" if plan.kind == "weights" else file.name


def _files_in(told: object) -> tuple[Dropped, ...]:
    listed = told.get("files") if isinstance(told, dict) else None
    found = []
    for one in listed if isinstance(listed, list) else []:
        if isinstance(one, dict):
            name, key = str(one.get("name", ""))[:1000], str(one.get("key", ""))[:40]
            found.append(Dropped(key, name, _count(one, "size")))
    return tuple(found)


def _count(told: dict[str, Any], name: str) -> int:
    value = told.get(name)
    return max(0, int(value)) if isinstance(value, int | float) else 0
