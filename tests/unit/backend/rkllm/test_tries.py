"""Answers of an engine that nothing holds, tried until one is right."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from rkd.backend.backend import Emit, RunHandle
from rkd.backend.rkllm.tries import tried
from rkd.errors import InvalidInputError, PreconditionError, Reason
from rkd.inference import (
    Chunk,
    EngineTimings,
    FinishReason,
    Outcome,
    PrefillProgress,
    Run,
    Sampling,
    Tool,
    ToolCallDelta,
    Usage,
)
from rkd.model import Message
from rkd.worker.handle import Handle

SCHEMA = '{"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}'
QUESTION = (Message("system", "s"), Message("user", "How many?"))
HELD = Run(Sampling(json_schema=SCHEMA), messages=QUESTION, structured_tries=3)


class FakeEngine:
    """Says what it was given, one answer after the other, and notes what it was asked."""

    def __init__(self, *answers: str | tuple[ToolCallDelta, ...]) -> None:
        self.answers = list(answers)
        self.asked: list[Run] = []
        self.reason = FinishReason.STOP_EOS
        self.meanwhile: Callable[[], None] = lambda: None

    def once(self, run: Run, _handle: RunHandle, emit: Emit) -> Outcome:
        """As the backend's."""
        self.asked.append(run)
        emit(PrefillProgress(5, 0, 0))
        said = self.answers.pop(0)
        if isinstance(said, str):
            emit(Chunk(said[:3], tokens=1))
            emit(Chunk(said[3:], tokens=1))
        else:
            emit(Chunk(tool_calls=said, tokens=2))
        self.meanwhile()
        return Outcome(self.reason, Usage(5, 1, 2, 0), EngineTimings(10, 20), warnings=("as ever",))


def ask(engine: FakeEngine, run: Run) -> tuple[list[object], Outcome]:
    """What is heard, and how it ends."""
    heard: list[object] = []
    return heard, tried(run, Handle(), heard.append, engine.once)


def test_the_first_right_answer_is_all_that_is_heard() -> None:
    """In one piece, behind the progress of the first; the usage counts every answer."""
    engine = FakeEngine("Seven, I think.", '{"a": "7"}', '```json\n{"a": 7}\n```')
    heard, outcome = ask(engine, HELD)

    assert [type(one).__name__ for one in heard] == ["PrefillProgress", "Chunk"]
    assert isinstance(heard[1], Chunk)
    assert heard[1].text == '{"a": 7}'
    assert outcome.usage == Usage(15, 3, 6, 0)
    assert outcome.timings == EngineTimings(30, 60)
    assert outcome.warnings[0] == "as ever"
    assert "3 tries" in outcome.warnings[1]


def test_the_model_is_told() -> None:
    """The schema in the last question, and what was wrong; the run itself is held to nothing."""
    engine = FakeEngine('{"a": "7"}', '{"a": 7}')
    ask(engine, HELD)
    first, second = (run.messages[-1].content for run in engine.asked)

    assert first.startswith("How many?\n\nAnswer with JSON")
    assert '"required": ["a"]' in first
    assert "refused" not in first
    assert "'type' at '$.a'" in second
    assert not any(run.sampling.constrained or run.structured_tries for run in engine.asked)
    assert engine.asked[0].messages[0] == QUESTION[0]


def test_behind_a_result_the_demand_is_a_turn_of_its_own() -> None:
    """What a tool said stays what it said."""
    turns = (*QUESTION, Message("assistant", "", tool_calls=()), Message("tool", "8"))
    engine = FakeEngine('{"a": 8}')
    ask(engine, Run(HELD.sampling, messages=turns, structured_tries=1))

    assert [(one.role, one.content[:6]) for one in engine.asked[0].messages[-2:]] == [
        ("tool", "8"),
        ("user", "Answer"),
    ]


def test_none_is_right() -> None:
    """An error that says of the last one what was wrong, and nothing was heard of any."""
    engine = FakeEngine("a", "b", '{"b": 1}')
    heard: list[object] = []
    with pytest.raises(PreconditionError, match="None of 3 answers") as caught:
        tried(HELD, Handle(), heard.append, engine.once)

    assert caught.value.reason is Reason.CAPABILITY_UNSUPPORTED
    assert caught.value.metadata == {"capability": "structured_tries", "tries": "3"}
    assert "'required' at '$'" in caught.value.message
    assert [one for one in heard if isinstance(one, Chunk)] == []


def test_nobody_wants_it_any_more() -> None:
    """No further try, and nothing is said."""
    engine, handle, heard = FakeEngine("no"), Handle(), list[object]()
    engine.meanwhile = handle.cancel
    engine.reason = FinishReason.CANCELLED
    outcome = tried(HELD, handle, heard.append, engine.once)

    assert outcome.reason is FinishReason.CANCELLED
    assert not any(isinstance(one, Chunk) for one in heard)


@pytest.mark.parametrize(
    ("sampling", "wrong", "right"),
    [
        (Sampling(choices=("yes", "no")), "Yes, of course", " no\n"),
        (Sampling(regex="[0-9]{2}"), "123", "12"),
        (Sampling(json_schema='{"uniqueItems": true}'), "[1, 1]", "[2, 1]"),
        (Sampling(json_schema=""), "[]", "{}"),
        (Sampling(json_schema='{"items": [{"type": "null"}]}'), "[1]", "[null]"),
        (
            Sampling(json_schema='{"$schema": "http://json-schema.org/draft-07/schema#", '
                     '"items": [{"type": "null"}], "additionalItems": false}'),
            "[1]",
            "[null]",
        ),
    ],
)  # fmt: skip
def test_whatever_it_is_held_to(sampling: Sampling, wrong: str, right: str) -> None:
    """Also what no grammar keeps: it is judged, not constrained."""
    engine = FakeEngine(wrong, right)
    heard, _ = ask(engine, Run(sampling, messages=QUESTION, structured_tries=2))

    assert isinstance(heard[-1], Chunk)
    assert heard[-1].text == right.strip()


def test_a_call() -> None:
    """Of a tool that was asked for, its arguments by its schema; text beside it is dropped."""
    tools = (Tool("f", "", SCHEMA), Tool("g", "", "{}"))
    other, bad, good = (
        (ToolCallDelta(0, "i", name, arguments),)
        for name, arguments in (("g", "{}"), ("f", '{"a": "x"}'), ("f", '{"a": 1}'))
    )
    engine = FakeEngine("I will.", other, bad, good)
    run = Run(messages=QUESTION, tools=tools, tool_choice="f", structured_tries=4)
    heard, outcome = ask(engine, run)

    assert isinstance(heard[-1], Chunk)
    assert [json.loads(one.arguments) for one in heard[-1].tool_calls] == [{"a": 1}]
    assert "4 tries" in outcome.warnings[-1]
    told = [one.messages[-1].content.rpartition("refused: ")[2] for one in engine.asked[1:]]
    assert ["no tool" in told[0], "'g'" in told[1], "of f do not keep" in told[2]] == [True] * 3


@pytest.mark.parametrize(
    "schema", ["[]", "{", '{"type": "thing"}', '{"uniqueItems": 3}', '{"$ref": "#/nowhere"}']
)
def test_what_is_no_schema_is_refused_before_the_model_is_asked(schema: str) -> None:
    """By its field."""
    engine = FakeEngine()
    run = Run(Sampling(json_schema=schema), messages=QUESTION, structured_tries=2)
    with pytest.raises(InvalidInputError, match=r"options\.sampling\.json_schema"):
        ask(engine, run)
    assert engine.asked == []
