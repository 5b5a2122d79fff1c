"""SYSTEM, MESSAGE turns and the request's own, in the order a template gets them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from google.protobuf import struct_pb2

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


def gap(**fields: Any) -> Run:
    """The run of a Generate that asks nothing of templates by itself."""
    request = pb.GenerateRequest(**fields)
    return generate_run(request, OWN, read_options(request.options, OWN))


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


def test_a_gap_has_a_beginning_and_an_end() -> None:
    """Neither SYSTEM nor MESSAGE; the beginning may be empty, and the end too."""
    run = gap(prompt="a", suffix="b", template="t")

    assert (run.prompt, run.suffix, run.template, told(run)) == ("a", "b", "t", [("user", "a")])
    assert (gap(suffix="b").prompt, gap(prompt="a", suffix="").suffix) == ("", "")
    assert gap(prompt="a").suffix is None


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"raw": True}, "suffix"),
        ({"system": "s"}, "system"),
        ({"options": types.InferenceOptions(thinking=True)}, "options.thinking"),
        ({"options": types.InferenceOptions(thinking_budget=1)}, "options.thinking_budget"),
        ({"options": types.InferenceOptions(reasoning_effort="low")}, "options.reasoning_effort"),
        ({"prompt": "", "suffix": ""}, "prompt"),
    ],
)
def test_what_has_no_meaning_beside_a_gap_is_refused(fields: dict[str, Any], named: str) -> None:
    """By its name, and not dropped."""
    with pytest.raises(InvalidInputError) as caught:
        gap(**{"prompt": "a", "suffix": "b", **fields})

    assert [one.field for one in caught.value.violations] == [named]


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
            ("system", "y"),
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


TOOLS = (types.Tool(name="look"), types.Tool(name="now"))


def refused(*turns: tuple[str, str], **fields: object) -> list[str]:
    """The fields a Chat is refused for."""
    with pytest.raises(InvalidInputError) as caught:
        chat(*turns, **fields)
    return [one.field for one in caught.value.violations]


class TestToolChoice:
    """Who decides whether a tool is called."""

    def test_what_it_may_be(self) -> None:
        """Auto, required and a tool's name reach the run; none offers no tools."""
        user = ("user", "p")

        assert chat(user, tools=TOOLS, tool_choice="required").tool_choice == "required"
        assert chat(user, tools=TOOLS, tool_choice="now").tool_choice == "now"
        assert len(chat(user, tools=TOOLS, tool_choice="auto").tools) == 2
        assert chat(user, tools=TOOLS, tool_choice="none").tools == ()

    def test_what_it_may_not_be(self) -> None:
        """An unknown name, and a call where there is no tool."""
        assert refused(("user", "p"), tools=TOOLS, tool_choice="bark") == ["tool_choice"]
        assert refused(("user", "p"), tool_choice="required") == ["tool_choice"]


class TestCallsInTheHistory:
    """Arguments are a JSON object, or refused by the name of their call."""

    @pytest.mark.parametrize("text", ['{"a": ', "nope", "[1]", "3", '"{}"'])
    def test_no_json_object(self, text: str) -> None:
        """Cut arguments, and what is no object."""
        calls = [types.ToolCall(name="a", arguments_json="{}")]
        calls.append(types.ToolCall(name="b", arguments_json=text))
        messages = [
            types.Message(role="user", content="q"),
            types.Message(role="assistant", tool_calls=calls),
            types.Message(role="tool", content="r"),
        ]
        with pytest.raises(InvalidInputError) as caught:
            chat_run(
                pb.ChatRequest(messages=messages),
                Recipe(),
                read_options(types.InferenceOptions(), Recipe()),
            )

        assert [one.field for one in caught.value.violations] == ["messages[1].tool_calls[1]"]

    @pytest.mark.parametrize("text", ["", "null", " "])
    def test_none_at_all(self, text: str) -> None:
        """No arguments are an empty object."""
        call = types.ToolCall(name="a", arguments_json=text)
        messages = [
            types.Message(role="assistant", tool_calls=[call]),
            types.Message(role="tool", content="r"),
        ]
        run = chat_run(
            pb.ChatRequest(messages=messages),
            Recipe(),
            read_options(types.InferenceOptions(), Recipe()),
        )

        assert run.messages[0].tool_calls[0].arguments_json == "{}"


class TestTemplateArguments:
    """Further variables of the template."""

    def test_they_arrive_as_json(self) -> None:
        """Whole numbers stay whole, at every depth."""
        arguments = struct_pb2.Struct()
        arguments.update({"keep": True, "n": 3, "deep": {"x": [1, 2.5, None]}})
        run = chat(("user", "p"), template_arguments=arguments)

        assert json.loads(run.template_arguments) == {
            "keep": True,
            "n": 3,
            "deep": {"x": [1, 2.5, None]},
        }
        assert "3.0" not in run.template_arguments
        assert chat(("user", "p")).template_arguments == ""

    def test_names(self) -> None:
        """What rkd sets itself, and what is no variable, is refused by name."""
        arguments = struct_pb2.Struct()
        arguments.update({"messages": 1, "a b": 2, "fine": 3})

        assert sorted(refused(("user", "p"), template_arguments=arguments)) == [
            "template_arguments.a b",
            "template_arguments.messages",
        ]


