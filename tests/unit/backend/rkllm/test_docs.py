"""The table of releases in docs/npu.md says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rkd.backend.rkllm.abi import ABIS
from rkd.backend.rkllm.engine import ABORT_BOUND_S, ABORT_CALL_BOUND_S, EXIT_WEDGED
from rkd.backend.rkllm.prompt import Prompts
from rkd.capability.table import abilities
from rkd.capability.traits import Traits
from rkd.inference import LoadSpec, TemplateWay
from rkd.librkllmrt import FAMILIES
from rkd.model import BackendKind

PAGE = (Path(__file__).parents[4] / "docs" / "npu.md").read_text(encoding="utf-8")
ROWS = {
    cells[0]: cells[1:]
    for line in PAGE.splitlines()
    if re.match(r"\| \d", line) and (cells := [cell.strip() for cell in line.strip("|").split("|")])
}


def test_every_release_is_there() -> None:
    """No release more and none less than the code knows."""
    assert ROWS.keys() == FAMILIES.keys()


@pytest.mark.parametrize("version", FAMILIES)
def test_what_a_release_can_do(version: str) -> None:
    """Each column is what the declarations and the prompts of that release make of it."""
    abi = ABIS[FAMILIES[version]]
    prompts = Prompts(LoadSpec(BackendKind.NPU, "m.rkllm"), abi.family)
    per_run = "RKLLMSamplingParam" in abi.structs

    assert ROWS[version] == [
        "per run" if per_run else "reload",
        "yes" if prompts.way is TemplateWay.RUNTIME else "no",
        "yes" if prompts.knows_tools and prompts.knows_thinking else "no",
        "yes" if "RKLLMPerfStat" in abi.structs else "no",
    ]


def test_the_bounds() -> None:
    """The page names the bounds of the code."""
    words = f"within {ABORT_BOUND_S:.0f} seconds, or the call itself does not come back within "

    assert f"{words}{ABORT_CALL_BOUND_S}" in PAGE
    assert f"exit code {EXIT_WEDGED}" in PAGE


def test_what_sampling_it_does_not_have() -> None:
    """The page names all that the backend refuses."""
    (line,) = [one for one in PAGE.splitlines() if "have no place in the library" in one]

    absent = {
        name
        for name, ability in abilities(Traits(BackendKind.NPU)).items()
        if "the NPU's runtime has no such thing" in ability.reason
    }
    assert set(re.findall(r"`(\w+)`", line)) == absent
