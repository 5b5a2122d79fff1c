"""The reference pages and the code say the same."""

from __future__ import annotations

import re
from pathlib import Path

from rkd.backend.convert.config import ARCHITECTURES
from rkd.backend.quantize.mix import BASE
from rkd.modelfile.commands import CLEARABLE, KEYWORDS
from rkd.modelfile.parameters import PARAMETERS, Effect
from rkd.modelfile.parse import parse
from rkd.weights.quantization import QUANTIZATIONS

DOCS = Path(__file__).resolve().parents[3] / "docs"


def rows_of(page: str, heading: str) -> list[list[str]]:
    """The cells of the table under *heading*, without its head."""
    section = (
        (DOCS / page).read_text(encoding="utf-8").split(f"## {heading}\n")[1].split("\n## ")[0]
    )
    lines = [line for line in section.splitlines() if line.startswith("|")][2:]
    return [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in lines]


def test_parameters() -> None:
    """Every parameter stands in the table with its type, range and effect."""
    expected = [
        [key, str(row.domain.kind), row.domain.allowed, str(row.effect)]
        for key, row in PARAMETERS.items()
        if row.effect is not Effect.DEPRECATED
    ]

    assert rows_of("modelfile.md", "Parameters") == expected


def test_commands() -> None:
    """Every command is named, and what UNSET takes."""
    cells = " ".join(row[0] for row in rows_of("modelfile.md", "Commands"))
    unset = next(row[1] for row in rows_of("modelfile.md", "Commands") if row[0] == "UNSET")

    assert set(re.findall(r"[A-Z_]{4,}", cells)) == set(KEYWORDS)
    assert set(re.findall(r"[A-Z]{4,}", unset)) == set(CLEARABLE)


def test_examples_parse() -> None:
    """The Modelfiles shown are Modelfiles."""
    text = (DOCS / "modelfile.md").read_text(encoding="utf-8")
    examples = [block for block in re.findall(r"```\n(.*?)```", text, re.DOTALL) if "FROM" in block]

    assert len(examples) == 2
    for example in examples:
        assert parse(example).recipe().parameters


def test_architectures_and_types() -> None:
    """What can be converted and made is what the page lists."""
    listed = {row[0]: row[1] for row in rows_of("convert.md", "What is converted")}
    types = rows_of("convert.md", "Quantization types")

    assert listed == {name: row.gguf for name, row in ARCHITECTURES.items()}
    assert [row[0] for row in types] == [name for name, row in QUANTIZATIONS.items() if row.makes]
    assert {row[0] for row in types} == set(BASE)
    for name, bits, note in types:
        assert (float(bits), note) == (QUANTIZATIONS[name].bits, QUANTIZATIONS[name].note)
