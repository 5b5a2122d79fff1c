"""SYSTEM, MESSAGE turns and the request's own, in the order a template gets them."""

from __future__ import annotations

import pytest

from rkd.errors import InvalidInputError
from rkd.inference import Run, Tool
from rkd.model import Message, Recipe, ToolCall
from rkd.service.conversation import chat_run, generate_run
from rkd.service.options import read_options
from rkd.v1 import inference_pb2 as pb
from rkd.v1 import types_pb2 as types

OWN = Recipe(system="own", messages=(Message("user", "q"), Message("assistant", "a")))


def generate(recipe: Recipe = OWN, **fields: object) -> Run:
    """The run of a Generate."""
    options = read_options(types.InferenceOptions(lora={"l": 1.0}, thinking=True), recipe)
    return generate_run(pb.GenerateRequest(**fields), recipe, options)


def chat(*turns: tuple[str, str], recipe: Recipe = OWN, **fields: object) -> Run:
    """The run of a Chat."""
    messages = [types.Message(role=role, content=content) for role, content in turns]
    options = read_options(types.InferenceOptions(), recipe)
    return chat_run(pb.ChatRequest(messages=messages, **fields), recipe, options)


def told(run: Run) -> list[tuple[str, str]]:
    """Its turns."""
    return [(one.role, one.content) for one in run.messages]


def test_a_prompt_stands_behind_the_models_turns() -> None:
    """SYSTEM first; the request's own system replaces it, "" clears it."""
    mine = [("user", "q"), ("assistant", "a"), ("user", "p")]

    assert told(generate(prompt="p")) == [("system", "own"), *mine]
    assert told(generate(prompt="p", system="s")) == [("system", "s"), *mine]
    assert told(generate(prompt="p", system="")) == mine
    assert generate(prompt="p", template="t").template == "t"
    assert generate(prompt="p").template is None


def test_raw_is_the_prompt_alone() -> None:
    """No template, no turns; adapters stay."""
    assert generate(prompt="p", raw=True) == Run(prompt="p", lora=(("l", 1.0),))


def test_an_empty_prompt_is_refused() -> None:
    """By name."""
    with pytest.raises(InvalidInputError, match="prompt should not be empty"):
        generate(prompt="")


def test_a_chats_own_system_replaces_the_models() -> None:
    """Before the model's turns, where a system turn stands."""
    mine = [("user", "q"), ("assistant", "a"), ("user", "p")]

    assert told(chat(("user", "p"))) == [("system", "own"), *mine]
    assert told(chat(("system", "s"), ("user", "p"))) == [("system", "s"), *mine]
    assert told(chat(("user", "p"), recipe=Recipe())) == [("user", "p")]


def test_a_turn_arrives_whole() -> None:
    """Every field of it, and of the tools."""
    call = types.ToolCall(id="i", name="n", arguments_json="{}")
    turn = types.Message(
        role="tool", content="c", reasoning="r", tool_calls=[call], tool_name="t",
        tool_call_id="ti",
    )  # fmt: skip
    tool = types.Tool(name="n", description="d", parameters_json='{"type": "object"}')
    request = pb.ChatRequest(messages=[turn], tools=[tool], template="t")
    run = chat_run(request, Recipe(), read_options(types.InferenceOptions(), Recipe()))

    assert run.messages == (Message("tool", "c", "r", (ToolCall("i", "n", "{}"),), "t", "ti"),)
    assert run.tools == (Tool("n", "d", '{"type": "object"}'),)
    assert run.template == "t"


def test_what_is_wrong_with_a_chat_is_named() -> None:
    """Roles, the last turn, tools: all at once."""
    with pytest.raises(InvalidInputError) as empty:
        chat()
    with pytest.raises(InvalidInputError) as wrong:
        chat(
            ("bot", "x"),
            ("assistant", "y"),
            tools=[
                types.Tool(name="a b"),
                types.Tool(name="a", parameters_json="{"),
                types.Tool(name="a", parameters_json="[]"),
            ],
        )

    assert [one.field for one in empty.value.violations] == ["messages"]
    assert [one.field for one in wrong.value.violations] == [
        "messages[0].role", "messages", "tools[0].name", "tools[1].parameters_json",
        "tools[2].parameters_json",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "[" * 200_000,
        '{"a":' * 2000 + "1" + "}" * 2000,
        '{"a": "\\ud83d"}',
        '{"a": [' + "0," * 20_000,
    ],
)
def test_parameters_of_a_tool_are_bounded(text: str) -> None:
    """Deep, long, and with half a character: no JSON object anybody can use."""
    with pytest.raises(InvalidInputError) as caught:
        chat(("user", "x"), tools=[types.Tool(name="a", parameters_json=text)])
    (violation,) = caught.value.violations

    assert violation.field == "tools[0].parameters_json"
    assert len(violation.description) < 300


def test_ten_thousand_wrong_turns_are_told_as_ten() -> None:
    """And how many more there are."""
    with pytest.raises(InvalidInputError) as caught:
        chat(*[("bot", "x")] * 10_000)
    told = caught.value.violations

    assert [one.field for one in told[:10]] == [f"messages[{at}].role" for at in range(10)]
    assert [one.description for one in told[10:]] == ["and 9990 more"]
    assert len(caught.value.message) < 2000
