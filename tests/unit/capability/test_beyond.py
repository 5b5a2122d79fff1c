"""What no NPU runtime can do is named; what is only the Modelfile's is told and goes on."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rkd.capability.table import in_vain, lacking, refuse
from rkd.capability.template import TemplateTraits
from rkd.capability.traits import Traits
from rkd.errors import PreconditionError
from rkd.inference import Run, Sampling, TemplateWay, Tool
from rkd.model import BackendKind

TOOLS = (Tool("a", "", "{}"),)
NPU, CPU = Traits(BackendKind.NPU), Traits(BackendKind.CPU)
KNOWING = replace(NPU, way=TemplateWay.MODEL, plain=TemplateTraits(tools=True))
"""A model for the NPU whose template shows tools."""


@pytest.mark.parametrize(
    ("run", "named"),
    [
        (Run(Sampling(temperature=1.0, stop=("x",), stop_token_ids=(5,))), ()),
        (Run(Sampling(json_schema="")), ("json_schema",)),
        (Run(Sampling(grammar="root ::= x")), ("grammar",)),
        (Run(Sampling(regex="a")), ("regex",)),
        (Run(Sampling(choices=("a",))), ("choices",)),
        (Run(Sampling(ignore_eos=True)), ("ignore_eos",)),
        (Run(Sampling(logit_bias=((1, 1.0),))), ("logit_bias",)),
        (Run(Sampling(min_p=0.1, seed=5, logprobs=0)), ("min_p", "seed", "logprobs")),
        (Run(Sampling(dry_multiplier=0.8, dry_base=2.0)), ("dry_multiplier",)),
        (Run(Sampling(dry_base=2.0, xtc_threshold=0.2, min_p=0, ignore_eos=False)), ()),
        (Run(Sampling(min_p=0.1, seed=5, of_model=("min_p",))), ("seed",)),
        (Run(tools=TOOLS, tool_choice="auto"), ()),
        (Run(tools=TOOLS, tool_choice="required"), ("tool_choice",)),
        (Run(Sampling(json_schema=""), structured_tries=2), ()),
        (Run(Sampling(grammar="root ::= x"), structured_tries=2), ("grammar",)),
        (Run(tools=TOOLS, tool_choice="a", structured_tries=1), ()),
        (Run(tools=TOOLS, tool_choice="a", thinking_budget=0), ("tool_choice", "thinking_budget")),
    ],
)
def test_what_is_named(run: Run, named: tuple[str, ...]) -> None:
    """What the request itself asks, and nothing that asks for nothing."""
    assert lacking(run, KNOWING) == named


def test_the_models_own_is_no_refusal() -> None:
    """A Modelfile is shared by both backends: what one lacks is said, and the run goes on."""
    run = Run(Sampling(min_p=0.1, top_k=3, of_model=("min_p", "top_k")), prompt="p")
    refuse(run, NPU)

    assert in_vain(run, NPU) == (
        "min_p of the Modelfile has no effect: the NPU's runtime has no such thing",
    )
    assert in_vain(run, CPU) == ()
    with pytest.raises(PreconditionError, match="min_p cannot be used"):
        refuse(Run(Sampling(min_p=0.1), prompt="p"), NPU)
