"""
Text laid out for a width: tables that fit, lines broken between words. Pure.

Widths are columns of a terminal: most characters take one, those of Chinese, Japanese and Korean
two, combining ones none.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

GAP = 2
INDENT = 2


def width_of(text: str) -> int:
    """Return the columns *text* takes."""
    if text.isascii():
        return len(text)
    return sum(map(_width, text))


def cut(text: str, columns: int) -> str:
    """Return as much of *text* as *columns* hold, with `…` where something is left out."""
    if width_of(text) <= columns:
        return text
    kept, taken = "", 1
    for character in text:
        taken += _width(character)
        if taken > columns:
            break
        kept += character
    return f"{kept}…" if columns > 0 else ""


def wrapped(text: str, columns: int) -> list[str]:
    """Break *text* between words; a word longer than a line keeps its own, unbroken."""
    lines: list[str] = []
    for paragraph in text.split("\n"):
        line = ""
        for word in paragraph.split(" "):
            longer = f"{line} {word}" if line else word
            if line and width_of(longer) > columns:
                lines.append(line)
                line = word
            else:
                line = longer
        lines.append(line)
    return lines


def table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], room: int | None
) -> tuple[list[str], list[str]]:
    """
    Lay *rows* out under *columns* and return the head's lines and theirs; `>` means numbers.

    1. Each row is a line where that fits, and always when *room* is None.
    2. Else the last column is broken between words, where its longest word fits.
    3. Else the first column, the name, has a line of its own and the others stand below it.
    4. Else every cell has a line, behind its column's name.
    """
    heads = [column.removeprefix(">") for column in columns]
    widths = _widths([heads, *rows])
    if room is None or _total(widths) <= room:
        head, *lines = _lines(columns, rows, widths)
        return [head], lines
    last = room - _total(widths[:-1]) - GAP
    if last >= max(width_of(word) for row in [heads, *rows] for word in row[-1].split() or [""]):
        head, *lines = _lines(columns, rows, [*widths[:-1], last])
        return [head], lines
    below = room - INDENT
    if len(columns) > 2 and _total(widths[1:]) <= below:  # noqa: PLR2004 - a name and two others
        return _stacked(columns, rows, widths[1:])
    width = max(map(width_of, heads))
    return [], _records(heads, rows, width, room)


def _stacked(
    columns: Sequence[str], rows: Sequence[Sequence[str]], widths: Sequence[int]
) -> tuple[list[str], list[str]]:
    first, *others = _lines(columns[1:], [row[1:] for row in rows], widths)
    margin = " " * INDENT
    lines = []
    for row, other in zip(rows, others, strict=True):
        lines += [row[0], f"{margin}{other}".rstrip()]
    return [columns[0].removeprefix(">"), f"{margin}{first}"], lines


def _records(
    heads: Sequence[str], rows: Sequence[Sequence[str]], width: int, room: int
) -> list[str]:
    lines = []
    for row in rows:
        for head, cell in zip(heads, row, strict=True):
            if not cell or cell == "-":
                continue
            first, *more = wrapped(cell, max(1, room - width - GAP))
            lines.append(f"{head.ljust(width)}  {first}")
            lines += [f"{' ' * width}  {line}" for line in more]
        lines.append("")
    return lines[:-1]


def _lines(
    columns: Sequence[str], rows: Sequence[Sequence[str]], widths: Sequence[int]
) -> list[str]:
    lines = []
    for row in [[column.removeprefix(">") for column in columns], *rows]:
        *cells, last = row
        parts = wrapped(last, widths[-1])
        shown = [_set(*one) for one in zip(cells, widths, columns, strict=False)]
        number = columns[-1].startswith(">")
        shown.append(_set(parts[0], widths[-1], columns[-1]) if number else parts[0])
        lines.append((" " * GAP).join(shown).rstrip())
        margin = " " * (_total(widths[:-1]) + GAP)
        lines += [f"{margin}{part}".rstrip() for part in parts[1:]]
    return lines


def _set(cell: str, width: int, column: str) -> str:
    fill = " " * max(0, width - width_of(cell))
    return f"{fill}{cell}" if column.startswith(">") else f"{cell}{fill}"


def _widths(rows: Sequence[Sequence[str]]) -> list[int]:
    return [max(map(width_of, cells)) for cells in zip(*rows, strict=True)]


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + GAP * max(0, len(widths) - 1)


def _width(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
