"""
The tables of `docs/board.md`, from the rows `rkctl verify` goes through.

`python -m tests.board_page docs/board.md` writes them into the page; a test compares them.
"""

from __future__ import annotations

import sys
from pathlib import Path

from rkctl.verify.row import Row
from rkctl.verify.table import ROWS, SECTIONS

HEAD = "| # | assumed | command | expected |\n|---|---|---|---|\n"


def with_tables(text: str) -> str:
    """Return the page *text* with the table below each heading of a section made anew."""
    for section in SECTIONS:
        before, heading, rest = text.partition(f"\n## {section}\n")
        _, head, after = rest.partition(HEAD)
        rows = after.splitlines(keepends=True)
        kept = next((at for at, line in enumerate(rows) if not line.startswith("|")), len(rows))
        table = "".join(_line(row) for row in ROWS if row.section == section)
        text = f"{before}{heading}\n{head}{table}{''.join(rows[kept:])}"
    return text


def _line(row: Row) -> str:
    cells = (row.number, row.assumed, row.command, row.expected)
    return "".join(f"| {cell.replace('|', chr(92) + '|')} " for cell in cells) + "|\n"


if __name__ == "__main__":
    file = Path(sys.argv[1])
    file.write_text(with_tables(file.read_text(encoding="utf-8")), encoding="utf-8")