@pytest.mark.parametrize(
    "given",
    [
        {"thinking": True},
        {"thinking": False},
        {"thinking_budget": 0},
        {"reasoning_effort": "low"},
        {"context_overflow": types.CONTEXT_OVERFLOW_TRIM_OLDEST},
    ],
)
def test_raw_has_no_template_to_tell(given: dict[str, object]) -> None:
    """What only a template or its reasoning can do is refused with a raw prompt."""
    options = types.InferenceOptions(**given)
    request = pb.GenerateRequest(prompt="p", raw=True, options=options)
    with pytest.raises(InvalidInputError, match=next(iter(given))):
        generate_run(request, Recipe(), read_options(options, Recipe()))


def test_reasoning_options_reach_the_run() -> None:
    """The budget and the effort, of both kinds of request."""
    options = types.InferenceOptions(thinking_budget=0, reasoning_effort="high", structured_tries=8)
    read = read_options(options, Recipe())
    asked = pb.GenerateRequest(prompt="p", options=options)
    turns = pb.ChatRequest(messages=[types.Message(role="user", content="p")], options=options)
    runs = [generate_run(asked, Recipe(), read), chat_run(turns, Recipe(), read)]

    assert [(one.thinking_budget, one.reasoning_effort) for one in runs] == [(0, "high")] * 2
    assert [one.structured_tries for one in runs] == [8, 8]


def test_what_becomes_of_long_conversations_reaches_the_run() -> None:
    """And how many turns are the model's own; without a wish they are refused."""
    recipe = Recipe(messages=(Message("system", "s"), Message("user", "u"), Message("tool", "t")))
    trim = types.InferenceOptions(context_overflow=types.CONTEXT_OVERFLOW_TRIM_OLDEST)
    turn = [types.Message(role="user", content="p")]
    runs = [
        chat_run(pb.ChatRequest(messages=turn), recipe, read_options(options, recipe))
        for options in (trim, types.InferenceOptions())
    ]

    assert [(str(one.context_overflow), one.own_turns) for one in runs] == [
        ("trim_oldest", 2),
        ("refuse", 2),
    ]


@pytest.mark.parametrize(
    ("asked", "own", "guard"),
    [
        ({}, (), None),
        ({}, (("loop_guard", 50),), 50),
        ({"loop_guard": 0}, (("loop_guard", 50),), 0),
    ],
)
def test_who_says_when_a_circle_is_ended(
    asked: dict[str, int], own: tuple[tuple[str, int], ...], guard: int | None
) -> None:
    """The request over the model; without a word it is the daemon's setting."""
    options, recipe = types.InferenceOptions(**asked), Recipe(parameters=own)
    request = pb.GenerateRequest(prompt="p", raw=True, options=options)
    turns = pb.ChatRequest(messages=[types.Message(role="user", content="p")], options=options)
    read = read_options(options, recipe)

    assert generate_run(request, recipe, read).loop_guard == guard
    assert chat_run(turns, recipe, read).loop_guard == guard


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("thinking_budget", -1),
        ("thinking_budget", 1 << 21),
        ("reasoning_effort", "a b"),
        ("structured_tries", 0),
        ("structured_tries", 9),
        ("loop_guard", -1),
        ("loop_guard", 100_001),
    ],
)
def test_reasoning_options_out_of_range(field: str, value: object) -> None:
    """By name."""
    with pytest.raises(InvalidInputError, match=f"options.{field}"):
        read_options(types.InferenceOptions(**{field: value}), Recipe())


def test_an_answer_may_have_begun() -> None:
    """The last turn is then the assistant's, behind one that asks."""
    run = chat(("user", "p"), ("assistant", "So"), recipe=Recipe())

    assert told(run) == [("user", "p"), ("assistant", "So")]
    assert run.begun == Message("assistant", "So")
    assert chat(("user", "p")).begun is None


@pytest.mark.parametrize(
    "turns",
    [
        [("system", "s")],
        [("assistant", "a")],
        [("system", "s"), ("assistant", "a")],
        [("user", "p"), ("assistant", "a"), ("assistant", "b")],
        [("user", "p"), ("system", "s")],
    ],
)
def test_a_conversation_that_asks_nothing_is_refused(turns: list[tuple[str, str]]) -> None:
    """Nobody knows what is to be answered."""
    with pytest.raises(InvalidInputError) as caught:
        chat(*turns)

    assert [one.field for one in caught.value.violations] == ["messages"]


def test_what_a_begun_answer_cannot_have() -> None:
    """Calls, which wait for results, and reasoning that comes after it."""
    begun = types.Message(
        role="assistant", content="So", tool_calls=[types.ToolCall(name="f", arguments_json="{}")]
    )
    asked = types.InferenceOptions(thinking=True)
    request = pb.ChatRequest(messages=[types.Message(role="user", content="q"), begun])
    request.options.CopyFrom(asked)
    with pytest.raises(InvalidInputError) as caught:
        chat_run(request, OWN, read_options(asked, OWN))

    assert [one.field for one in caught.value.violations] == [
        *("messages[1].tool_calls", "options.thinking")
    ]
    # The model's own habit is no wish of the request's.
    habit = Recipe(parameters=(("enable_thinking", True),))
    assert chat(("user", "p"), ("assistant", "So"), recipe=habit).begun is not None
