"""Tool calls and reasoning through the real engine: markers, forced calls, budgets, constraints."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from rkd.backend.llamacpp.backend import LlamaCppBackend
from rkd.backend.text.splitter import Split
from rkd.errors import InvalidInputError
from rkd.inference import Chunk, FinishReason, LoadSpec, Outcome, Run, Sampling, Tool
from rkd.model import BackendKind, Message
from rkd.worker.handle import Handle
from tests.models import tiny
from tests.unit.backend.text.cutting import merged

TEMPLATE = (
    "{% if tools %}{{ tools | tojson }}<tool_call>{% endif %}"
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}"
    "<|im_end|>\n{% endfor %}<|im_start|>assistant\n{% if enable_thinking %}<think>\n{% endif %}"
)
SCHEMA = (
    '{"type": "object", "properties": {"city": {"enum": ["Ulm", "Bonn"]}, '
    '"n": {"type": "boolean"}}, "required": ["city", "n"], "additionalProperties": false}'
)
TOOLS = (Tool("get_weather", "", SCHEMA), Tool("look", "", SCHEMA))
USER = (Message("user", "Hi"),)
SHORT = Sampling(seed=1, max_tokens=64)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LlamaCppBackend]:
    """A tiny model whose call markers are control tokens, and whose template may open thinking."""
    folder = tmp_path_factory.mktemp("engine")
    weights = tiny.write(
        folder / "t.gguf", template=TEMPLATE, markers=("<tool_call>", "</tool_call>", "<think>")
    )
    backend = LlamaCppBackend(lambda: None, folder)
    backend.load(
        LoadSpec(BackendKind.CPU, str(weights), context_tokens=1024, threads=1), lambda _: None
    )
    yield backend
    backend.close()


def ask(engine: LlamaCppBackend, run: Run) -> tuple[Split, Outcome]:
    """What a run gives in all."""
    heard: list[object] = []
    outcome = engine.run(run, Handle(), heard.append)
    chunks = [one for one in heard if isinstance(one, Chunk)]
    return merged(Split(one.text, one.reasoning, one.tool_calls) for one in chunks), outcome


def test_control_tokens_are_shown_where_they_mark_calls(engine: LlamaCppBackend) -> None:
    """A marker that is a control token comes as text with tools, and is dropped without."""
    (marker,) = engine.tokenize("<tool_call>", add_special=False, parse_special=True)
    sampling = Sampling(seed=1, max_tokens=1, logit_bias=((marker, 100.0),))
    with_tools, _ = ask(engine, Run(sampling, messages=USER, tools=TOOLS))
    without, _ = ask(engine, Run(sampling, messages=USER))

    assert (with_tools.text, without.text) == ("<tool_call>", "")


@pytest.mark.parametrize("choice", ["required", "get_weather", "look"])
@pytest.mark.parametrize("thinking", [None, True])
def test_a_forced_call_fits_its_schema(
    engine: LlamaCppBackend, choice: str, thinking: object
) -> None:
    """Of a model that talks nonsense: one call, an offered name, arguments as its schema says."""
    run = Run(
        replace(SHORT, temperature=1.0),
        messages=USER,
        tools=TOOLS,
        tool_choice=choice,
        thinking=True if thinking else None,
        thinking_budget=5,
    )
    got, outcome = ask(engine, run)
    (call,) = got.tool_calls
    arguments = json.loads(call.arguments)

    assert outcome.reason is FinishReason.TOOL_CALL
    assert call.name in ({"get_weather", "look"} if choice == "required" else {choice})
    assert arguments.keys() == {"city", "n"}
    assert arguments["city"] in {"Ulm", "Bonn"}
    assert isinstance(arguments["n"], bool)
    assert got.text == ""


def test_a_forced_call_that_is_cut(engine: LlamaCppBackend) -> None:
    """At the limit it is LENGTH, with a warning, and no whole call."""
    run = Run(replace(SHORT, max_tokens=4), messages=USER, tools=TOOLS, tool_choice="get_weather")
    _, outcome = ask(engine, run)

    assert outcome.reason is FinishReason.LENGTH
    assert any("call" in warning for warning in outcome.warnings)


@pytest.mark.parametrize(
    ("constraint", "allowed"),
    [
        ({"grammar": 'root ::= "yes" | "no"'}, {"yes", "no"}),
        ({"json_schema": '{"enum": ["Ulm", "Bonn"]}'}, {'"Ulm"', '"Bonn"'}),
    ],
)
def test_a_constraint_holds_behind_the_reasoning(
    engine: LlamaCppBackend, constraint: dict[str, str], allowed: set[str]
) -> None:
    """The template opened the reasoning: what is asked for is the answer's, not the reasoning's."""
    sampling = replace(SHORT, **constraint)
    got, outcome = ask(engine, Run(sampling, messages=USER, thinking=True, thinking_budget=6))

    assert got.text in allowed
    assert got.reasoning
    assert outcome.reason is FinishReason.STOP_EOS


@pytest.mark.parametrize("budget", [0, 1, 7])
def test_a_budget_ends_the_reasoning(engine: LlamaCppBackend, budget: int) -> None:
    """After so many tokens the answer goes on as text; the rest of the limit is left for it."""
    run = Run(replace(SHORT, max_tokens=20), messages=USER, thinking=True, thinking_budget=budget)
    _, outcome = ask(engine, run)

    assert outcome.usage.reasoning_tokens == budget
    assert outcome.usage.completion_tokens <= 20
    assert not any("reasoning" in warning for warning in outcome.warnings)


def test_ended_inside_the_reasoning(engine: LlamaCppBackend) -> None:
    """A run that never left its reasoning says so."""
    _, outcome = ask(engine, Run(replace(SHORT, max_tokens=3), messages=USER, thinking=True))

    assert any("reasoning" in warning for warning in outcome.warnings)


def test_a_template_that_cannot_be_compiled(tmp_path: Path) -> None:
    """It fails the requests that need it; raw ones, tokens and other templates go on."""
    weights = tiny.write(tmp_path / "t.gguf", template="{% for %}")
    backend = LlamaCppBackend(lambda: None, tmp_path)
    spec = LoadSpec(BackendKind.CPU, str(weights), context_tokens=256, threads=1)
    backend.load(spec, lambda _: None)
    short = Sampling(seed=1, max_tokens=2)

    assert ask(backend, Run(short, prompt="Hi"))[1].usage.completion_tokens == 2
    assert backend.tokenize("Hi", add_special=False, parse_special=False)
    assert ask(backend, Run(short, messages=USER, template="{{ messages[0].content }}"))
    with pytest.raises(InvalidInputError, match="template"):
        ask(backend, Run(short, messages=USER))
    backend.close()


def test_a_begun_answer_is_gone_on_with(engine: LlamaCppBackend) -> None:
    """As the engine goes on with the same text, asked directly; what comes behind it is told."""
    begun = (*USER, Message("assistant", "Once upon"))
    got, outcome = ask(engine, Run(replace(SHORT, max_tokens=16), messages=begun))
    prompt = "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nOnce upon"
    raw, _ = ask(engine, Run(replace(SHORT, max_tokens=16), prompt=prompt))

    assert got.text.strip() == raw.text.strip()
    assert outcome.usage.prompt_tokens == len(
        engine.tokenize(prompt, add_special=True, parse_special=True)
    )


def test_begun_reasoning_ends_before_a_constraint(engine: LlamaCppBackend) -> None:
    """It goes on to its budget, and the choice stands behind it."""
    begun = (*USER, Message("assistant", "", "Because"))
    run = Run(
        replace(SHORT, choices=("yes", "no")), messages=begun, thinking=True, thinking_budget=4
    )
    got, _ = ask(engine, run)

    assert got.text in {"yes", "no"}
    assert got.reasoning
    assert not got.reasoning.startswith("Because")


def test_a_begun_answer_and_a_forced_call(engine: LlamaCppBackend) -> None:
    """The text stays before it, and the call is made."""
    begun = (*USER, Message("assistant", "I look."))
    got, outcome = ask(engine, Run(SHORT, messages=begun, tools=TOOLS, tool_choice="look"))

    assert [one.name for one in got.tool_calls if one.name] == ["look"]
    assert outcome.reason is FinishReason.TOOL_CALL
