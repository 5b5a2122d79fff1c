"""
When one answer takes several requests to the engine: reasoning first, what is constrained after it.

A grammar holds from the first token, so it can hold an answer only behind the reasoning; and a
budget of reasoning ends with its closing tag, which the engine cannot be made to write. Both times
the first request is cut, and a second one goes on behind what was made: the engine has all of it
in its cache, so that costs some tokens. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from rkd.backend.schema.parameters import parameters_of
from rkd.backend.text.calls.sink import new_call_id
from rkd.backend.text.calls.table import CallFormat, json_form
from rkd.backend.text.splitter import AnswerSplitter
from rkd.inference import Run, Tool

FORCED_REASONING_TOKENS = 2048
"""Most reasoning in front of what is constrained, where nobody sets a budget: a model that goes on
thinking would never come to it. Half of the answer and a quarter of the context are bounds too."""


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
        self.warnings: list[str] = []
        self._unasked = False

    @property
    def after(self) -> str:
        """What stands between reasoning and the answer."""
        return self._splitter.after_reasoning

    @property
    def inside(self) -> bool:
        """Whether the answer stands inside reasoning that a tag can end."""
        return bool(self._splitter.close)

    def watch(self, *, budget: int | None, to_close: bool, unasked: bool = False) -> None:
        """
        End the request with the reasoning.

        Args:
            budget: after so many tokens of reasoning; None for any number.
            to_close: also when the model closes it itself.
            unasked: the budget is nobody's wish: say so when it is what ends the reasoning.
        """
        self._unasked = unasked
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
                if self._unasked:
                    self.warnings.append(bounded(self._budget))

    def close(self) -> None:
        """Write the end of the reasoning in the model's place."""
        self._tag = self._splitter.ending

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


def bounded(tokens: int) -> str:
    """Say that reasoning was ended although nobody set a budget."""
    return (
        f"the reasoning was ended after {tokens} tokens, so that the answer that was asked for "
        "could follow; `thinking_budget` sets that bound"
    )


class Answer(Protocol):
    """What the turns need of `EventAnswer`."""

    @property
    def turn(self) -> ReasoningTurn:
        """As there."""

    @property
    def ended(self) -> bool:
        """As there."""

    @property
    def remaining_tokens(self) -> int | None:
        """As there."""

    def go_on(self) -> str:
        """As there."""

    def write(self, text: str) -> None:
        """As there."""

    def force(self, name: str, ident: str) -> None:
        """As there."""


Choose = Callable[[Run, str, Sequence[str]], str]
"""Lets the model choose one of several names behind a prompt."""
GrammarOf = Callable[[CallFormat, Tool], str]
"""The grammar of a forced call in its family's form; "" where it is held to JSON."""


@dataclass(frozen=True, slots=True)
class Means:
    """
    What the turns may use.

    Args:
        choose: asks the engine for a tool's name.
        grammar_of: writes the grammar of a call.
        context_tokens: of the slot; 0 where that is not known.
        opening: what the model would open its reasoning with itself; "" for none.
    """

    choose: Choose
    grammar_of: GrammarOf = lambda _row, _tool: ""
    context_tokens: int = 0
    opening: str = ""


def requests(
    run: Run, prompt: str, row: CallFormat, answer: Answer, means: Means
) -> Iterator[tuple[Run, str]]:
    """
    Yield each request as the run it is and its prompt; the next is asked for when one is over.

    Args:
        run: what was asked for.
        prompt: what its template made of it.
        row: how the model writes calls.
        answer: hears what comes.
        means: what the turns may use.
    """
    constrained = run.sampling.constrained or run.forces_call
    turn = answer.turn
    budget = run.thinking_budget
    if constrained and means.opening and not turn.inside and budget != 0:
        answer.write(means.opening)
        prompt += means.opening
    behind = ""
    if budget == 0 and turn.inside:
        turn.close()
        behind = answer.go_on()
    elif (constrained and turn.inside) or (budget is not None and not constrained):
        unasked = budget is None
        budget = _bound(run, means.context_tokens) if unasked else budget
        turn.watch(budget=budget, to_close=constrained, unasked=unasked)
        yield (_free(run) if constrained else run), prompt
        if not turn.over:
            # A model that ends its turn while it thinks owes the answer all the same.
            if not (constrained and turn.inside and answer.ended):
                return
            turn.close()
        behind = answer.go_on()
        if constrained and not behind.endswith(turn.after):
            behind += turn.after
    remaining = answer.remaining_tokens
    if remaining == 0 and behind:
        return
    left = replace(run, sampling=replace(run.sampling, max_tokens=remaining))
    if run.forces_call:
        yield _call(left, prompt + behind, row, answer, means)
        return
    if constrained and row.answers:
        answer.write(row.answers)
        behind += row.answers
    yield left, prompt + behind


def _bound(run: Run, context_tokens: int) -> int:
    """How much reasoning may come before what is constrained."""
    limits = [FORCED_REASONING_TOKENS]
    if run.sampling.max_tokens:
        limits.append(run.sampling.max_tokens // 2)
    if context_tokens:
        limits.append(context_tokens // 4)
    return min(limits)


def _call(run: Run, prompt: str, row: CallFormat, answer: Answer, means: Means) -> tuple[Run, str]:
    """The request for a call: its beginning stands in the prompt, a grammar holds the rest."""
    tools = [tool for tool in run.tools if run.tool_choice in {"required", tool.name}]
    name = tools[0].name
    if len(tools) > 1:
        held = means.grammar_of(row, tools[0])
        before = (row.form if held else json_form(row)).before
        name = means.choose(run, prompt + before, [tool.name for tool in tools])
    tool = next(tool for tool in tools if tool.name == name)
    grammar = means.grammar_of(row, tool)
    form = row.form if grammar else json_form(row)
    count = sum(len(message.tool_calls) for message in run.messages)
    form, ident = form.identified(name, count=count, fresh=new_call_id)
    opening = form.opening(name)
    if not grammar:
        answer.force(name, ident)
        return _held_to(run, tool), prompt + opening
    answer.write(opening)
    sampling = replace(run.sampling.free(), ignore_eos=None, grammar=grammar)
    return replace(run, sampling=sampling), prompt + opening


def _free(run: Run) -> Run:
    return replace(run, sampling=run.sampling.free())


def _held_to(run: Run, tool: Tool) -> Run:
    sampling = replace(run.sampling.free(), ignore_eos=None, json_schema=parameters_of(tool))
    return replace(run, sampling=sampling)
