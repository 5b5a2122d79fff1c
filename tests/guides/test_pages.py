"""Pages taken apart."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.guides.pages import Command, blocks, commands

DOCS = Path(__file__).resolve().parents[2] / "docs"
MARKED = {"console", "console on a board", "console on a laptop", "toml rkd.toml"}


def test_a_page_is_its_blocks() -> None:
    """Blocks keep their order, what stands behind the fence, and their lines."""
    page = "a\n```console\n$ one\n```\nb\n```console on a board\n$ two\n```\n"

    assert [(one.info, one.runs) for one in blocks(page)] == [
        ("console", True),
        ("console on a board", False),
    ]


def test_a_command_has_what_follows_it() -> None:
    """Output belongs to the command above it."""
    (block,) = blocks("```console\n$ one\nprinted\nmore\n$ two\n```\n")

    assert commands(block) == [Command("one", "printed\nmore\n"), Command("two", "")]


@pytest.mark.parametrize(
    ("said", "printed", "fits"),
    [
        ("NAME ...\n", "NAME  SIZE\nx 1\n", True),
        ("copy\n", "copy\n", True),
        ("copy\n", "other\n", False),
        ("", "", True),
        ("", "surprise\n", False),
    ],
)
def test_output_is_compared(said: str, printed: str, *, fits: bool) -> None:
    """Dots stand for anything, and what a page does not mention must not come."""
    assert Command("x", said).matches(printed) is fits


@pytest.mark.parametrize("path", sorted((DOCS / "guides").glob("*.md")), ids=lambda path: path.stem)
def test_every_block_of_a_guide_is_run_or_marked(path: Path) -> None:
    """No command stands in a guide that is neither run nor marked as needing a board."""
    assert {one.info for one in blocks(path.read_text(encoding="utf-8"))} <= MARKED


def test_every_picture_is_there_and_made_by_the_script() -> None:
    """Pages show no picture that is missing, and none was drawn by hand."""
    pages = [*DOCS.rglob("*.md"), DOCS.parent / "README.md"]
    shown = {
        (page.parent / name).resolve()
        for page in pages
        for name in re.findall(r"!\[[^\]]*\]\(([^)]+\.svg)\)", page.read_text(encoding="utf-8"))
    }
    script = (DOCS / "pictures" / "make.py").read_text(encoding="utf-8")
    made = {
        DOCS / "pictures" / f"{name}.svg"
        for name in re.findall(r'^    "(\w+)": \[', script, re.MULTILINE)
    }

    assert shown <= made
    assert made == set((DOCS / "pictures").glob("*.svg"))
