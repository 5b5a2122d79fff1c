"""What the docs say of the code is what the code is."""

from __future__ import annotations

import re
from pathlib import Path
from types import UnionType
from typing import get_args

from rkd.wire.messages import FromWorker, ToWorker
from tests.unit.test_layers import LAYERS

ROOT = Path(__file__).resolve().parents[2]
ARCHITECTURE = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")


def between(text: str, mark: str) -> str:
    """What stands between two comments of one name."""
    found = re.search(rf"<!-- {mark}.*?-->(.*?)<!-- /{mark} -->", text, re.DOTALL)
    assert found, f"no <!-- {mark} -->"
    return found[1]


def test_layers_are_those_of_the_code() -> None:
    """The list of rooms in the docs is the one imports are held against."""
    listed = [
        frozenset(re.findall(r"`(\w+)`", line.partition(" — ")[0]))
        for line in between(ARCHITECTURE, "layers").strip().splitlines()
    ]

    assert list(LAYERS) == listed


def test_frames_are_those_of_the_wire() -> None:
    """The table of frames names every frame of both directions, in order."""
    rows = between(ARCHITECTURE, "frames").strip().splitlines()[2:]
    listed = [re.findall(r"`(\w+)`", row) for row in rows]

    def frames(direction: UnionType) -> list[str]:
        return [frame.__struct_config__.tag for frame in get_args(direction)]

    assert [frames(ToWorker), frames(FromWorker)] == listed


def test_every_page_named_is_there() -> None:
    """No page refers to a file of ours that does not exist."""
    named = re.compile(r"`((?:rkd|tests|bench|clients)/[\w./-]+\.\w+)`")
    missing = [
        f"{page.name}: {name}"
        for page in sorted([*ROOT.glob("docs/*.md"), ROOT / "README.md"])
        for name in named.findall(page.read_text(encoding="utf-8"))
        if not (ROOT / name).exists()
    ]

    assert missing == []
