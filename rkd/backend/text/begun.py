"""
An answer that has begun: the last turn of the assistant, written behind the prompt to go on from.

A template closes every turn it writes, so this one is written by hand, behind what asks for it.
Pure.
"""

from __future__ import annotations

from rkd.backend.text.calls.table import CallFormat
from rkd.capability.think import ALL_THINKS, Think, opened
from rkd.errors import bad_field
from rkd.inference import Run
from rkd.model import Message

_ANALYSIS, _FINAL = "<|channel|>analysis<|message|>", "<|channel|>final<|message|>"
_END = "<|end|><|start|>assistant"


def begun(prompt: str, turn: Message, row: CallFormat, source: str) -> str:
    """
    Write what there is of *turn* behind *prompt*.

    Args:
        prompt: asks for the answer; it may end inside reasoning.
        turn: the beginning of the answer.
        row: how the model writes answers.
        source: of the template, where the marks of its reasoning may be seen.

    Raises:
        InvalidInputError: INVALID_FIELD, reasoning the model has no place for.
    """
    if not (turn.content or turn.reasoning):
        return prompt
    if row.whole:
        return prompt + _in_channels(turn)
    think = opened(prompt)
    if turn.reasoning and think is None:
        think = next((one for one in ALL_THINKS if one.open.strip() in source), None)
        if think is None:
            raise _no_place("this model's chat template shows none")
        prompt += think.open if think.open.endswith("\n") else f"{think.open}\n"
    prompt += turn.reasoning
    if think is None or not turn.content:
        return prompt + turn.content
    blank = "" if prompt.endswith("\n\n") else "\n"
    return f"{prompt}{blank}{think.close}\n\n{turn.content}"


def _in_channels(turn: Message) -> str:
    if not turn.content:
        raise _no_place("the reasoning of this model cannot be gone on with, give its text too")
    reasoning = f"{_ANALYSIS}{turn.reasoning}{_END}" if turn.reasoning else ""
    return f"{reasoning}{_FINAL}{turn.content}"


def _no_place(why: str) -> Exception:
    return bad_field("messages", f"end with an answer that has reasoning: {why}")


def inside(run: Run, prompt: str) -> Think | None:
    """The reasoning in which the answer to *run* begins, behind *prompt*; None for none."""
    turn = run.begun
    if turn is None or not turn.reasoning or turn.content:
        return opened(prompt)
    return opened(prompt.removesuffix(turn.reasoning))
