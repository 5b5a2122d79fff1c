"""What the browser says itself comes from the catalogue, too."""

from __future__ import annotations

import re
from pathlib import Path

from rkd_console.chat import screen
from rkd_console.texts.chat import BROWSER

SOURCES = "\n".join(
    one.read_text(encoding="utf-8")
    for one in sorted((Path(screen.__file__).parent / "browser").glob("*.js"))
)


def test_every_text_is_there_and_used() -> None:
    """By `texts.name`, or named in the table of shortcuts."""
    used = set(re.findall(r"\btexts\.(\w+)", SOURCES)) | set(
        re.findall(r'"(key[A-Z]\w*)"', SOURCES)
    )

    assert used == set(BROWSER)


def test_html_comes_from_the_consoles_own_reader_alone() -> None:
    """One place takes HTML, and it is the block of an answer."""
    assert re.findall(
        r"\S*(?:innerHTML|outerHTML|insertAdjacentHTML|document\.write)[^;]*", SOURCES
    ) == ["node.innerHTML = block.html"]
    assert "eval(" not in SOURCES
    assert "new Function" not in SOURCES
