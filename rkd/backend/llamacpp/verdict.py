"""Whether a finished answer is what it was to be: an engine's hole shows here; pure."""

from __future__ import annotations

from dataclasses import replace

from rkd.backend.llamacpp.answer import EventAnswer
from rkd.backend.llamacpp.request import broken_in, no_call, not_kept
from rkd.backend.llamacpp.schemas import Schemas
from rkd.inference import FinishReason, Outcome, Run

CUT = "the answer was cut before its JSON was whole"


def judged(run: Run, last: Run, answer: EventAnswer, outcome: Outcome, schemas: Schemas) -> Outcome:
    """
    Return *outcome*, with a warning where the answer was cut short of what it is held to.

    Args:
        run: what was asked for.
        last: the last request to the engine, as a run.
        answer: what came.
        outcome: how it ended.
        schemas: wrote those of the run.

    Raises:
        InternalError: the engine ended an answer that does not keep what it was held to.
    """
    if run.forces_call and not answer.calls and outcome.reason is FinishReason.STOP_EOS:
        raise no_call(run.tool_choice)
    where = broken_in(last.sampling, answer.held, schemas)
    if not answer.ended:
        # A number goes on: where one was cut, what is there is a number too.
        open_ = bool(where) or answer.held.rstrip()[-1:].isdigit()
        cut = open_ and last.sampling.json_schema is not None
        return replace(outcome, warnings=(*outcome.warnings, CUT)) if cut else outcome
    if where:
        raise not_kept(where)
    if run.sampling.constrained and not last.sampling.constrained:
        raise not_kept("its constraint: it ended inside its reasoning")
    return outcome
