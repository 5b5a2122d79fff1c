"""docs/scheduler.md and the code say the same."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

from rkd.pool.deciding import walk
from rkd.pool.deciding.admission import LONGEST_TURN_S
from rkd.pool.deciding.budget import NPU_DOMAIN_BYTES, NPU_DOMAINS
from rkd.pool.deciding.settings import PoolSettings
from rkd.pool.deciding.state import Phase
from rkd.pool.deciding.table import CRASH_LIMIT, FIRST_REST_S, LONGEST_REST_S
from rkd.words import size

DOC = (Path(__file__).parents[4] / "docs" / "scheduler.md").read_text(encoding="utf-8")


def words(text: str) -> str:
    """The words alone, however they are broken into lines."""
    return " ".join(text.split())


def numbered(text: str) -> str:
    """From the first numbered line on."""
    return words(text[text.index("1. ") :])


def test_the_tree_is_the_docstrings() -> None:
    """Number by number, word by word."""
    shown = DOC[DOC.index("<!-- tree -->") : DOC.index("<!-- /tree -->")]
    assert numbered(shown) == numbered(inspect.getdoc(walk.Walk.place) or "")


def test_every_number_of_the_tree_is_in_the_code() -> None:
    """Each branch is marked where it is taken."""
    marks = set(re.findall(r"# (\d[abc]?)$", inspect.getsource(walk), re.MULTILINE))
    assert marks == {"1", "2", "2a", "2b", "2c", "3", "4", "5", "6", "7", "8"}


def test_every_phase_is_shown() -> None:
    """As rows of the table."""
    rows = set(re.findall(r"^\| ([A-Z]+) \|", DOC, re.MULTILINE))
    assert rows == {phase.name for phase in Phase}


def test_the_numbers_are_the_codes() -> None:
    """Turns, rests, ageing, domains, the longest wait."""
    text = words(DOC)
    it = PoolSettings()
    assert f"after its turn: {it.turn_s:.0f} s" in text
    assert f"up to {LONGEST_TURN_S:.0f} s" in text
    assert f"every {it.ageing_s:.0f} s of waiting" in text
    assert f"{it.max_wait_s / 60:.0f} minutes at most" in text
    assert f"{FIRST_REST_S:.0f} s, doubling up to {LONGEST_REST_S / 60:.0f} min" in text
    assert CRASH_LIMIT == 4
    assert "a fourth death in a row" in text
    assert f"{NPU_DOMAINS} IOMMU domains of {NPU_DOMAIN_BYTES // 2**30} GiB" in text
    assert size(NPU_DOMAIN_BYTES) == "4.3 GB"
