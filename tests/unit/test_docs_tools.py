"""`docs/tools.md` has the rows of the code's tables."""

from __future__ import annotations

from pathlib import Path

from rkd.backend.text.calls.table import FORMATS, CallFormat
from rkd.capability.think import THINKS

PAGE = Path(__file__).parents[2] / "docs" / "tools.md"

ARGUMENTS = {"json": "JSON", "raw": "between tags", "python": "Python", "gemma": "its own objects"}


def code(text: str) -> str:
    """*text* as code inside a table's cell."""
    shown = text.replace("\n", " ").strip().replace("|", "\\|")
    return f"`{shown}`"


def row_of(row: CallFormat) -> str:
    """The line of one format."""
    begins = [opener for opener, _reader in (*row.readers, *row.starts)] or list(row.markers[:1])
    shown = " or ".join(dict.fromkeys(code(one) for one in begins))
    return f"| {row.name} | {row.families} | {shown} | {ARGUMENTS[row.form.style]} |"


def between(page: str, name: str) -> list[str]:
    """The rows of the table between the marks *name*, without its head."""
    table = page.split(f"<!-- {name} -->\n")[1].split(f"<!-- end of {name} -->", maxsplit=1)[0]
    return table.strip().splitlines()[2:]


def thinks() -> list[str]:
    """The lines of the ways reasoning is marked."""
    return [f"| {code(one.open)} | {code(one.close)} |" for one in THINKS]


def test_formats() -> None:
    """Every row, in the order templates are tried."""
    assert between(PAGE.read_text(), "formats") == [row_of(row) for row in FORMATS]


def test_reasoning() -> None:
    """Every way."""
    assert between(PAGE.read_text(), "thinks") == thinks()
