"""The catalogue of texts: whole in each language, and the only place where texts stand."""

from __future__ import annotations

import ast
import string
from collections.abc import Iterator
from pathlib import Path

import pytest
from rkd_console.texts import CATALOGUE, LANGUAGES, chat, shell, stock

HOME = Path(__file__).resolve().parents[2] / "clients" / "rkd_console"
SPEAKING = frozenset(
    {
        "button",
        "label",
        "notify",
        "tooltip",
        "checkbox",
        "switch",
        "tab",
        "item",
        "menu_item",
        "link",
    }
    | {"input", "textarea", "select", "number", "expansion", "badge", "chip", "radio", "words"}
    | {"named", "upload", "toggle", "markdown"}
)
"""Calls that put a text on a page."""


def sources() -> list[Path]:
    """Every module of the console but the catalogue."""
    return [one for one in sorted(HOME.rglob("*.py")) if one.parent.name != "texts"]


def placeholders(text: str) -> set[str]:
    """Names in braces."""
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def literals(path: Path) -> Iterator[tuple[str, int]]:
    """Texts of letters that *path* gives to a call that shows them."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        called = getattr(node.func, "attr", getattr(node.func, "id", ""))
        if called not in SPEAKING:
            continue
        given = [*node.args[:2], *(one.value for one in node.keywords if one.arg in SHOWN)]
        for one in given[1:] if called == "words" else given:
            if isinstance(one, ast.Constant) and isinstance(one.value, str):
                yield one.value, one.lineno


SHOWN = ("label", "placeholder", "text", "title", "message")


@pytest.mark.parametrize("key", CATALOGUE)
def test_a_text_is_in_every_language_with_the_same_placeholders(key: str) -> None:
    """Nobody gets an empty place or a brace."""
    texts = CATALOGUE[key]

    assert len(texts) == len(LANGUAGES)
    assert all(text.strip() == text and text for text in texts)
    assert len({frozenset(placeholders(text)) for text in texts}) == 1
    assert "" not in placeholders(texts[0])


def test_no_key_stands_in_two_rooms() -> None:
    """What one room calls a text, no other overwrites."""
    assert len(CATALOGUE) == sum(len(one.TEXTS) for one in (shell, chat, stock))


def test_every_text_is_used_and_every_used_text_is_there() -> None:
    """A key is written whole, or begins with what an f-string of `text` begins with."""
    whole, begun = set(), set()
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                whole.add(node.value)
            if isinstance(node, ast.JoinedStr) and isinstance(node.values[0], ast.Constant):
                begun.add(str(node.values[0].value))
    prefixes = tuple(one for one in begun if "." in one and " " not in one)
    unused = [key for key in CATALOGUE if key not in whole and not key.startswith(prefixes)]

    assert unused == []
    asked = {
        node.args[0].value
        for path in sources()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and getattr(node.func, "attr", "") == "text"
        and node.args
        and isinstance(node.args[0], ast.Constant)
    }
    assert asked - set(CATALOGUE) == set()


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(HOME)))
def test_no_page_has_a_text_of_its_own(path: Path) -> None:
    """What a page shows comes from the catalogue; marks without letters may stand there."""
    own = [(text, line) for text, line in literals(path) if any(map(str.isalpha, text))]

    assert own == []
