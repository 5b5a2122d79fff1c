"""Elements every page needs, with the names and roles that people who do not see need."""

from __future__ import annotations

from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement


def words(tag: str, text: str, classes: str = "") -> TextElement:
    """Return an HTML element *tag* that holds *text*, as text."""
    return TextElement(tag=tag, text=text).classes(classes)


def named(element: ui.element, name: str) -> ui.element:
    """Give *element* the *name* that a screen reader says."""
    element.props["aria-label"] = name
    return element
