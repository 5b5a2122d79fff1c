"""The pages on errors and configuration hold the tables of the code, row by row."""

from __future__ import annotations

from pathlib import Path

from rkd.config import SETTINGS
from rkd.errors import Reason, RkdError
from rkd.service.gate.status import CODES
from tests.unit.test_docs import between

DOCS = Path(__file__).resolve().parents[2] / "docs"


def rows(page: str, mark: str) -> list[list[str]]:
    """The cells of the table between the comments named *mark*, without its head."""
    text = (DOCS / page).read_text(encoding="utf-8")
    lines = between(text, mark).strip().splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_every_reason_is_on_the_page_with_its_codes() -> None:
    """In the order of the code, each with the code of every class that carries it."""
    expected = [
        [
            f"`{reason}`",
            ", ".join(code.name for kind, code in CODES.items() if reason in kind.reasons),
        ]
        for reason in Reason
    ]

    assert expected == [row[:2] for row in rows("errors.md", "reasons")]


def test_every_reason_has_a_situation_and_a_way_out() -> None:
    """No row is left half-written."""
    assert all(len(row) == 4 and all(row) for row in rows("errors.md", "reasons"))


def test_every_reason_is_carried_by_a_class_with_a_code() -> None:
    """No reason of the taxonomy can reach a client without a status."""
    carried = {reason for kind in RkdError.__subclasses__() for reason in kind.reasons}

    assert carried == set(Reason)
    assert all(kind in CODES for kind in RkdError.__subclasses__())


def test_every_setting_is_on_the_page() -> None:
    """Key, variable, default, whether it is live, and meaning are the code's."""
    expected = [
        [
            f"`{row.key}`",
            f"`{row.variable}`" if row.variable else "",
            f"`{row.default}`" if row.default else "",
            "yes" if row.live else "",
            row.meaning,
        ]
        for row in SETTINGS
    ]

    assert expected == rows("configuration.md", "settings")
