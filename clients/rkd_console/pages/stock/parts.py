"""
Small parts that the pages of models share.

Forms are the browser's own: one event brings what stands in all of their fields.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from nicegui import ui
from nicegui.element import Element
from nicegui.elements.mixins.text_element import TextElement
from nicegui.events import GenericEventArguments
from rkd_client.errors import RkdError

from rkd_console.elements import named, words
from rkd_console.safe import shown

LONGEST_FIELD: Final = 4_000
_TAKE: Final = (
    "(e) => { e.preventDefault(); emit(Object.fromEntries("
    "[...new FormData(e.target)].filter((pair) => typeof pair[1] === 'string'))); }"
)
_TOLD: Final = "(e) => emit(e.target.value)"
VALUE: Final = ".value"
"""
What a field begins with, as Vue takes it when it changes here; a plain `value` is put back at every
change of the page, whatever somebody typed meanwhile.
"""

Given = dict[str, str]


def put(text: str = "", classes: str = "", tag: str = "span") -> TextElement:
    """Write text in a tag; what comes from outside has passed `safe.shown` before."""
    return words(tag, text, classes)


def section(said: str, classes: str = "") -> Element:
    """Begin a part of the page headed by *said*."""
    made = ui.element("section").classes(f"stock-section {classes}")
    made.props["aria-label"] = said
    with made:
        put(said, "stock-heading", "h2")
    return made


def block(classes: str, tag: str = "div") -> Element:
    """Begin a box."""
    return ui.element(tag).classes(classes)


def dialog(said: str, *, persistent: bool = False) -> ui.dialog:
    """
    Make a dialog called *said*.

    It does not move while it opens: an editor in it measures itself at once.
    """
    made = ui.dialog().props("transition-duration=0")
    made.props["persistent"] = persistent
    named(made, said)
    return made


def act(icon: str, said: str, work: Callable[[], Any]) -> ui.button:
    """Offer *work* behind an icon whose name is *said*."""
    button = ui.button(icon=icon, on_click=work).props("flat round dense").classes("stock-touch")
    button.props["title"] = said
    named(button, said)
    return button


def button(said: str, work: Callable[[], Any] | None = None, icon: str | None = None) -> ui.button:
    """Offer *work* by its name."""
    made = ui.button(said, on_click=work, icon=icon).props("no-caps unelevated")
    named(made, said)
    return made.classes("stock-touch")


def form(take: Callable[[Given], Any], classes: str = "") -> Element:
    """Begin a form; *take* gets its fields by their names, each at most `LONGEST_FIELD` long."""
    made = ui.element("form").classes(classes)
    made.on("submit", lambda event: take(_given(event)), js_handler=_TAKE)
    return made


def submit(said: str, icon: str | None = None) -> ui.button:
    """Write the button that sends the form it stands in."""
    return button(said, icon=icon).props("type=submit")


def field(said: str, name: str, value: str = "", **props: object) -> Element:
    """Write a field of a form, with the attributes *props* of an `<input>`."""
    with block("stock-field", "label"):
        put(said, "rkd-soft")
        made = ui.element("input")
        made.props.update({"name": name, VALUE: value, "autocomplete": "off", **props})
    return made


def choice(said: str, name: str, options: Mapping[str, str], value: str = "") -> Element:
    """Write a choice between *options*, texts by their values."""
    with block("stock-field", "label"):
        put(said, "rkd-soft")
        made = ui.element("select")
        made.props.update({"name": name, VALUE: value})
        with made:
            for one, text in options.items():
                option = put(text, tag="option")
                option.props["value"] = one
                if one == value:
                    option.props["^selected"] = ""  # where a form that is cleared goes back to
    return made


def suggested(said: str, name: str, options: Iterable[str], **props: object) -> Element:
    """Write a field of a form that suggests *options* and takes others as well."""
    made = field(said, name, "", list=f"stock-{name}", **props)
    with ui.element("datalist") as known:
        known.props["id"] = f"stock-{name}"
        for one in options:
            ui.element("option").props["value"] = one
    return made


def in_words(error: RkdError) -> str:
    """Say what went wrong and what to do, as text that can be shown."""
    return shown(f"{error.message} {error.remedy}".strip(), LONGEST_FIELD)


def check(said: str, name: str) -> Element:
    """Write a box to tick; ticked, its value is `on`."""
    with block("stock-check", "label"):
        made = ui.element("input")
        made.props.update({"name": name, "type": "checkbox"})
        put(said)
    return made


def when_changed(element: Element, take: Callable[[str], Any], event: str = "change") -> Element:
    """Call *take* with the value of a field that somebody changes, at most thrice a second."""
    element.on(event, lambda told: take(_text(told.args)), js_handler=_TOLD, throttle=0.3)
    return element


def _given(event: GenericEventArguments) -> Given:
    told = event.args if isinstance(event.args, dict) else {}
    return {str(name): _text(value) for name, value in list(told.items())[:100]}


def _text(value: object) -> str:
    return value[:LONGEST_FIELD] if isinstance(value, str) else ""
