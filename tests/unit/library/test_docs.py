"""What docs/library.md says is what the code does."""

from __future__ import annotations

import re
from pathlib import Path

from rkd.library import staging
from rkd.library.layout import Cause
from rkd.model import ModelState

PAGE = (Path(__file__).resolve().parents[3] / "docs/library.md").read_text(encoding="utf-8")


def table(mark: str) -> list[str]:
    """First cells of the table between two comments."""
    found = re.search(rf"<!-- {mark}.*?-->(.*?)<!-- /{mark} -->", PAGE, re.DOTALL)
    assert found
    return re.findall(r"^\| `([^`]+)` \|", found[1], re.MULTILINE)


def test_every_cause_is_explained() -> None:
    """In the order of the code."""
    assert table("causes") == [str(cause) for cause in Cause]


def test_every_hidden_name_is_explained() -> None:
    """And the module that makes them says the same."""
    assert staging.__doc__ is not None
    assert table("hidden") == re.findall(r"^    (\.rkd-\S+)", staging.__doc__, re.MULTILINE)


def test_every_state_is_explained() -> None:
    """In the order of the code."""
    rows = re.findall(r"^\| ([a-z-]+) \| ", PAGE.partition("## Names")[0], re.MULTILINE)

    assert rows[1:] == [str(state) for state in ModelState]
