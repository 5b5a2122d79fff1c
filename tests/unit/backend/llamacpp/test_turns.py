"""Which requests an answer takes, and what each is."""

from __future__ import annotations

from collections.abc import Sequence

from rkd.backend.llamacpp.turns import ReasoningTurn, requests
from rkd.backend.text.calls.table import HERMES
from rkd.backend.text.splitter import AnswerSplitter
from rkd.capability.think import THINKS
from rkd.inference import Run, Sampling, Tool
from rkd.model import Message

CHAT = (Message("user", "hi"),)
TOOLS = (Tool("a", "", "{}"), Tool("b", "", '{"type": "object", "required": ["x"]}'))


class Heard:
    """An answer fed by hand, as `EventAnswer` is by the engine."""

    def __init__(self, *, opened: bool = False, left: int | None = None) -> None:
        self.splitter = AnswerSplitter(thinking=THINKS[0] if opened else None)
        self.turn = ReasoningTurn(self.splitter)
        self.remaining_tokens = left
        self.named = ""
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

    def force(self, name: str) -> None:
        """As `EventAnswer`."""
        self.named = name


def second(_run: Run, _prompt: str, names: Sequence[str]) -> str:
    """Chooses the second name."""
    return names[1]


def test_an_ordinary_run_is_one_request() -> None:
    """As it is, behind its prompt."""
    run = Run(messages=CHAT)

    assert list(requests(run, "p", HERMES, Heard(), second)) == [(run, "p")]


def test_a_grammar_behind_reasoning_is_two() -> None:
    """The first without it, up to the end of the reasoning; the second behind that, with it."""
    heard = Heard(opened=True, left=9)
    run = Run(Sampling(grammar="g", max_tokens=12), messages=CHAT)
    each = requests(run, "p<think>", HERMES, heard, second)
    first, prompt = next(each)
    heard.hear("why", "</thi", "nk> and what stays out")
    then, behind = next(each)

    assert (first.sampling.grammar, prompt) == (None, "p<think>")
    assert (then.sampling.grammar, then.sampling.max_tokens) == ("g", 9)
    assert behind == "p<think>why</think>\n\n"


def test_a_budget_writes_the_end() -> None:
    """After so many tokens the tag is written, and the run goes on behind it."""
    heard = Heard(opened=True)
    each = requests(Run(messages=CHAT, thinking_budget=2), "p", HERMES, heard, second)
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
    each = requests(Run(messages=CHAT, thinking_budget=1), "p", HERMES, heard, second)
    next(each)
    heard.hear("just", " text")

    assert list(each) == []

    heard = Heard()
    each = requests(Run(messages=CHAT, thinking_budget=1), "p", HERMES, heard, second)
    next(each)
    heard.hear("<think>", "a")

    assert next(each)[1] == "p<think>a\n</think>\n\n"


def test_no_tokens_left_is_the_end() -> None:
    """The limit counts what was thought."""
    heard = Heard(opened=True, left=0)
    each = requests(Run(messages=CHAT, thinking_budget=1), "p", HERMES, heard, second)
    next(each)
    heard.hear("a")

    assert list(each) == []


def test_a_forced_call_begins_in_the_prompt() -> None:
    """Its name chosen where there are several, its arguments held to the tool's schema."""
    heard = Heard()
    run = Run(messages=CHAT, tools=TOOLS, tool_choice="required")
    (one,) = requests(run, "p", HERMES, heard, second)

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
