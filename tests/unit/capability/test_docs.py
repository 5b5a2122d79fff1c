"""docs/capabilities.md has the rows of the table and what it says of each."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from rkd.capability.infill import FAMILIES as FAMILIES_OF_TOKENS
from rkd.capability.table import ROWS, CapabilityRow, abilities
from rkd.capability.template import TemplateTraits
from rkd.capability.think import THINKS
from rkd.capability.traits import Traits
from rkd.inference import TemplateWay
from rkd.librkllmrt import FAMILIES, Family
from rkd.model import BackendKind
from rkd.v1 import types_pb2 as types
from tests.unit.test_docs import between

PAGE = Path(__file__).parents[3] / "docs" / "capabilities.md"
KNOWING = TemplateTraits(tools=True, switch="enable_thinking", think=THINKS[0], effort=True)
BEST = Traits(
    BackendKind.CPU,
    None,
    TemplateWay.MODEL,
    KNOWING,
    adapters=(("a", 1.0),),
    rank_template="{{ instruction }}{{ query }}{{ document }}",
    projector=True,
    infill=FAMILIES_OF_TOKENS[0],
)
"""A model that has all that files can bring."""


def line(row: CapabilityRow) -> str:
    """The line of a row: the NPU's at its best, with the newest runtime."""
    npu = replace(BEST, backend=BackendKind.NPU, family=max(Family))
    ability = abilities(npu)[row.name]
    return f"| `{row.name}` | {row.help} | {ability.reason or 'yes'} |"


def bare(version: str) -> str:
    """The line of a release: an .rkllm alone in its folder."""
    family = FAMILIES[version]
    way = TemplateWay.RUNTIME if family >= Family.V1_2_0 else TemplateWay.RAW
    said = abilities(Traits(BackendKind.NPU, family, way, tokenizer=False))
    cells = ("yes" if said[name].supported else "no" for name in BARE)
    return f"| {version} | {' | '.join(cells)} |"


BARE = ("generate", "chat", "history", "tools", "thinking", "tokenize", "embed")


def table(mark: str) -> list[str]:
    """The rows of the table between the comments *mark*, without its head."""
    return between(PAGE.read_text(encoding="utf-8"), mark).strip().splitlines()[2:]


def test_every_capability_is_on_the_page() -> None:
    """In the order of the table, with what the NPU makes of it."""
    assert table("capabilities") == [line(row) for row in ROWS if not row.sampling]


def test_what_a_release_does_with_weights_alone() -> None:
    """Each release, as it is judged."""
    assert table("releases") == [bare(version) for version in FAMILIES]


def test_a_model_with_everything_is_refused_nothing_on_the_cpu() -> None:
    """So that the page needs no column for it."""
    assert {name for name, one in abilities(BEST).items() if not one.supported} == set()


def test_every_capability_has_its_field() -> None:
    """In the proto, beside those that say where."""
    about = {"backend", "available", "reason", "remedy", "runtime", "sampling"}
    named = {field.name for field in types.Capabilities.DESCRIPTOR.fields}
    assert named - about == {row.name for row in ROWS if not row.sampling}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_no_says_why_and_what_to_do(row: CapabilityRow) -> None:
    """Whatever is missing."""
    for traits in (Traits(BackendKind.NPU, Family.V1_1, tokenizer=False), Traits(BackendKind.CPU)):
        ability = row.of(traits)
        assert ability.supported is not bool(ability.reason)
        assert bool(ability.reason) is bool(ability.remedy)
