"""Elements every page needs, with the names and roles that people who do not see need."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement

Item = TypeVar("Item")


def words(tag: str, text: str, classes: str = "") -> TextElement:
    """Return an HTML element *tag* that holds *text*, as text."""
    return TextElement(tag=tag, text=text).classes(classes)


def named(element: ui.element, name: str) -> ui.element:
    """Give *element* the *name* that a screen reader says."""
    element.props["aria-label"] = name
    return element


def card(title: str) -> ui.element:
    """Return a section with a heading, as a place to build in."""
    section = ui.element("section").classes("rkd-card")
    with section:
        words("h2", title, "rkd-heading")
    return named(section, title)


class Meter:
    """A bar from 0 to 1 with a text beside it, read aloud by its name."""

    def __init__(self, name: str) -> None:
        with ui.element("div").classes("rkd-meter"):
            self._name = words("span", name, "rkd-foreign")
            self._bar = ui.element("meter").props('min="0" max="1" value="0"')
            named(self._bar, name)
            self._said = words("span", "", "rkd-figure")

    def call(self, name: str) -> None:
        """Give it another name."""
        if self._name.text != name:
            self._name.text = name
            named(self._bar, name)
            self._bar.update()

    def warn(self, *, on: bool) -> None:
        """Show that it is too much."""
        self._said.classes(add="rkd-bad") if on else self._said.classes(remove="rkd-bad")

    def show(self, part: float, said: str) -> None:
        """Fill *part* of the bar and say *said*."""
        value = f"{min(1.0, max(0.0, part)):.3f}"
        if self._bar.props.get("value") != value:
            self._bar.props["value"] = value
            self._bar.update()
        self._said.text = said


class Facts:
    """A list of names and what they are, each kept in its place."""

    def __init__(self, names: Iterable[str]) -> None:
        self._values: list[TextElement] = []
        self._rows: list[ui.element] = []
        with ui.element("dl").classes("rkd-facts"):
            for name in names:
                with ui.element("div") as row:
                    words("dt", name)
                    self._values.append(words("dd", "", "rkd-foreign"))
                self._rows.append(row)

    def show(self, values: Iterable[str]) -> None:
        """Say what each is; what is empty is left out."""
        for element, row, value in zip(self._values, self._rows, values, strict=True):
            element.text = value
            row.set_visibility(bool(value))


class Rows(Generic[Item]):
    """
    One element for each of some things, made once and told what changes.

    Args:
        place: they are in.
        make: builds one and returns what shows it anew.
        most: shown; what more there is, is counted by `show`.
    """

    def __init__(
        self, place: ui.element, make: Callable[[], Callable[[Item], None]], most: int = 50
    ) -> None:
        self._place, self._make, self._most = place, make, most
        self._made: dict[str, tuple[ui.element, Callable[[Item], None]]] = {}

    def show(self, items: Iterable[tuple[str, Item]]) -> int:
        """Show *items* by their keys, in their order; return how many are not shown."""
        listed = list(items)
        wanted = dict(listed[: self._most])
        kept = [key for key in self._made if key in wanted]
        if kept != list(wanted)[: len(kept)]:
            kept = []  # another order: all of them anew
        for key in [key for key in self._made if key not in kept]:
            self._made.pop(key)[0].delete()
        for key, item in wanted.items():
            if key not in self._made:
                with self._place, ui.element("div").classes("rkd-row") as element:
                    self._made[key] = element, self._make()
            self._made[key][1](item)
        return len(listed) - len(wanted)
