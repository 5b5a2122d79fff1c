"""How to ask: system prompt, parameters, functions, where to run; a dialog of the page."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

from nicegui import ui
from nicegui.elements.input import Input
from rkd_client.errors import RkdError
from rkd_client.v1.models import ShowResponse

from rkd_console.chat import parameters
from rkd_console.chat.conversation import Wishes
from rkd_console.elements import words
from rkd_console.safe import shown as plainly
from rkd_console.visit import Visit

BACKENDS = ("auto", "npu", "cpu")
THINKING = {"auto": None, "on": True, "off": False}

Use = Callable[[Wishes], Awaitable[None]]


class Panel:
    """
    The dialog; built anew each time it is opened, as what a model can do changes.

    Args:
        visit: whose page it is.
        use: takes what was set.
    """

    def __init__(self, visit: Visit, use: Use) -> None:
        self._visit, self._use = visit, use
        self._fields: dict[str, Input] = {}

    def open(self, settings: Wishes, shown: ShowResponse | None) -> None:
        """Ask for *settings* of the model *shown*."""
        self._fields.clear()
        text = self._visit.text
        with ui.dialog().props("position=right full-height") as dialog, ui.card() as card:
            dialog.props["aria-label"] = text("chat.settings")
            card.classes("chat-panel")
            with ui.element("form").classes("chat-panel-form"):
                words("h2", text("chat.settings"), "chat-panel-title")
                self._system(settings, shown)
                self._where(settings)
                self._numbers(settings, shown)
                self._texts(settings)
            with ui.row().classes("chat-panel-foot"):
                reset = ui.button(text("chat.settings.reset"), on_click=self._reset, color=None)
                reset.props("flat no-caps")
                ui.space()
                done = ui.button(
                    text("chat.settings.done"), on_click=lambda: self._done(dialog), color=None
                )
                done.props("no-caps unelevated").classes("chat-panel-done")
        dialog.on("hide", dialog.delete)
        dialog.open()

    def _system(self, settings: Wishes, shown: ShowResponse | None) -> None:
        text = self._visit.text
        self._prompt = ui.textarea(text("chat.system"), value=settings.system or "")
        own = plainly(shown.system, 300) if shown is not None and shown.system else ""
        hint = f"{text('chat.system.hint')}: {own}" if own else text("chat.system.hint")
        self._prompt.props("outlined autogrow").props["hint"] = hint

    def _where(self, settings: Wishes) -> None:
        text = self._visit.text
        with ui.row().classes("chat-panel-row"):
            self._backend = ui.select(
                {one: text(f"chat.backend.{one}") for one in BACKENDS},
                label=text("chat.backend"),
                value=settings.backend or "auto",
            ).props("outlined dense")
            now = next(name for name, said in THINKING.items() if said is settings.thinking)
            self._thinking = ui.select(
                {one: text(f"chat.thinking.{one}") for one in THINKING},
                label=text("chat.thinking"),
                value=now,
            ).props("outlined dense")

    def _numbers(self, settings: Wishes, shown: ShowResponse | None) -> None:
        text = self._visit.text
        words("h2", text("chat.parameters"), "chat-panel-title")
        with ui.element("div").classes("chat-panel-grid"):
            for one in parameters.fields(shown, settings.backend):
                value = settings.parameters.get(one.name)
                typed = "" if value is None else f"{value:g}" if value % 1 else str(int(value))
                field = ui.input(one.name, value=typed)
                field.props("outlined dense inputmode=decimal autocomplete=off")
                default = text("chat.default", value=one.default) if one.default else ""
                field.props["placeholder"] = one.default
                hints = [one.span, default, plainly(one.refusal, 200)]
                field.props["hint"] = " · ".join(part for part in hints if part)
                self._fields[one.name] = field

    def _texts(self, settings: Wishes) -> None:
        text = self._visit.text
        self._stop = ui.textarea(text("chat.stop_texts"), value="\n".join(settings.stop))
        self._stop.props("outlined autogrow")
        self._tools = ui.textarea(text("chat.ask_functions"), value=settings.tools_json)
        self._tools.props("outlined autogrow").classes("chat-panel-json")

    def _reset(self) -> None:
        for field in (*self._fields.values(), self._prompt, self._stop):
            field.set_value("")
        self._backend.set_value("auto")
        self._thinking.set_value("auto")

    async def _done(self, dialog: ui.dialog) -> None:
        try:
            numbers = {
                name: parameters.value_of(name, str(field.value or ""))
                for name, field in self._fields.items()
            }
            await self._use(self._settings(numbers))
        except RkdError as error:
            self._visit.tell(error)
            return
        dialog.close()

    def _settings(self, numbers: dict[str, float | None]) -> Wishes:
        backend = str(self._backend.value)
        stops = [line for line in str(self._stop.value or "").split("\n") if line]
        made = Wishes(
            system=str(self._prompt.value or "") or None,
            parameters={name: value for name, value in numbers.items() if value is not None},
            stop=tuple(one[:512] for one in stops[:16]),
            tools_json=str(self._tools.value or ""),
            thinking=THINKING[str(self._thinking.value)],
        )
        return replace(
            made, backend="npu" if backend == "npu" else "cpu" if backend == "cpu" else ""
        )
