"""The bounds of what comes from outside are on the page as they are in the code."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

from tests.unit.test_docs_tables import rows

ROOT = Path(__file__).resolve().parents[2]
TABLE = rows("security.md", "bounds")
POWERS = {"": 0, "KiB": 10, "MiB": 20, "GiB": 30, "TiB": 40, "PiB": 50}
COMPLETE = (
    *("rkd/modelfile", "rkd/config.py", "rkd/setting.py", "rkd/outside.py", "rkd/weights"),
    *("rkd/library", "rkd/backend/convert"),
)
"""Rooms and files of which every public `MAX_…` has a row."""


@pytest.mark.parametrize("row", TABLE, ids=[row[3] for row in TABLE])
def test_a_row_is_what_the_code_says(row: list[str]) -> None:
    """Value and name of the constant, whichever room it is of."""
    _, _, value, name = row
    module, _, constant = name.strip("`").rpartition(".")
    number, _, unit = value.partition(" ")

    assert getattr(importlib.import_module(module), constant) == int(number) << POWERS[unit]


def test_every_bound_of_these_rooms_has_a_row() -> None:
    """A new bound is told."""
    listed = {row[3].strip("`") for row in TABLE}
    for start in COMPLETE:
        for file in [ROOT / start, *(ROOT / start).glob("*.py")]:
            if file.suffix == ".py":
                module = ".".join(file.relative_to(ROOT).with_suffix("").parts)
                found = re.findall(r"^(MAX_\w+) =", file.read_text(encoding="utf-8"), re.MULTILINE)
                assert {f"{module}.{one}" for one in found} - {"rkd.setting.MAX_PORT"} <= listed
