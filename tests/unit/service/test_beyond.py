"""What no NPU runtime can do is named."""

from __future__ import annotations

import pytest

from rkd.inference import Run, Sampling, Tool
from rkd.service.beyond import beyond_npu

TOOLS = (Tool("a", "", "{}"),)


@pytest.mark.parametrize(
    ("run", "named"),
    [
        (Run(Sampling(temperature=1.0, stop=("x",), min_p=0.1)), ()),
        (Run(Sampling(json_schema="")), ("json_schema",)),
        (Run(Sampling(grammar="root ::= x")), ("grammar",)),
        (Run(Sampling(logit_bias=((1, 1.0),))), ("logit_bias",)),
        (Run(tools=TOOLS, tool_choice="auto"), ()),
        (Run(tools=TOOLS, tool_choice="required"), ("tool_choice",)),
        (Run(tools=TOOLS, tool_choice="a", thinking_budget=0), ("tool_choice", "thinking_budget")),
    ],
)
def test_what_is_named(run: Run, named: tuple[str, ...]) -> None:
    """What needs a hand on the sampling, and nothing that a Modelfile may say."""
    assert beyond_npu(run) == named
