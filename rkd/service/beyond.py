"""What a run asks that needs a hand on the sampling, which the NPU's runtime gives nobody; pure."""

from __future__ import annotations

from rkd.inference import Run


def beyond_npu(run: Run) -> tuple[str, ...]:
    """
    Name what *run* asks that no NPU runtime can do.

    What a Modelfile may say too is not among it: there it is the model's habit, and no wish.
    """
    sampling = run.sampling
    asked = {
        "grammar": sampling.grammar,
        "json_schema": sampling.json_schema is not None,
        "logit_bias": sampling.logit_bias,
        "tool_choice": run.forces_call,
        "thinking_budget": run.thinking_budget is not None,
    }
    return tuple(name for name, given in asked.items() if given)
