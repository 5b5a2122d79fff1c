"""An answer that has begun is written behind the prompt, and what comes behind it is read on."""

from __future__ import annotations

import pytest

from rkd.backend.prompt.chat import ChatTemplate
from rkd.backend.text.begun import begun, inside
from rkd.backend.text.calls.table import HERMES, format_of
from rkd.backend.text.splitter import Split, splitter_for
from rkd.errors import InvalidInputError
from rkd.inference import Run, Tool
from rkd.model import Message
from tests.unit.backend.text.cutting import merged

OPENS = "<|im_start|>assistant\n<think>\n"
ASKS = "<|im_start|>assistant\n"
HARMONY = format_of("<|channel|>")
USER = Message("user", "q")


def turn(content: str = "", reasoning: str = "") -> Message:
    """One of the assistant's."""
    return Message("assistant", content, reasoning)


@pytest.mark.parametrize(
    ("prompt", "given", "written"),
    [
        (ASKS, turn("So "), f"{ASKS}So "),
        (ASKS, turn(), ASKS),
        (OPENS, turn("So"), f"{OPENS}\n</think>\n\nSo"),
        (OPENS, turn("So", "why"), f"{OPENS}why\n</think>\n\nSo"),
        (OPENS, turn("", "why"), f"{OPENS}why"),
        (ASKS, turn("", "why"), f"{ASKS}<think>\nwhy"),
        (ASKS, turn("So", "why"), f"{ASKS}<think>\nwhy\n</think>\n\nSo"),
        ("[THINK]", turn("So"), "[THINK]\n[/THINK]\n\nSo"),
    ],
)
def test_it_stands_behind_its_reasoning(prompt: str, given: Message, written: str) -> None:
    """Reasoning is opened where it is not, and closed before text."""
    assert begun(prompt, given, HERMES, "… <think> …") == written


def test_channels_have_headers() -> None:
    """A text of gpt-oss needs one; reasoning alone cannot be gone on with, and that is said."""
    start = "<|start|>assistant"
    final = "<|channel|>final<|message|>So"

    assert HARMONY.whole
    assert begun(start, turn("So"), HARMONY, "") == start + final
    assert begun(start, turn("So", "why"), HARMONY, "") == (
        f"{start}<|channel|>analysis<|message|>why<|end|>{start}{final}"
    )
    with pytest.raises(InvalidInputError, match="give its text too"):
        begun(start, turn("", "why"), HARMONY, "")


def test_reasoning_needs_a_model_that_reasons() -> None:
    """One whose template shows no marks of it is refused, and loses nothing in silence."""
    with pytest.raises(InvalidInputError, match="shows none"):
        begun(ASKS, turn("So", "why"), HERMES, "no marks")


def read(run: Run, prompt: str, answer: str) -> Split:
    """What *answer*, behind *prompt*, is."""
    splitter = splitter_for(run, prompt, HERMES)
    return merged([*(splitter.feed(one) for one in answer), splitter.flush()])


def test_what_comes_behind_is_read_on() -> None:
    """Text is text, also a tag of reasoning in it; reasoning goes on until it is closed."""
    text = Run(messages=(USER, turn("So")))
    reasoning = Run(messages=(USER, turn("", "because")))

    assert read(text, f"{ASKS}So", " <think>it</think> is") == Split(" <think>it</think> is")
    assert read(reasoning, f"{OPENS}because", " of x</think>\n\nyes") == Split("yes", " of x")
    assert inside(text, f"{ASKS}So") is None


def test_calls_come_behind_it_too() -> None:
    """A text that was begun may end in a call."""
    run = Run(messages=(USER, turn("Let me see.")), tools=(Tool("look", "", "{}"),))
    call = '<tool_call>{"name": "look", "arguments": {}}</tool_call>'
    got = read(run, f"{ASKS}Let me see.", f" Now: {call}")

    assert got.text.strip() == "Now:"
    assert [one.name for one in got.tool_calls if one.name] == ["look"]


def test_a_template_writes_what_stands_before_it() -> None:
    """And asks for the answer; the beginning is to the letter, whatever templates trim."""
    template = ChatTemplate(
        "{% for m in messages %}<{{ m.role }}>{{ m.content | trim }}</s>{% endfor %}"
        "{% if add_generation_prompt %}<assistant>{% endif %}"
    )
    run = Run(messages=(USER, turn(" So ")))

    assert template.prompt(run) == "<user>q</s><assistant> So "
