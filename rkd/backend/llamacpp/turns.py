"""
When one answer takes several requests to the engine: reasoning first, what is constrained after it.

A grammar holds from the first token, so it can hold an answer only behind the reasoning; and a
budget of reasoning ends with its closing tag, which the engine cannot be made to write. Both times
the first request is cut, and a second one goes on behind what was made: the engine has all of it
in its cache, so that costs some tokens. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Protocol

from rkd.backend.text.calls.table import CallFormat, json_form
from rkd.backend.text.splitter import AnswerSplitter
from rkd.inference import Run, Tool

AFTER_REASONING = "\n\n"


class ReasoningTurn:
    """
    Watches the reasoning of one request.

    Args:
        splitter: knows whether it goes on.
    """

    def __init__(self, splitter: AnswerSplitter) -> None:
        self._splitter = splitter
        self._budget: int | None = None
        self._to_close = ""
        self._watching = False
        self._heard: list[str] = []
        self._tail = ""
        self._tag = ""
        self.over = False
        """The request is to be cut, and another one to go on."""

    @property
    def inside(self) -> bool:
        """Whether the answer stands inside reasoning that a tag can end."""
        return bool(self._splitter.close)

    def watch(self, *, budget: int | None, to_close: bool) -> None:
        """
        End the request with the reasoning.

        Args:
            budget: after so many tokens of reasoning; None for any number.
            to_close: also when the model closes it itself.
        """
        self._watching = True
        self._budget = budget
        self._to_close = self._splitter.close if to_close else ""

    def heard(self, text: str) -> str:
        """Note a piece of the answer; return what of it belongs to this request."""
        if not self._watching or self.over:
            return "" if self.over else text
        if self._to_close:
            seen = self._tail + text
            at = seen.find(self._to_close)
            if at >= 0:
                text = seen[len(self._tail) : at + len(self._to_close)]
                self.over = True
            self._tail = seen[-(len(self._to_close) - 1) :]
        self._heard.append(text)
        return text

    def look(self, reasoning_tokens: int) -> None:
        """End the request when so much reasoning is enough."""
        if self._watching and not self.over and self._budget is not None:
            self.over = self.inside and reasoning_tokens >= self._budget
            if self.over:
                self.close()

    def close(self) -> None:
        """Write the end of the reasoning in the model's place."""
        self._tag = "\n" + self._splitter.close + AFTER_REASONING

    def take(self) -> tuple[str, str]:
        """
        Return what was made by now, and the tag the answer has not seen yet; stop watching.

        The first ends with the second.
        """
        behind, tag = "".join(self._heard) + self._tag, self._tag
        self._watching = self.over = False
        self._heard.clear()
        self._tag = self._tail = ""
        return behind, tag


class Answer(Protocol):
    """What the turns need of `EventAnswer`."""

    @property
    def turn(self) -> ReasoningTurn:
        """As there."""

    @property
    def remaining_tokens(self) -> int | None:
        """As there."""

    def go_on(self) -> str:
        """As there."""

    def force(self, name: str) -> None:
        """As there."""


Choose = Callable[[Run, str, Sequence[str]], str]
"""Lets the model choose one of several names behind a prompt."""


def requests(
    run: Run, prompt: str, row: CallFormat, answer: Answer, choose: Choose
) -> Iterator[tuple[Run, str]]:
    """
    Yield each request as the run it is and its prompt; the next is asked for when one is over.

    Args:
        run: what was asked for.
        prompt: what its template made of it.
        row: how the model writes calls.
        answer: hears what comes.
        choose: asks the engine for a tool's name.
    """
    constrained = run.sampling.constrained or run.forces_call
    turn = answer.turn
    budget = run.thinking_budget
    behind = ""
    if budget == 0 and turn.inside:
        turn.close()
        behind = answer.go_on()
    elif (constrained and turn.inside) or (budget is not None and not constrained):
        turn.watch(budget=budget, to_close=constrained)
        yield (_free(run) if constrained else run), prompt
        if not turn.over:
            return
        behind = answer.go_on()
        if constrained and not behind.endswith(AFTER_REASONING):
            behind += AFTER_REASONING
    remaining = answer.remaining_tokens
    if remaining == 0 and behind:
        return
    left = replace(run, sampling=replace(run.sampling, max_tokens=remaining))
    if not run.forces_call:
        yield left, prompt + behind
        return
    names = [tool.name for tool in run.tools if run.tool_choice in {"required", tool.name}]
    form = json_form(row)
    opening, closing = form.before, form.named
    name = names[0]
    if len(names) > 1:
        name = choose(left, prompt + behind + opening, names)
    answer.force(name)
    tool = next(tool for tool in run.tools if tool.name == name)
    yield _held_to(left, tool), prompt + behind + opening + name + closing


def _free(run: Run) -> Run:
    return replace(run, sampling=run.sampling.free())


def _held_to(run: Run, tool: Tool) -> Run:
    schema = tool.parameters_json.strip()
    sampling = replace(
        run.sampling.free(),
        ignore_eos=None,
        json_schema=schema if schema not in {"", "{}"} else '{"type": "object"}',
    )
    return replace(run, sampling=sampling)
