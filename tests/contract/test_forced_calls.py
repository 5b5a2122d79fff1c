"""A forced call is valid and in its family's own form: every family, on the real engine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import jsonschema
import pytest

from rkd.backend.backend import Backend
from rkd.backend.llamacpp.calls import CallGrammars
from rkd.backend.llamacpp.llguidance import Compiler, compiler
from rkd.backend.llamacpp.schemas import Schemas
from rkd.backend.llamacpp.wheel import import_wheel, library_of_wheel
from rkd.backend.text.calls.form import CallForm
from rkd.backend.text.calls.forms import FORMS
from rkd.backend.text.calls.table import FORMATS, CallFormat, markers_of
from rkd.backend.text.splitter import Split
from rkd.inference import Chunk, FinishReason, LoadSpec, Outcome, Run, Sampling, Tool
from rkd.model import BackendKind, Message, ToolCall
from rkd.worker.handle import Handle
from tests.contract.wire_client import WireBackend
from tests.models import tiny
from tests.unit.backend.text.cutting import merged

ROWS = {row.name: row for row in FORMATS}
FAMILIES = [(row, mark) for row, forms in FORMS.items() for mark, _form in forms]
SCHEMA = {
    "type": "object",
    "properties": {
        "city": {"$ref": "#/$defs/City"},
        "n": {"type": "integer", "minimum": 0, "maximum": 99},
        "when": {"anyOf": [{"type": "string", "format": "date"}, {"type": "null"}]},
        "code": {"type": "string", "pattern": "^[A-Z]{2}-[0-9]{2}$"},
        "word": {"type": "string", "minLength": 1, "maxLength": 6},
        "yes": {"type": "boolean"},
        "list": {"type": "array", "items": {"enum": ["a", "b"]}, "minItems": 1, "maxItems": 2},
        "o": {
            "type": "object",
            "properties": {"k": {"type": "boolean"}, "m": {"type": "null"}},
            "required": ["k"],
            "additionalProperties": False,
        },
    },
    "required": ["city", "n", "code", "yes", "list", "o"],
    "additionalProperties": False,
    "$defs": {"City": {"enum": ["Ulm", "Bonn", "New </parameter> York"], "type": "string"}},
}
TOOLS = (
    Tool("get_weather", "", json.dumps(SCHEMA)),
    Tool("now", "", '{"type": "object", "additionalProperties": false}'),
)
BODY = "{% for message in messages %}{{ message['content'] }}{% endfor %}"
EVERY_MARKER = tuple(
    dict.fromkeys(
        marker
        for row in FORMATS
        for marker in markers_of(row, tools=True)
        if marker.startswith(("<", "[")) or not marker.isascii()
    )
)
TALKS = Sampling(max_tokens=900, temperature=1.0)


def template_of(row: CallFormat, mark: str) -> str:
    """A template that shows *row*, and *mark* of its forms."""
    shown = " ".join((*row.detect[0], mark))
    tools = "{% if tools %}{{ tools | tojson }}{% endif %}"
    return f"{{# {shown} #}}{tools}{BODY}{row.prompt_end}"


@pytest.fixture(scope="module", params=["tokens", "text"])
def engine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Backend]:
    """
    A tiny model in a process of its own: every family's markers are tokens, or none is.

    The wheel keeps what it knows of a vocabulary by its address: in one process with others it
    would take another model's.
    """
    folder = tmp_path_factory.mktemp("forced")
    markers = EVERY_MARKER if request.param == "tokens" else ()
    weights = tiny.write(folder / "t.gguf", template=BODY, markers=markers)
    backend = WireBackend(folder)
    spec = LoadSpec(BackendKind.CPU, str(weights), context_tokens=4096, threads=1)
    backend.load(spec, lambda _: None)
    yield backend
    backend.close()


def ask(engine: Backend, run: Run) -> tuple[Split, Outcome]:
    """What a run gives in all."""
    heard: list[object] = []
    outcome = engine.run(run, Handle(), heard.append)
    chunks = [one for one in heard if isinstance(one, Chunk)]
    return merged(Split(one.text, one.reasoning, one.tool_calls) for one in chunks), outcome


@pytest.mark.parametrize(("row", "mark"), FAMILIES, ids=lambda one: one.strip("<>[]{}`\n/") or "-")
def test_a_forced_call_of_each_family(engine: Backend, row: str, mark: str) -> None:
    """Of a model that talks nonsense: one call, by its schema, and no marker is left over."""
    for choice, seed in (("get_weather", 1), ("get_weather", 2), ("required", 3), ("now", 4)):
        run = Run(
            replace(TALKS, seed=seed),
            messages=(Message("user", "Hi"),),
            tools=TOOLS,
            tool_choice=choice,
            template=template_of(ROWS[row], mark),
            thinking_budget=5,
        )
        got, outcome = ask(engine, run)

        assert outcome.reason is FinishReason.TOOL_CALL, (got, outcome)
        assert (got.text, outcome.warnings) == ("", ())
        (call,) = got.tool_calls
        arguments = json.loads(call.arguments)
        if call.name == "get_weather":
            jsonschema.validate(arguments, SCHEMA)
        assert choice in {"required", call.name}


OWN = [(row, form) for row, forms in FORMS.items() for _, form in forms if form.style != "json"]


@pytest.fixture(scope="module")
def judge() -> Compiler:
    """The engine's compiler of grammars."""
    import_wheel()
    return compiler(library_of_wheel())


