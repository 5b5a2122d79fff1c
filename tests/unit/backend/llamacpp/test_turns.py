"""Which requests an answer takes, and what each is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rkd.backend.llamacpp.turns import FORCED_REASONING_TOKENS, Means, ReasoningTurn, requests
from rkd.backend.text.calls.table import HERMES, CallFormat, format_of
from rkd.backend.text.splitter import AnswerSplitter
from rkd.capability.think import THINKS
from rkd.inference import Run, Sampling, Tool
from rkd.model import Message

CHAT = (Message("user", "hi"),)
TOOLS = (Tool("a", "", "{}"), Tool("b", "", '{"type": "object", "required": ["x"]}'))


class Heard:
    """An answer fed by hand, as `EventAnswer` is by the engine."""

    def __init__(
        self, *, opened: bool = False, left: int | None = None, row: CallFormat = HERMES
    ) -> None:
        self.row = row
        self.splitter = AnswerSplitter(thinking=THINKS[0] if opened else None, row=row)
        self.turn = ReasoningTurn(self.splitter)
        self.remaining_tokens = left
        self.named = self.ident = ""
        self.ended = False
        self.count = 0

    def hear(self, *pieces: str) -> None:
        """Take pieces of a token each."""
        for piece in pieces:
            self.count += self.splitter.in_reasoning
            self.splitter.feed(self.turn.heard(piece))
            self.turn.look(self.count)

    def go_on(self) -> str:
        """As `EventAnswer`."""
        behind, tag = self.turn.take()
        self.splitter.feed(tag)
        return behind

    def write(self, text: str) -> None:
        """As `EventAnswer`."""
        self.splitter.feed(text)

    def force(self, name: str, ident: str) -> None:
        """As `EventAnswer`."""
        self.named, self.ident = name, ident


def second(_run: Run, _prompt: str, names: Sequence[str]) -> str:
    """Chooses the second name."""
    return names[1]


def test_an_ordinary_run_is_one_request() -> None:
    """As it is, behind its prompt."""
    run = Run(messages=CHAT)

    assert list(requests(run, "p", HERMES, Heard(), Means(second))) == [(run, "p")]


def test_a_grammar_behind_reasoning_is_two() -> None:
    """The first without it, up to the end of the reasoning; the second behind that, with it."""
    heard = Heard(opened=True, left=9)
    run = Run(Sampling(grammar="g", max_tokens=12), messages=CHAT)
    each = requests(run, "p<think>", HERMES, heard, Means(second))
    first, prompt = next(each)
    heard.hear("why", "</thi", "nk> and what stays out")
    then, behind = next(each)

    assert (first.sampling.grammar, prompt) == (None, "p<think>")
    assert (then.sampling.grammar, then.sampling.max_tokens) == ("g", 9)
    assert behind == "p<think>why</think>\n\n"


def test_a_budget_writes_the_end() -> None:
    """After so many tokens the tag is written, and the run goes on behind it."""
    heard = Heard(opened=True)
    each = requests(Run(messages=CHAT, thinking_budget=2), "p", HERMES, heard, Means(second))
    next(each)
    heard.hear("a", "b")
    over = heard.turn.over
    _, behind = next(each)

    assert over
    assert behind == "pab\n</think>\n\n"
    assert not heard.splitter.in_reasoning


def test_a_budget_of_reasoning_the_model_opens() -> None:
    """Nobody knows before whether it will; where it does not, one request is all."""
    heard = Heard()
    each = requests(Run(messages=CHAT, thinking_budget=1), "p", HERMES, heard, Means(second))
    next(each)
    heard.hear("just", " text")

    assert list(each) == []

    heard = Heard()
    each = requests(Run(messages=CHAT, thinking_budget=1), "p", HERMES, heard, Means(second))
    next(each)
    heard.hear("<think>", "a")

    assert next(each)[1] == "p<think>a\n</think>\n\n"


def test_reasoning_before_what_is_constrained_is_bounded() -> None:
    """By half of the limit, a quarter of the context, and at all; whoever was cut is told."""
    for limit, context, bound in ((6, 0, 3), (None, 16, 4), (None, 0, FORCED_REASONING_TOKENS)):
        heard = Heard(opened=True, left=limit)
        run = Run(Sampling(json_schema="", max_tokens=limit), messages=CHAT)
        each = requests(run, "p", HERMES, heard, Means(second, context_tokens=context))
        next(each)
        heard.hear(*["x"] * (bound - 1))
        before = heard.turn.over
        heard.hear("x")
        _, behind = next(each)

        assert (before, behind) == (False, "p" + "x" * bound + "\n</think>\n\n")
        assert [str(bound) in one for one in heard.turn.warnings] == [True]


def test_a_budget_of_ones_own_is_no_surprise() -> None:
    """Nothing is said of a bound that was asked for, or of reasoning that ended before it."""
    for budget, words in ((2, ["a", "b"]), (None, ["a", "</think>"])):
        heard = Heard(opened=True)
        run = Run(Sampling(grammar="g"), messages=CHAT, thinking_budget=budget)
        each = requests(run, "p", HERMES, heard, Means(second))
        next(each)
        heard.hear(*words)
        next(each)

        assert heard.turn.warnings == []


def test_who_ends_his_turn_thinking_owes_the_call() -> None:
    """The reasoning is closed for the model, and what is owed asked for: a call or an answer."""
    for forced in (True, False):
        heard = Heard(opened=True)
        sampling = Sampling(grammar=None if forced else "g")
        choice = "a" if forced else ""
        run = Run(sampling, messages=CHAT, tools=TOOLS, tool_choice=choice)
        each = requests(run, "p", HERMES, heard, Means(second))
        next(each)
        heard.hear("hm")
        heard.ended = True

        assert [prompt for _, prompt in each] == (
            ['phm\n</think>\n\n<tool_call>\n{"name": "a", "arguments": ']
            if forced
            else ["phm\n</think>\n\n"]
        )


def test_reasoning_a_model_opens_itself_is_opened_for_it() -> None:
    """Where it is to think and something holds its answer from the first token; 0 is not at all."""
    held = Run(Sampling(grammar="g"), messages=CHAT)
    means = Means(second, opening="<think>\n")
    heard = Heard()
    each = requests(held, "p", HERMES, heard, means)
    _, prompt = next(each)
    heard.hear("a", "</think>")

    assert (prompt, next(each)[1]) == ("p<think>\n", "p<think>\na</think>\n\n")
    assert [one for _, one in requests(Run(messages=CHAT), "p", HERMES, Heard(), means)] == ["p"]
    none = replace(held, thinking_budget=0)
    assert [one for _, one in requests(none, "p", HERMES, Heard(), means)] == ["p"]


def test_the_channels_of_gpt_oss() -> None:
    """Analysis first, then what is held in the channel for people, or the call in its own."""
    row = format_of("<|channel|>")
    for choice, channel in (
        ("", "final<|message|>"),
        ("a", "commentary to=functions.a <|constrain|>json<|message|>"),
    ):
        heard = Heard(row=row)
        sampling = Sampling(json_schema=None if choice else "{}")
        run = Run(sampling, messages=CHAT, tools=TOOLS, tool_choice=choice)
        assert row.think is not None
        each = requests(run, "p", row, heard, Means(second, opening=row.think.opening))
        _, prompt = next(each)
        heard.hear("why", "<|end|>", "out")

        assert prompt == "p<|channel|>analysis<|message|>"
        assert next(each)[1] == f"{prompt}why<|end|><|start|>assistant<|channel|>{channel}"


def test_a_budget_for_gpt_oss() -> None:
    """Its analysis is ended by its own mark."""
    heard = Heard(row=format_of("<|channel|>"))
    run = Run(messages=CHAT, thinking_budget=1)
    each = requests(run, "p", heard.row, heard, Means(second))
    next(each)
    heard.hear("<|channel|>analysis<|message|>", "a")

    assert next(each)[1] == "p<|channel|>analysis<|message|>a<|end|><|start|>assistant"
    heard.hear("<|channel|>final<|message|>t")
    assert not heard.splitter.in_reasoning


def test_no_tokens_left_is_the_end() -> None:
    """The limit counts what was thought."""
    heard = Heard(opened=True, left=0)
    each = requests(Run(messages=CHAT, thinking_budget=1), "p", HERMES, heard, Means(second))
    next(each)
    heard.hear("a")

    assert list(each) == []


def test_a_forced_call_begins_in_the_prompt() -> None:
    """Its name chosen where there are several, its arguments held to the tool's schema."""
    heard = Heard()
    run = Run(messages=CHAT, tools=TOOLS, tool_choice="required")
    (one,) = requests(run, "p", HERMES, heard, Means(second))

    assert one[1] == 'p<tool_call>\n{"name": "b", "arguments": '
    assert one[0].sampling.json_schema == TOOLS[1].parameters_json
    assert heard.named == "b"


def test_who_forces() -> None:
    """Required and a name do; auto, none and nothing do not, nor does anything without tools."""
    choices = ["", "auto", "none", "required", "a"]

    assert [Run(tools=TOOLS, tool_choice=one).forces_call for one in choices] == [
        False,
        False,
        False,
        True,
        True,
    ]
    assert not Run(tool_choice="required").forces_call