@pytest.mark.parametrize(("row", "form"), OWN, ids=lambda one: one if isinstance(one, str) else "")
@pytest.mark.parametrize("as_tokens", [True, False])
def test_what_writes_no_json_has_a_grammar(
    judge: Compiler, row: str, form: CallForm, *, as_tokens: bool
) -> None:
    """The call above was held to the family's form, and not to JSON in its place."""
    chosen = replace(ROWS[row], form=form)

    def token(marker: str) -> int | None:
        return 7 if as_tokens and marker in EVERY_MARKER else None

    grammars = CallGrammars(Schemas(judge.refuses), token, judge.refuses_grammar)
    grammar = grammars.of(chosen, TOOLS[0])
    assert grammar.startswith("%llguidance {}\nstart: ")
    assert ("<[7]>" in grammar) is (as_tokens and row != "pythonic")
    assert grammars.of(chosen, TOOLS[1])
    assert not CallGrammars(Schemas(), token, lambda _: "no").of(chosen, TOOLS[0])


@pytest.mark.parametrize(
    "parameters",
    [
        {"anyOf": [{"properties": {"a": {"enum": [1]}}, "required": ["a"]}, {"type": "null"}]},
        {"type": "object", "required": ["free"]},
        {"type": "object", "properties": {"a>b": {"type": "string"}}},
        {"type": "object", "properties": {"a": {"type": ["string", "array"], "items": {}}}},
    ],
)
def test_what_no_grammar_says_is_held_to_json(engine: Backend, parameters: object) -> None:
    """Not every schema is properties of this and that: the call is valid all the same."""
    tool = Tool("f", "", json.dumps(parameters))
    row = ROWS["qwen3-coder"]
    assert not CallGrammars(Schemas(), lambda _: None, lambda _: "").of(row, tool)

    run = Run(
        replace(TALKS, seed=5),
        messages=(Message("user", "Hi"),),
        tools=(tool,),
        tool_choice="f",
        template=template_of(row, ""),
    )
    got, outcome = ask(engine, run)
    if outcome.reason is FinishReason.TOOL_CALL:
        jsonschema.validate(json.loads(got.tool_calls[0].arguments), parameters)
    else:
        assert outcome.reason is FinishReason.LENGTH


def test_the_id_of_a_forced_call(engine: Backend) -> None:
    """Kimi's counts the calls of the conversation; Mistral's stands in what the model reads."""
    earlier = (ToolCall("functions.now:0", "now", "{}"), ToolCall("functions.now:1", "now", "{}"))
    turns = (Message("user", "Hi"), Message("assistant", "", tool_calls=earlier))
    answers = tuple(Message("tool", "1", tool_name="now", tool_call_id=one.id) for one in earlier)
    run = Run(
        TALKS,
        messages=(*turns, *answers),
        tools=TOOLS[1:],
        tool_choice="required",
        template=template_of(ROWS["kimi-k2"], ""),
    )
    (kimi,) = ask(engine, run)[0].tool_calls
    (mistral,) = ask(
        engine, replace(run, template=template_of(ROWS["mistral"], "[CALL_ID] [ARGS]"))
    )[0].tool_calls

    assert kimi.id == "functions.now:2"
    assert (len(mistral.id), mistral.id.isalnum()) == (9, True)
